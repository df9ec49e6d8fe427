"""Read the cells of a spreadsheet.

A cell that cannot be read stays text, so that the rules report it together with its row and column.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import count
from typing import Any

from previs.shots.durations import seconds_of
from previs.shots.rules import same_name

_UNIT = re.compile(r"\s*(s|sec|secs|second|seconds|秒|秒钟)\.?$", re.IGNORECASE)
_DECIMAL = re.compile(r"[-+]?\d+(\.\d+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,(\d{1,2}|\d{4,})")  # three digits after a comma may be thousands
_WHOLE = re.compile(r"([-+]?\d{1,300})(\.0+)?")
_CANONICAL = re.compile(r"0|-?[1-9]\d{0,299}")
_LONGEST_NUMBER = 400  # characters, with its unit
_ATTACHMENT = re.compile(r"[^(),;]{1,200}\s\((https?://[^\s()]+)\)")
_ATTACHMENTS = re.compile(rf"(?:{_ATTACHMENT.pattern}(?:,\s*|$))+".replace("(https", "(?:https"))
_ID_AND_URL = re.compile(r"([^=/\\:?#\s]+)\s*=\s*(.+)")


def shot_id(cell: str) -> int | str:
    """Return an integer for a number in canonical form, else the text: ``010`` stays ``010``."""
    return int(cell) if _CANONICAL.fullmatch(cell) else cell


def seconds(cell: str, fps: float | None = None) -> float | str:
    """Read ``3``, ``2,5``, ``3秒``, ``1:30`` or a timecode; leave ``1,500``, which is ambiguous."""
    text = _narrow(cell)
    if len(text) > _LONGEST_NUMBER:
        return cell
    usual = decimal(_UNIT.sub("", text), cell)
    found = usual if isinstance(usual, float) else seconds_of(cell, fps)
    return cell if found is None else found


def timed(cell: str, fps: float | None, unit: float | None) -> float | str:
    """Read a duration in a column that states the seconds of its unit, or none: ``2500`` below ``Duration (ms)``."""
    number = decimal(_narrow(cell), cell)
    return round(number * unit, 9) if unit and isinstance(number, float) else seconds(cell, fps)


def frames(cell: str, fps: float | None = None) -> float | str:
    """Read a number of frames as seconds."""
    count = decimal(_narrow(cell), cell)
    return seconds(f"{count:.0f}f", fps) if isinstance(count, float) and count.is_integer() else seconds(cell, fps)


def strength(cell: str) -> float | str:
    """Read ``0.8``, ``0,8`` or ``80%``."""
    text = _narrow(cell)
    if len(text) > _LONGEST_NUMBER:
        return cell
    if text.endswith("%"):
        share = decimal(text[:-1].strip(), cell)
        return share / 100 if isinstance(share, float) else cell
    return decimal(text, cell)


def decimal(text: str, otherwise: str) -> float | str:
    """Read a number with a decimal point or comma; return ``otherwise`` for any other text."""
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    return float(text) if _DECIMAL.fullmatch(text) else otherwise


def whole(cell: str) -> int | str:
    """Read ``2`` or ``2.0``; leave ``1.84E+19``, whose digits are lost."""
    found = _WHOLE.fullmatch(_narrow(cell))
    return int(found[1]) if found else cell


def value(cell: str) -> float | bool | str:
    """Return a number, ``true`` or ``false`` for a text written as one, else the text."""
    if _CANONICAL.fullmatch(cell):
        return int(cell)
    if cell.casefold() in ("true", "false"):
        return cell.casefold() == "true"
    return float(cell) if len(cell) <= _LONGEST_NUMBER and _DECIMAL.fullmatch(cell) else cell


def references(cells: Iterable[str]) -> list[dict[str, Any]]:
    """Read the references of one or more cells, each ``picture`` or ``reference_id=picture``.

    Semicolons, line breaks, ``、`` and commas separate them. In a cell with a URL only a comma before a space
    separates, because URLs may contain commas. References without an id become ``ref_1``, ``ref_2`` and so on.
    """
    return with_reference_ids([_id_and_url(part) for cell in cells for part in _attached(cell) or _parts(cell)])


def with_reference_ids(pictures: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return references for pairs of id and URL; an empty id becomes ``ref_`` and the first free number."""
    taken = {same_name(name) for name, _ in pictures if name}
    made = []
    unused = 1
    for number, (given, url) in enumerate(pictures, 1):
        name = given
        if not given:
            unused = next(at for at in count(max(number, unused)) if f"ref_{at}" not in taken)
            name = f"ref_{unused}"
        taken.add(name)
        made.append({"url": url, "reference_id": name})
    return made


def _narrow(cell: str) -> str:
    """Return a number's usual characters; a cell too long for a number stays as it is."""
    if len(cell) > _LONGEST_NUMBER:
        return cell
    return unicodedata.normalize("NFKC", cell).strip()


def _parts(cell: str) -> list[str]:
    separators = r"[;；、\n]|[,，]\s" if "://" in cell else r"[;；、\n,，]"
    return [part for raw in re.split(separators, cell) if (part := raw.strip())]


def _attached(cell: str) -> list[str]:
    """Return the URLs of attachments as Airtable exports them, ``a.jpg (https://…),b.jpg (https://…)``."""
    return _ATTACHMENT.findall(cell) if _ATTACHMENTS.fullmatch(cell) else []


def _id_and_url(part: str) -> tuple[str, str]:
    found = _ID_AND_URL.fullmatch(part)
    return (found[1], found[2]) if found else ("", part)
