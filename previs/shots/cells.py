"""What people and spreadsheets write into the cells of a shot list.

What cannot be read as meant stays the text it is, so that the rules report it in its place.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_UNIT = re.compile(r"\s*(s|sec|secs|second|seconds|秒|秒钟)\.?$", re.IGNORECASE)
_DECIMAL = re.compile(r"[-+]?\d+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,(\d{1,2}|\d{4,})")  # three digits after a comma may be thousands
_WHOLE = re.compile(r"([-+]?\d{1,300})(\.0+)?")
_CANONICAL = re.compile(r"0|-?[1-9]\d{0,299}")
_NAMED = re.compile(r"([^=/\\:?#\s]+)\s*=\s*(.+)")


def shot_id(cell: str) -> int | str:
    """A number that is written as numbers are, and else the text: ``010`` stays ``010``."""
    return int(cell) if _CANONICAL.fullmatch(cell) else cell


def seconds(cell: str) -> float | str:
    """Such as ``3``, ``2.5``, ``2,5``, ``3.0 s``, ``3秒`` and full-width digits.

    Not ``1,500``, which may mean two things.
    """
    return decimal(_UNIT.sub("", _narrow(cell)), cell)


def strength(cell: str) -> float | str:
    """Such as ``0.8`` and ``0,8``, and ``80%``."""
    text = _narrow(cell)
    if text.endswith("%"):
        share = decimal(text[:-1].strip(), cell)
        return share / 100 if isinstance(share, float) else cell
    return decimal(text, cell)


def decimal(text: str, otherwise: str) -> float | str:
    """A number with a point or a comma."""
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    return float(text) if _DECIMAL.fullmatch(text) else otherwise


def whole(cell: str) -> int | str:
    """Such as ``2`` and ``2.0``; not ``1.84E+19``, which has lost its digits."""
    found = _WHOLE.fullmatch(_narrow(cell))
    return int(found[1]) if found else cell


def value(cell: str) -> float | bool | str:
    """A number, ``true`` or ``false`` where it is written as one, and else the text."""
    if _CANONICAL.fullmatch(cell):
        return int(cell)
    if cell.casefold() in ("true", "false"):
        return cell.casefold() == "true"
    return float(cell) if _DECIMAL.fullmatch(cell) else cell


def references(cells: Iterable[str]) -> list[dict[str, Any]]:
    """Pictures of one or more cells, each ``picture`` or ``reference_id=picture``.

    Between them stand semicolons, line breaks or ``、``, and commas: in a cell that holds an address only commas before
    a space, since addresses hold commas too. References without an id are called ``ref_1``, ``ref_2`` and so on.
    """
    pictures = [_named(part) for cell in cells for part in _parts(cell)]
    taken = {name for name, _ in pictures if name}
    found = []
    for place, (name, url) in enumerate(pictures, start=1):
        reference_id = name or _free(place, taken)
        taken.add(reference_id)
        found.append({"url": url, "reference_id": reference_id})
    return found


def _narrow(cell: str) -> str:
    return unicodedata.normalize("NFKC", cell).strip()


def _parts(cell: str) -> list[str]:
    between = r"[;；、\n]|[,，]\s" if "://" in cell else r"[;；、\n,，]"
    return [part for raw in re.split(between, cell) if (part := raw.strip())]


def _named(part: str) -> tuple[str, str]:
    found = _NAMED.fullmatch(part)
    return (found[1], found[2]) if found else ("", part)


def _free(place: int, taken: set[str]) -> str:
    while (name := f"ref_{place}") in taken:
        place += 1
    return name
