"""Read a shot list from a file's contents or from Python values."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from previs.errors import ShotListFaults
from previs.shots.faults import Findings, display_value
from previs.shots.from_csv import Sheet, read_csv
from previs.shots.from_json import read_json, too_deep
from previs.shots.from_yaml import read_yaml
from previs.shots.models import Shot, ShotList
from previs.shots.recognition import check_kind, not_a_list
from previs.shots.text import Notation, decoded, fault, notation_by_content, notation_by_name
from previs.shots.tree import plain, repeated_keys

_START = 1_000
_NEEDED = [name for name, info in Shot.model_fields.items() if info.is_required()]


def read_shot_list(
    source: bytes | str | Mapping[str, Any] | Sequence[Any],
    *,
    name: str = "the shot list",
    media: Notation | None = None,
) -> ShotList:
    """Read a shot list from a file's contents or from Python values.

    Args:
        source: Contents (not the path) of a JSON, YAML or CSV file, or the same as mappings and sequences. A list of
            shots, an object with ``shots`` and a single shot are all accepted.
        name: Name of the list in faults: its path or URL.
        media: Notation of the contents; by default the suffix of ``name`` decides, then the contents.

    Raises:
        ShotListFaults: The list has faults; every fault is reported.
    """
    values, sheet = _contents(source, name, media) if isinstance(source, bytes | str) else (source, None)
    if isinstance(source, bytes | str):
        check_kind(source, values, sheet, name)
    document = _as_object(values, name)
    try:
        findings = Findings(plain(document), sheet)
        findings.add_repeated_keys(repeated_keys(document))
    except RecursionError as error:
        raise too_deep(name) from error
    return _validated(findings, name)


def _validated(findings: Findings, name: str) -> ShotList:
    findings.add_repeated_names()
    try:
        shot_list = ShotList.model_validate(findings.tree)
    except ValidationError as error:
        findings.add_broken_rules(error)
        raise ShotListFaults(name, findings.in_order()) from error
    if faults := findings.in_order():
        raise ShotListFaults(name, faults)
    return shot_list


def _contents(source: bytes | str, name: str, media: Notation | None) -> tuple[Any, Sheet | None]:
    expected = media or notation_by_name(name)
    text = decoded(source, name, chinese=expected in (None, "csv"))
    if text[:_START].lstrip().startswith("<"):
        raise not_a_list(source, name)
    notation = expected or notation_by_content(text)
    if notation == "csv":
        sheet = read_csv(text, name)
        return sheet.shots, sheet
    return (read_json(text, name) if notation == "json" else read_yaml(text, name)), None


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
