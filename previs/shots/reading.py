"""From a file's contents, or values of Python's own, to a shot list without faults."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from previs.errors import ShotListFaults
from previs.shots.faults import Findings, shown
from previs.shots.from_csv import Sheet, read_csv
from previs.shots.from_json import read_json, too_deep
from previs.shots.from_yaml import read_yaml
from previs.shots.models import Shot, ShotList
from previs.shots.text import Notation, decoded, fault, notation_by_content, notation_by_name
from previs.shots.tree import plain, repeated_keys

_NEEDED = [name for name, about in Shot.model_fields.items() if about.is_required()]


def read_shot_list(
    source: bytes | str | Mapping[str, Any] | Sequence[Any],
    *,
    name: str = "the shot list",
    media: Notation | None = None,
) -> ShotList:
    """A shot list from a file's contents, or from what a program already holds.

    Args:
        source: the contents (not the path) of a JSON, YAML or CSV file; or the same as mappings and sequences. A list
            of shots, an object with ``shots``, and a single shot are all accepted.
        name: what faults call the list: its path or address.
        media: what the contents are; otherwise told by the suffix of ``name``, or else by the contents.

    Raises:
        ShotListFaults: with every fault that was found.
    """
    values, sheet = _contents(source, name, media) if isinstance(source, bytes | str) else (source, None)
    whole = _as_object(values, name)
    try:
        findings = Findings(plain(whole), sheet)
        findings.add_repeated_keys(repeated_keys(whole))
    except RecursionError as error:
        raise too_deep(name) from error
    return _checked(findings, name)


def _checked(findings: Findings, name: str) -> ShotList:
    findings.add_repeated_names()
    try:
        made = ShotList.model_validate(findings.tree)
    except ValidationError as error:
        findings.add_broken_rules(error)
        raise ShotListFaults(name, findings.in_order()) from error
    if faults := findings.in_order():
        raise ShotListFaults(name, faults)
    return made


def _contents(source: bytes | str, name: str, media: Notation | None) -> tuple[Any, Sheet | None]:
    expected = media or notation_by_name(name)
    text = decoded(source, name, chinese=expected in (None, "csv"))
    notation = expected or notation_by_content(text)
    if notation == "csv":
        sheet = read_csv(text, name)
        return sheet.shots, sheet
    return (read_json(text, name) if notation == "json" else read_yaml(text, name)), None


def _as_object(values: object, name: str) -> dict[Any, Any]:
    """What came, as an object with shots; objects of a file stay as they are, with what they know of repeated keys."""
    if isinstance(values, Mapping):
        alone = "shots" not in values and any(field in values for field in _NEEDED)
        if alone:
            return {"shots": [values]}
        return values if isinstance(values, dict) else dict(values)
    if isinstance(values, Sequence) and not isinstance(values, str | bytes):
        return {"shots": [shot.given() if isinstance(shot, Shot) else shot for shot in values]}
    remedy = "a list of shots, or an object with shots, is needed (the contents of a file, not its path)"
    raise fault(name, "the list", remedy, value=shown(values) if values is not None else "nothing in it")
