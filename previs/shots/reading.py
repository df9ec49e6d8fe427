"""Read a shot list from a file's contents or from Python values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from previs.errors import ShotListFaults
from previs.shots.durations import seconds_of
from previs.shots.faults import Findings, display_value
from previs.shots.fields import MOST_SHOTS
from previs.shots.from_csv import read_csv
from previs.shots.from_json import read_json, too_deep
from previs.shots.from_workbook import OLD_WORKBOOK, WORKBOOK, no_workbook, read_workbook
from previs.shots.from_yaml import read_yaml
from previs.shots.look_files import with_looks
from previs.shots.markdown import unwrapped
from previs.shots.models import SheetPicks, Shot, ShotList
from previs.shots.recognition import check_kind, check_no_screenplay, not_a_list
from previs.shots.sheet_rows import Sheet
from previs.shots.text import Notation, decoded, fault, notation_by_name, too_many_shots
from previs.shots.tree import has_more_values, plain, repeated_keys
from previs.shots.unused import with_camera

_START = 1_000
_MARKUP = re.compile(r"\s*<(?:!|\?xml|/?[A-Za-z])")  # a YAML file may begin with the key <<
_MOST_IN_SHOT = 10_000  # values, references and overrides included
_NEEDED = [name for name, info in Shot.model_fields.items() if info.is_required()]


def read_shot_list(
    source: bytes | str | Mapping[str, Any] | Sequence[Any],
    *,
    name: str = "the shot list",
    media: Notation | None = None,
) -> ShotList:
    """Read a shot list from a file's contents or from Python values.

    Args:
        source: Contents (not the path) of a JSON, YAML, CSV, Markdown, .xlsx or .ods file, or the same as mappings and
            sequences. A list of shots, an object with ``shots`` and a single shot are all accepted.
        name: Name of the list in faults: its path or URL.
        media: Notation of the contents; by default the suffix of ``name`` decides, then the contents.

    Raises:
        ShotListFaults: The list has faults: the first 50 in its order, and how many more; or it has more than 100,000
            shots.
    """
    read = _contents(source, name, media) if isinstance(source, bytes | str) else (source, None, ())
    values, sheet, notices = read
    if isinstance(source, bytes | str):
        check_kind(source, values, sheet, name)
    document = _as_object(values, name)
    shots = document.get("shots")
    if isinstance(shots, list | tuple) and len(shots) > MOST_SHOTS:
        raise too_many_shots(name, len(shots))
    try:
        findings = Findings(with_camera(_with_durations(plain(document))), sheet)
        findings.add_repeated_keys(repeated_keys(document))
    except RecursionError as error:
        raise too_deep(name) from error
    made = _validated(findings, name)
    notices = (*notices, *(sheet.notices if sheet else ()), *made.notices)
    if sheet is None:
        return made.noted(notices, {}) if notices else made
    return made.noted(notices, sheet.headers, SheetPicks(sheet.board, sheet.picks))


def _with_durations(document: dict[Any, Any]) -> dict[Any, Any]:
    """Return a list in which durations that are texts are seconds, as far as they can be read."""
    shots, fps = document.get("shots"), document.get("fps")
    for shot in shots if isinstance(shots, list) else ():
        if isinstance(shot, dict) and isinstance(duration := shot.get("duration"), str):
            seconds = seconds_of(duration, fps if isinstance(fps, int | float) else None)
            shot["duration"] = duration if seconds is None else seconds
    return document


def _validated(findings: Findings, name: str) -> ShotList:
    findings.add_repeated_names()
    findings.add_without_prompt()
    findings.add_misspelled()
    findings.add_formula_errors()
    given = findings.tree
    shots = given.get("shots")
    if isinstance(shots, list):
        given = given | {"shots": list(_valid_shots(shots, findings))}
    shot_list = _valid_list(given, findings)
    faults = findings.in_order()
    if shot_list is None or faults:
        raise ShotListFaults(name, faults, findings.more)
    return shot_list if shot_list.look else with_looks(shot_list, name)


def _valid_shots(shots: list[Any], findings: Findings) -> Iterator[Shot]:
    """Yield the valid shots, each checked by itself: the faults of millions of values would not fit into memory."""
    for index, shot in enumerate(shots):
        if has_more_values(shot, _MOST_IN_SHOT):
            findings.add_oversized(index, _MOST_IN_SHOT)
            continue
        try:
            yield Shot.model_validate(shot)
        except ValidationError as error:
            findings.add_broken_rules(error, ("shots", index))


def _valid_list(given: dict[Any, Any], findings: Findings) -> ShotList | None:
    if has_more_values({key: value for key, value in given.items() if key != "shots"}, _MOST_IN_SHOT):
        findings.add_oversized(None, _MOST_IN_SHOT)
        return None
    try:
        return ShotList.model_validate(given)
    except ValidationError as error:
        findings.add_broken_rules(error)
        return None


def _contents(source: bytes | str, name: str, media: Notation | None) -> tuple[Any, Sheet | None, tuple[str, ...]]:
    """Return the values of a file, its sheet if it is one, and sentences on how it was read."""
    if isinstance(source, bytes) and source.startswith((WORKBOOK, OLD_WORKBOOK)):
        if (sheet := read_workbook(source, name)) is None:
            raise no_workbook(name)
        return sheet.document(), sheet, ()
    expected = media or notation_by_name(name)
    text, notices = decoded(source, name, any_encoding=expected in (None, "csv"))
    check_no_screenplay(text, source, name)
    if _MARKUP.match(text[:_START]):
        raise not_a_list(source, name)
    text, notation, left_out = unwrapped(text, expected, name)
    notices = (*notices, *left_out)
    if notation == "csv":
        sheet = read_csv(text, name)
        return sheet.document(), sheet, notices
    return (read_json(text, name) if notation == "json" else read_yaml(text, name)), None, notices


def _as_object(values: object, name: str) -> dict[Any, Any]:
    """Return the values as an object with shots; a file's object stays as it is, since it records repeated keys."""
    if isinstance(values, Mapping):
        if "shots" not in values and any(field in values for field in _NEEDED):
            return {"shots": [values]}
        return values if isinstance(values, dict) else dict(values)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return {"shots": [shot.given() if isinstance(shot, Shot) else shot for shot in values]}
    remedy = "a list of shots, or an object with shots, is needed (the contents of a file, not its path)"
    raise fault(name, "the list", remedy, value=display_value(values) if values is not None else "empty")
