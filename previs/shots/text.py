"""From a file's bytes to its text, and what kind of text it is."""

import codecs
import re
from typing import Literal

from previs.errors import Fault, ShotListFaults
from previs.shots.columns import delimiter_of

Notation = Literal["json", "yaml", "csv"]

LARGEST = 50_000_000
_BOMS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",  # after UTF-32, whose mark begins with the same two bytes
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_PDF = b"%PDF"
_SUFFIXES: dict[str, Notation] = {"json": "json", "yaml": "yaml", "yml": "yaml", "csv": "csv", "tsv": "csv"}
_CHINESE_SHARE = 0.7


def fault(name: str, place: str, remedy: str, *, value: str = "", field: str = "") -> ShotListFaults:
    """One fault that keeps a list from being read any further."""
    return ShotListFaults(name, (Fault(place, field, value, remedy),))


def notation_by_name(name: str) -> Notation | None:
    """What a path's or address's suffix says; none if it says nothing."""
    path = re.split(r"[?#]", name, maxsplit=1)[0] if "://" in name else name
    return _SUFFIXES.get(path.rpartition(".")[2].lower())


def notation_by_content(text: str) -> Notation:
    """What a text looks like: JSON by its brackets, CSV by a row of known column names, or else YAML.

    ``{'shot_id': 1}`` in single quotes, as Python prints it, is no JSON but is YAML.
    """
    start = text.lstrip()[:2000]
    if start.startswith(("{", "[")):
        return "yaml" if re.match(r"[\[{\s]*'", start) else "json"
    return "csv" if delimiter_of(start) else "yaml"


def decoded(source: bytes | str, name: str, *, chinese: bool) -> str:
    """The text without its byte order mark.

    Args:
        source: UTF-8, or UTF-16 or UTF-32 with a byte order mark.
        name: of the list, for faults.
        chinese: whether GB18030 is tried on what is no UTF-8: Excel in Chinese exports CSV so.
    """
    if isinstance(source, str):
        return _whole(source, name)
    if len(source) > LARGEST:
        raise _too_large(name)
    if source.startswith(_SPREADSHEETS):
        raise fault(name, "the file", 'a spreadsheet itself: export it as "CSV UTF-8" and use that', value="no text")
    if source.startswith(_PDF):
        raise fault(name, "the file", "export the list as CSV, JSON or YAML and use that", value="a PDF")
    for mark, encoding in _BOMS.items():
        if source.startswith(mark):
            return _by(encoding, source[len(mark) :], name)
    if chinese and not _is_utf8(source) and _looks_chinese(source):
        return _by("gb18030", source, name)
    return _by("utf-8", source, name)


def _whole(text: str, name: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        place = f"line {text.count(chr(10), 0, error.start) + 1}"
        raise fault(name, place, "half of a surrogate pair: no text that can be written to a file") from error
    if size > LARGEST:
        raise _too_large(name)
    return text.removeprefix("\ufeff")


def _too_large(name: str) -> ShotListFaults:
    return fault(name, "the file", f"at most {LARGEST // 1_000_000} MB are read: split the list", value="too large")


def _is_utf8(source: bytes) -> bool:
    try:
        source.decode()
    except UnicodeDecodeError:
        return False
    return True


def _looks_chinese(source: bytes) -> bool:
    """Whether most bytes beyond ASCII stand in pairs as Chinese does; accented letters of Western files stand alone."""
    beyond = len(re.findall(rb"[\x80-\xff]", source))
    paired = 2 * len(re.findall(rb"[\xa1-\xfe]{2}", source))
    return paired >= _CHINESE_SHARE * beyond


def _by(encoding: str, source: bytes, name: str) -> str:
    try:
        return source.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        place = f"line {line}, byte {error.start + 1} of the file"
        value = source[error.start : error.start + 1].hex()
        remedy = f'no {encoding.upper()}: save the file as UTF-8 (Excel: "CSV UTF-8")'
        raise fault(name, place, remedy, value=f"byte 0x{value}") from error
