"""Decode a script, remove its markup, and measure text."""

import re
import unicodedata
from typing import Final

from previs.shots.text import encoding_of, fault

LARGEST: Final = 2_000_000  # bytes: ten times a feature film
_OTHER_FORMATS: Final = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a file of a word processor or of Fade In",
    b"\xd0\xcf\x11\xe0": "a file of a word processor",
    b"{\\rtf": "a file of a word processor",
}
_EAST_ASIAN: Final = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_WIDE: Final = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_WORD: Final = re.compile(r"\w+(?:['’-]\w+)*")
_WIDE_BREAK: Final = re.compile(f"(?<=[{_EAST_ASIAN}])\n(?=[{_EAST_ASIAN}])")
_MARKS: Final = re.compile(r"\\[*_]|\*+|_+")
_LONGEST_MARK: Final = 3


def script_text(content: bytes, name: str) -> str:
    """Return the script as text with line feeds as line ends, and without other control characters.

    Raises:
        ShotListFaults: The script is too large, not UTF-8, or not Fountain.
    """
    if len(content) > LARGEST:
        remedy = f"at most {LARGEST // 1_000_000} MB are read: split the script"
        raise fault(name, "the script", remedy, value="too large")
    for start, kind in _OTHER_FORMATS.items():
        if content.startswith(start):
            raise fault(
                name,
                "the script",
                "export the script as Fountain (plain text) or Final Draft's .fdx, and use that",
                value=kind,
            )
    text = decoded(content, name).replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return "".join(each for each in text if each == "\n" or unicodedata.category(each) != "Cc")


def decoded(content: bytes, name: str) -> str:
    """Return a script's characters.

    Raises:
        ShotListFaults: It is in another encoding than UTF-8, or UTF-16 or UTF-32 with a byte order mark.
    """
    encoding, mark = encoding_of(content)
    try:
        return content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, len(mark) + error.start) + 1
        remedy = f"not {encoding.upper()}: save the script as UTF-8"
        raise fault(name, f"line {line}", remedy) from error


def join_lines(text: str) -> str:
    """Join lines with a space, or without one between two Chinese or Japanese characters."""
    return " ".join(_WIDE_BREAK.sub("", text).split())


def plain_text(text: str) -> str:
    """Remove the asterisks and underscores that Fountain reads as emphasis; keep escaped ones."""
    unpaired: dict[str, re.Match[str]] = {}
    removed: set[int] = set()
    for mark in _MARKS.finditer(text):
        run = mark[0]
        if run[0] == "\\" or len(run) > _LONGEST_MARK or _within_word(text, mark):
            continue
        if run in unpaired and text[mark.start() - 1 : mark.start()].strip():
            removed.update((unpaired.pop(run).start(), mark.start()))
        elif text[mark.end() : mark.end() + 1].strip():
            unpaired[run] = mark
    return _MARKS.sub(lambda mark: mark[0].removeprefix("\\") if mark.start() not in removed else "", text)


def _within_word(text: str, mark: re.Match[str]) -> bool:
    """Return whether a mark is an underscore as in ``file_name``."""
    around = text[max(mark.start() - 1, 0) : mark.start()], text[mark.end() : mark.end() + 1]
    return mark[0][0] == "_" and all(each.isalnum() and each.isascii() for each in around)


def is_east_asian(text: str) -> bool:
    """Return whether a text has Chinese, Japanese or Korean characters."""
    return _WIDE.search(text) is not None


def count(text: str) -> tuple[int, int]:
    """Return the number of words, and of Chinese, Japanese and Korean characters, which count instead of words."""
    rest, wide = _WIDE.subn(" ", text)
    return len(_WORD.findall(rest)), wide
