"""Describe a document by its kind and size; pure.

A document that is not what was asked for may be anything that a server keeps to itself, such as the credentials of a
cloud's metadata service. What is said about it goes to whoever named its address, so it is never quoted.
"""

import re
from collections.abc import Mapping, Sequence

_START = 1024
_PAGE = re.compile(rb"(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body)", re.IGNORECASE | re.DOTALL)


def describe_document(content: bytes | str) -> str:
    """Return the kind and the length of a document: ``HTML, 5,120 bytes``."""
    source = content.encode(errors="replace") if isinstance(content, str) else content
    return f"{_kind(source)}, {len(source):,} bytes" if source.strip() else "empty"


def describe_shape(value: object) -> str:
    """Return what a parsed value is: ``an object of 3 members``, ``a list of 2``, ``a text``."""
    match value:
        case Mapping():
            return f"an object of {_count(len(value), 'member')}"
        case str():
            return "a text"
        case Sequence():
            return f"a list of {len(value):,}"
        case None:
            return "nothing"
    return "one value"


def _kind(source: bytes) -> str:
    start = source.removeprefix(b"\xef\xbb\xbf")[:_START].lstrip()
    if _PAGE.match(start):
        return "HTML"
    if start.startswith(b"<"):
        return "XML"
    if start.startswith((b"{", b"[", b'"')) and source.rstrip().endswith((b"}", b"]", b'"')):
        return "JSON"
    return "text" if _is_text(source[:_START]) else "not text"


def _is_text(start: bytes) -> bool:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    # The start may end within a character.
    text = start.decode(errors="replace")
    return "\0" not in text and text[:-3].count("\ufffd") * 10 < len(text)


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
