"""Recognize scene headings and read their place and time."""

import re
from dataclasses import dataclass
from typing import Final, Literal

from previs.screenplay.text import is_east_asian, join_lines

Side = Literal["", "interior", "exterior", "interior and exterior"]

_ENGLISH: Final = re.compile(r"(INT\.?/EXT|EXT\.?/INT|I/E|INT|EXT|EST)(?=[.\s]|$)[.\s]*", re.IGNORECASE)
_SEPARATOR: Final = r"[\s.．。,，、:：/·–—-]"
_CHINESE: Final = re.compile(
    rf"((?:内/?外|外/?内|内|外)景(?={_SEPARATOR}|$)|(?:内/外|外/内|内|外)(?=[.．。、])){_SEPARATOR}*"
)
_CHINESE_NUMBER: Final = re.compile(
    rf"第\s?([0-9]{{1,4}}|[零〇一二两三四五六七八九十百]{{1,5}})\s?[场場](?={_SEPARATOR}|$){_SEPARATOR}*"
)
_CHINESE_END: Final = re.compile(r"[\s,，、]+(内景|外景|内外景|内/外|内|外)$")
_NUMBER: Final = re.compile(r" ?#([\w.-]{1,40})# ?$")
_LEADING_NUMBER: Final = re.compile(
    r"(?:(?:SCENE|SC\.?)\s*)?([A-Z]{0,2}[0-9]{1,4}[A-Z]{0,3}(?:[-.][0-9]{1,4}[A-Z]{0,3})?)(?:[.):：）、]\s*|\s*[-–—]\s+|\s+)",
    re.IGNORECASE,
)
_OMITTED: Final = re.compile(r"(?:scenes?\s)?omit(?:ted)?\.?", re.IGNORECASE)
_FORCED: Final = re.compile(r"\.(?=[^\W_])")
_DASH: Final = re.compile(r"\s[-–—]+\s?|[–—]+")
_LAST_WORDS: Final = re.compile(r"(?<=\w{3})[.．。]\s|[，,、]\s?|\s(?=\S+$)")
_EDGES: Final = " .．,，。、:：-–—"
_LONGEST: Final = 500
_LONGEST_CHINESE: Final = 60
_SAME_TIME: Final = re.compile(
    r"(?:(?:a )?(?:few )?(?:moments?|minutes?|hours?|seconds?) )?(?:later|earlier)"
    r"|continuous(?:ly)?|cont'?d|same(?: time)?"
    r"|连续|同时|稍后|同上|片刻后",
    re.IGNORECASE,
)
_TIME: Final = re.compile(
    r"(?:(?:early|late|pre)[ -]?)?(?:day(?:time|light|break)?|night(?:time|fall)?|(?:mid-?)?morning|evening|afternoon"
    r"|noon|midday|midnight|dawn|dusk|sunrise|sunset|twilight|magic hour|golden hour|blue hour)"
    r"|日|夜|晨|晚|白天|日间|夜间|夜晚|深夜|半夜|午夜|凌晨|黎明|拂晓|破晓|清晨|早晨|早上|上午"
    r"|中午|正午|下午|午后|傍晚|黄昏|日落|日出|晚上",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Describe where and when a scene plays.

    Attributes:
        place: Place in lower case, such as ``harbour office``.
        time: Time of day, such as ``night``; empty if the heading states none.
        same_time: Whether the heading refers to the time of the scene before, as ``CONTINUOUS`` does.
    """

    side: Side = ""
    place: str = ""
    time: str = ""
    same_time: bool = False


def split_heading(line: str) -> tuple[str, str] | None:
    """Return a heading and its number, both without their marks; None if the line is no heading."""
    if len(line) > _LONGEST:
        return None
    line = join_lines(line)
    forced = _FORCED.match(line) is not None
    heading, number = _without_number(line[1:] if forced else line)
    if numbered := _CHINESE_NUMBER.match(heading):
        if not forced and len(heading) > _LONGEST_CHINESE:
            return None
        return heading[numbered.end() :] or heading, number or (numbered[1] if numbered[1].isascii() else "")
    if forced or _has_side(heading):
        return heading, number
    return _numbered(heading, number)


def _has_side(heading: str) -> bool:
    """Return whether a line begins as headings do: with interior or exterior."""
    chinese = _CHINESE.match(heading) is not None and len(heading) <= _LONGEST_CHINESE
    return chinese or _ENGLISH.match(heading) is not None


def _numbered(line: str, number: str) -> tuple[str, str] | None:
    """Return a heading behind its number, as in ``12A INT. PIER - DAY 12A`` or ``1-2、渔港 夜 外``, and the number."""
    leading = _LEADING_NUMBER.match(line)
    if leading is None:
        return None
    heading = line[leading.end() :]
    chinese = len(heading) <= _LONGEST_CHINESE and _CHINESE_END.search(heading) and setting_of(heading).time
    if not (_has_side(heading) or chinese):
        return None
    return heading.removesuffix(leading[1]).rstrip() if heading.endswith(
        f" {leading[1]}"
    ) else heading, number or leading[1]


def is_omitted(heading: str) -> bool:
    """Return whether a heading only keeps the number of a scene that was taken out."""
    return _OMITTED.fullmatch(heading) is not None


def _without_number(line: str) -> tuple[str, str]:
    found = _NUMBER.search(line)
    return (line[: found.start()], found[1]) if found and found.start() else (line, "")


def setting_of(heading: str) -> Setting:
    """Return the place and time of a heading."""
    side, rest = _split_side(heading)
    place, time = _place_and_time(rest)
    same_time = _SAME_TIME.fullmatch(time) is not None
    return Setting(side, place.lower() if place.isupper() else place, "" if same_time else time.lower(), same_time)


def _split_side(heading: str) -> tuple[Side, str]:
    if found := _ENGLISH.match(heading) or _CHINESE.match(heading):
        return _side(found[1].upper()), heading[found.end() :]
    if found := _CHINESE_END.search(heading):
        return _side(found[1]), heading[: found.start()]
    return "", heading


def _side(word: str) -> Side:
    if "/" in word or ("内" in word and "外" in word):
        return "interior and exterior"
    return "interior" if word in {"INT", "内", "内景"} else "exterior"


def _place_and_time(rest: str) -> tuple[str, str]:
    """Return place and time: dashes, or else a space, separate the parts; the last part that is a time is the time."""
    parts = [*filter(None, (part.strip(_EDGES) for part in _DASH.split(rest)))]
    if not any(map(_is_time, parts)) and parts:
        parts = [*parts[:-1], *filter(None, (part.strip(_EDGES) for part in _LAST_WORDS.split(parts[-1])))]
        if not _is_time(parts[-1]):
            return rest.strip(_EDGES), ""
    for index in reversed(range(len(parts))):
        if _is_time(parts[index]):
            others = [*parts[:index], *parts[index + 1 :]]
            return ("，" if any(map(is_east_asian, others)) else ", ").join(others), parts[index]
    return "", ""


def _is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None or _SAME_TIME.fullmatch(text) is not None
