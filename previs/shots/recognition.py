"""Tell shot lists from other documents, of which nothing may be quoted."""

from collections.abc import Mapping
from typing import Any

from previs.comfyui.protocol.documents import describe_document, describe_shape
from previs.errors import ShotListFaults
from previs.shots.sheet_rows import Sheet
from previs.shots.text import fault, suffix_of

_OF_SHOTS = frozenset({"shot_id", "prompt", "negative_prompt", "references", "duration"})
_OF_SHEETS = (_OF_SHOTS | {"frames"}, {"shot_id", "description", "size", "angle", "movement", "scene", "dialogue"})
_REMEDY = (
    "this is no shot list: a list of shots, or an object with shots, is needed (the contents of a file, not its path), "
    "each shot with shot_id, prompt and duration"
)
_START = 1_000
_SCREENPLAY = (
    "this is a screenplay and no shot list: the flow script-to-shots makes its list and starts the board; see "
    "docs/screenplays.md (prefect deployment run script-to-shots/by-hand --param script=PATH)"
)


def check_no_screenplay(text: str, source: bytes | str, name: str) -> None:
    """Refuse a screenplay: a Final Draft file, or one whose name says that it is Fountain.

    Raises:
        ShotListFaults: It is one; the error says how to use it.
    """
    if suffix_of(name) in ("fdx", "fountain") or (text.lstrip().startswith("<") and "<FinalDraft" in text[:_START]):
        raise fault(name, "the file", _SCREENPLAY, value=describe_document(source))


def check_kind(source: bytes | str, values: object, sheet: Sheet | None, name: str) -> None:
    """Refuse a document that is no shot list.

    Raises:
        ShotListFaults: Nothing in it is a shot; the error tells its kind and length alone.
    """
    if not (_is_sheet(sheet) if sheet else _is_list(values)):
        raise not_a_list(source, name, values)


def not_a_list(source: bytes | str, name: str, values: object = None) -> ShotListFaults:
    """Return the error for a document that is no shot list; ``values`` are its own, if it could be parsed."""
    shape = f", {describe_shape(values)}" if isinstance(values, Mapping | list) else ""
    return fault(name, "the file", _REMEDY, value=describe_document(source) + shape)


def _is_sheet(sheet: Sheet) -> bool:
    return any(len(names & sheet.headers.keys()) > least for least, names in enumerate(_OF_SHEETS, 1))


def _is_list(values: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    if isinstance(values, Mapping):
        return "shots" in values or _is_shot(values)
    return isinstance(values, list) and (not values or any(map(_is_shot, values)))


def _is_shot(value: object) -> bool:
    return isinstance(value, Mapping) and ("shot_id" in value or len(_OF_SHOTS & value.keys()) > 1)
