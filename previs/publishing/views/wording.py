"""Text that others wrote, made fit to show: on one line, of bounded length, inert in markdown."""

import re
import unicodedata
from datetime import UTC, datetime

# What has a meaning in CommonMark, GitHub's tables or HTML; block marks do not count, as no line begins so.
_MEANINGFUL = re.compile(r"[&<>\[\]|\\`*_~#!]")
# A table artifact's cell is plain text in one of Prefect's UIs and markdown in the other, so neither escapes nor
# entities may stand in it: what would open a link, an image, code or a tag is replaced by its full-width twin.
_TWINS = str.maketrans("<>[]|`\\&", "＜＞［］｜｀＼＆")
_HOST = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*://)?(?:[^/?#]*@)?([^/?#]+)")
_KANA = re.compile("[\u3040-\u30ff\u31f0-\u31ff]")
_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7af]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def clean(text: str) -> str:
    """Text without control characters and halves of surrogate pairs, which no file can hold; lines stay."""
    return "".join("\ufffd" if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n" else c for c in _lines(text))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def one_line(text: str) -> str:
    """Cleaned text with every run of white space, line ends among them, as one space."""
    return clean(" ".join(text.split()))


def shorten(text: str, limit: int) -> str:
    """At most so many characters, the last one ``…`` where something was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def inline(text: str, limit: int = 400) -> str:
    """Markdown that reads as exactly this text, on one line, in a paragraph, a heading or a table's cell."""
    # Backslashes, because one of Prefect's UIs shows entities in the head of a table as they are.
    return _MEANINGFUL.sub(r"\\\g<0>", shorten(one_line(text), limit))


def wrapped(text: str, *, columns: int, lines: int) -> str:
    """Markdown of a text broken into so many lines of so many columns, for cells that do not wrap by themselves.

    A Chinese, Japanese or Korean character is two columns wide.
    """
    broken, line, width = [], "", 0
    for word in re.findall(r"[\u0021-\u2e7f]+|\s+|.", one_line(text)):
        wide = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word)
        if width + wide > columns and line.strip():
            broken.append(line.strip())
            line, width = "", 0
        line, width = line + word, width + wide
    broken.append(line.strip())
    if len(broken) > lines:
        broken = [*broken[: lines - 1], f"{broken[lines - 1]} …"]
    return "<br>".join(inline(each, columns) for each in broken)


def cell(text: str, limit: int = 400) -> str:
    """Text for a table artifact that reads the same as plain text and as markdown."""
    return shorten(one_line(text), limit).translate(_TWINS)


def language(text: str) -> str | None:
    """Value of a ``lang`` attribute: decides fonts and line breaks of Chinese, Japanese and Korean.

    Han alone counts as Chinese. Empty (unknown, as HTML has it) for other writing; none for plain ASCII.
    """
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    if _HAN.search(text):
        return "zh"
    return None if text.isascii() else ""


def moment(when: datetime) -> str:
    """Time of day in UTC, to the minute; a naive time is shown as it is, without a zone."""
    return f"{_in_utc(when):%Y-%m-%d %H:%M}{_zone(when)}"


def calendar(when: datetime) -> str:
    """Day and time of day in UTC, as people write them: ``30 Nov 2026, 04:12 UTC``; a naive time without a zone."""
    there = _in_utc(when)
    return f"{there.day} {there:%b %Y, %H:%M}{_zone(when)}"


def seconds_between(start: datetime, end: datetime) -> float:
    """Seconds from one moment to another, naive times counted as UTC."""
    since, until = (when if when.tzinfo else when.replace(tzinfo=UTC) for when in (start, end))
    return (until - since).total_seconds()


def _in_utc(when: datetime) -> datetime:
    try:
        return when if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError:  # the first and the last hours that a datetime can hold
        return when.replace(tzinfo=UTC)


def _zone(when: datetime) -> str:
    return "" if when.tzinfo is None else " UTC"


def server_name(address: str) -> str:
    """Host and port of a server's address, without scheme, path and credentials."""
    found = _HOST.match(address)
    return one_line(found[1] if found else address)


def plural(count: int, word: str) -> str:
    """Number with its noun: ``1 shot``, ``3 shots``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
