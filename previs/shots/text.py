"""Decode a file and recognize its notation."""

import codecs
import re
from typing import Literal

from previs.errors import Fault, ShotListFaults
from previs.shots.columns import delimiter_of
from previs.shots.encodings import (
    SPREADSHEET_ENCODINGS,
    by_columns,
    by_letters,
    is_damaged_utf8,
    listed,
    wide_encoding,
)
from previs.shots.fields import MOST_SHOTS

Notation = Literal["json", "yaml", "csv"]

LARGEST = 50_000_000
MOST_COLUMNS = 16_384  # Excel's own limit
MOST_VALUES = 2_000_000
"""Values of a list, in objects and lists or in cells: 20 for each of the most shots."""

_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",  # after UTF-32, whose mark starts with the same two bytes
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_PDF = b"%PDF"
_SUFFIXES: dict[str, Notation] = {
    **dict.fromkeys(("json", "jsonl", "ndjson"), "json"),
    "yaml": "yaml",
    "yml": "yaml",
    "csv": "csv",
    "tsv": "csv",
}


def fault(name: str, place: str, remedy: str, *, value: str = "") -> ShotListFaults:
    """Return the error for a fault that prevents reading the list any further."""
    return ShotListFaults(name, (Fault(place, "", value, remedy),))


def too_many_values(name: str) -> ShotListFaults:
    """Return the fault for a list of more values than are read."""
    remedy = f"a list has at most {MOST_VALUES:,}: split the list"
    return fault(name, "the list", remedy, value=f"more than {MOST_VALUES:,} values")


def too_many_shots(name: str, count: int | None = None) -> ShotListFaults:
    """Return the fault for a list of more shots than are read; ``count`` is their number, if it is known."""
    value = f"more than {MOST_SHOTS:,} shots" if count is None else f"{count:,} shots"
    return fault(name, "the list", f"a list has at most {MOST_SHOTS:,}: split the list", value=value)


def suffix_of(name: str) -> str:
    """Return the suffix of a path or URL in small letters, without its dot."""
    path = re.split(r"[?#]", name, maxsplit=1)[0] if "://" in name else name
    return path.rpartition(".")[2].lower()


def notation_by_name(name: str) -> Notation | None:
    """Return the notation for the suffix of a path or URL; None if the suffix is unknown."""
    return _SUFFIXES.get(suffix_of(name))


def notation_by_content(text: str) -> Notation:
    """Recognize JSON by its brackets and CSV by a row of known column names; assume YAML otherwise.

    ``{'shot_id': 1}`` in single quotes, as Python prints it, is YAML and not JSON.
    """
    start = text.lstrip()[:2000]
    if start.startswith(("{", "[")):
        return "yaml" if re.match(r"[\[{\s]*'", start) else "json"
    return "csv" if delimiter_of(start) else "yaml"


def decoded(source: bytes | str, name: str, *, any_encoding: bool) -> tuple[str, tuple[str, ...]]:
    """Return a content as text without a byte order mark, and a notice if its encoding is a guess.

    UTF-8 is read, and UTF-16 and UTF-32 with a byte order mark; with ``any_encoding`` also what Excel writes as CSV.
    """
    if isinstance(source, str):
        return _checked(source, name), ()
    if len(source) > LARGEST:
        raise too_large(name)
    if source.startswith(_PDF):
        raise fault(name, "the file", "export the list as CSV, JSON or YAML and use that", value="a PDF")
    encoding, mark = encoding_of(source)
    if mark or not any_encoding:
        return _decode(encoding, source[len(mark) :], name), ()
    wide = wide_encoding(source)
    if wide or _is_utf8(source) or is_damaged_utf8(source):
        return _decode(wide or encoding, source, name), ()
    if told := by_columns(source):
        return _decode(told, source, name), ()
    return _guessed(source, name)


def _guessed(source: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    for encoding in by_letters(source):
        try:
            text = source.decode(encoding)
        except UnicodeDecodeError:
            continue
        called = SPREADSHEET_ENCODINGS[encoding]
        return text, (f'the file is not UTF-8 and is read as {called}, a guess: save it as "CSV UTF-8" to be sure',)
    value = f"no {listed(('UTF-8', 'UTF-16', *SPREADSHEET_ENCODINGS.values()))}"
    raise fault(name, "the file", 'save the file as UTF-8 (Excel: "CSV UTF-8")', value=value)


def encoding_of(content: bytes) -> tuple[str, bytes]:
    """Return the encoding that a byte order mark states, and the mark; UTF-8 without a mark."""
    return next(((encoding, mark) for mark, encoding in _BOMS.items() if content.startswith(mark)), ("utf-8", b""))


def _checked(text: str, name: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        place = f"line {text.count(chr(10), 0, error.start) + 1}"
        raise fault(name, place, "half of a surrogate pair, which cannot be written to a file") from error
    if size > LARGEST:
        raise too_large(name)
    return text.removeprefix("\ufeff")


def too_large(name: str) -> ShotListFaults:
    """Return the fault for a file that is too large."""
    return fault(name, "the file", f"at most {LARGEST // 1_000_000} MB are read: split the list", value="too large")


def _is_utf8(source: bytes) -> bool:
    try:
        source.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(encoding: str, source: bytes, name: str) -> str:
    try:
        return source.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        place = f"line {line}, byte {error.start + 1} of the file"
        remedy = (
            f'not {SPREADSHEET_ENCODINGS.get(encoding, encoding.upper())}: save the file as UTF-8 (Excel: "CSV UTF-8")'
        )
        raise fault(name, place, remedy) from error
