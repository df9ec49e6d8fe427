"""Make untrusted text fit to show: on one line, of limited length, inert in markdown."""

import re
import unicodedata
from datetime import UTC, datetime

from previs.text.visible import visible

# Both of Prefect's UIs make links of URLs, of hosts that begin with www and of e-mail addresses, whatever is escaped in
# them: in markdown, and one of them in a table's cells, too. They do not if a tag or a twin is where this matches.
_LINKS = r"(?:(?<=http)|(?<=https)|(?<=ftp)):(?=//)|(?<=www)\.|(?<=[\w.+\-])@(?=[\w\-])"
# Characters with a meaning in CommonMark, GitHub's tables or HTML, except those at the start of a line, where no text
# is put.
_MEANINGFUL = re.compile(rf"([&<>\[\]|\\`*_~#!])|{_LINKS}", re.IGNORECASE)
# One UI shows a table artifact's cells as plain text, the other as markdown, so neither escapes nor entities work:
# characters that start a link, an image, code or a tag are replaced by their full-width twins.
_TWINNED = re.compile(rf"[<>\[\]|`\\&]|{_LINKS}", re.IGNORECASE)
_TWINS = str.maketrans("<>[]|`\\&:.@", "＜＞［］｜｀＼＆：．＠")
_HOST = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.\-]*://)?(?:[^/?#]*@)?([^/?#]+)")
_KANA = re.compile("[\u3040-\u30ff\u31f0-\u31ff]")
_HANGUL = re.compile("[\u1100-\u11ff\uac00-\ud7af]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def clean(text: str) -> str:
    """Make control and invisible characters, and unpaired surrogates, visible; keep line ends and tabs."""
    return visible(text.replace("\r\n", "\n").replace("\r", "\n"), lines=True)


def one_line(text: str) -> str:
    """Clean a text and replace each run of white space, including line ends, with one space."""
    return clean(" ".join(text.split()))


def shorten(text: str, limit: int) -> str:
    """Cut a text to at most ``limit`` characters, the last one ``…``."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def inline(text: str, limit: int = 400) -> str:
    """Return markdown that shows exactly this text, without links, on a line of a paragraph, heading or table cell."""
    # Backslashes, because one of Prefect's UIs shows entities in a table's head unchanged.
    return _MEANINGFUL.sub(_escaped, shorten(one_line(text), limit))


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}" if found[1] else f"<wbr>{found[0]}"


def wrapped(text: str, *, columns: int, lines: int) -> str:
    """Return markdown of a text broken into at most ``lines`` lines, for cells that Prefect's UI does not wrap.

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
    """Return text for a table artifact that reads the same as plain text and as markdown, without links."""
    return _TWINNED.sub(lambda found: found[0].translate(_TWINS), shorten(one_line(text), limit))


def language(text: str) -> str | None:
    """Return a ``lang`` attribute, which decides fonts and line breaks of Chinese, Japanese and Korean.

    Han alone counts as Chinese. The attribute is empty for other scripts, which means unknown in HTML, and None for
    ASCII.
    """
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    if _HAN.search(text):
        return "zh"
    return None if text.isascii() else ""


def moment(when: datetime) -> str:
    """Format a time in UTC, to the minute: ``2026-11-30 04:12 UTC``; a naive time without zone."""
    return f"{_in_utc(when):%Y-%m-%d %H:%M}{_zone(when)}"


def calendar(when: datetime) -> str:
    """Format a time in UTC as people write it: ``30 Nov 2026, 04:12 UTC``; a naive time without zone."""
    utc = _in_utc(when)
    return f"{utc.day} {utc:%b %Y, %H:%M}{_zone(when)}"


def seconds_between(start: datetime, end: datetime) -> float:
    """Return the seconds between two times; naive times count as UTC."""
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
    """Return host and port of a server's URL, without scheme, path and credentials."""
    found = _HOST.match(address)
    return one_line(found[1] if found else address)


def plural(count: int, word: str) -> str:
    """Return a number with its noun: ``1 shot``, ``3 shots``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
