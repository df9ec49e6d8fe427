"""Recognize lines that start a shot within a scene, such as ``CLOSE ON: a hand``, ``MONTAGE`` or ``特写：手``."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from previs.shots.camera import CameraPart, camera_of, spelled_out

Opening = Literal["", "shot", "montage", "item", "return"]

_LONGEST: Final = 200  # characters in which a framing is looked for
_WHOSE: Final = (
    r"EXTREME|VERY|TIGHT|MEDIUM|MED\.?|FULL|LONG|WIDE|HIGH|LOW|DUTCH|REVERSE|NEW|ANOTHER|OVERHEAD|AERIAL|TRACKING"
    r"|MOVING|CRANE|DRONE|ESTABLISHING|TWO|THREE|GROUP|CROWD|CLOSE|INSERT|SAME|DIFFERENT|DOWN|BIRD['’]S[ -]EYE"
)
_END: Final = r"(?=\s*(?:[:：,]|\s[-–—]|[–—]|--)|\.?\s*$|\s(?:ON|OF|AT|FROM|THROUGH)\b)"
# An abbreviation, or a framing in small letters, needs a colon or dash: MS alone may be a character.
_MARKED: Final = r"(?=\s*[:：]|\s+[-–—])"
_FRAMING: Final = re.compile(
    rf"(?:(?:{_WHOSE})[ -]+)*(?:CLOSE[ -]?UP|CLOSER?|WIDER?|ANGLE|SHOT|VIEW|OVERHEAD){_END}(?: ON\b(?=\s*[:：]))?"
    rf"|(?:OVER[ -]THE[ -]SHOULDER|O\.?T\.?S\.?|INSERT|ESTABLISHING|FAVOU?R(?:ING)? ON){_END}|INSERT\b(?=\s[^a-z]+$)"
    r"|ON\s(?=[^\Wa-z][^a-z.]{1,60}$)"
    r"|(?:[^\Wa-z][^a-z:：]{0,60}\s)?P\.?O\.?V\b\.?(?=[^\w]|$)"
    rf"|(?:[EXBM]?\.?C\.?U\.?|M\.?[LW]?\.?S\.?|E?\.?[WL]\.?S\.?|F\.?S\.?|[23]-?S)(?:{_MARKED}|(?=\sON\b))"
    rf"|(?i:close(?:-| )?up|close on|angle on|insert|p\.?o\.?v\.?|wide(?: shot| on)?){_MARKED}"
)
_CHINESE: Final = re.compile(
    r"(?:(?:大?特写|大远景|大全景|中近景|中全景|[近中全远]景|插入镜头|插入|空镜头?|过肩镜头|过肩|主观镜头|主观视角|主观|[俯仰]拍|航拍|鸟瞰|反打"
    r"|双人镜头)[,，、/]?)+(?=\s*[:：]|\s|\s*[—–]|$)"
)
_MONTAGE: Final = re.compile(
    r"(?:BEGIN |START )?(?:[^\Wa-z]+ )?(?:MONTAGE|SERIES OF SHOTS|FLASHBACKS?|FLASH ?CUTS?|DREAM SEQUENCE)"
    r"(?:\s*[-–—:.].*|(?!\w)[^a-z]*)"
    r"|(?:蒙太奇|快剪|闪回|梦境)(?:[:：\s—–-].{0,40})?"
)
_RETURN: Final = re.compile(
    r"(?:BACK TO|RESUME) (?:THE )?[^a-z]{1,60}|INTERCUT[^a-z]{0,60}"
    r"|END (?:OF )?(?:THE )?(?:MONTAGE|SERIES|FLASH|INTERCUT|DREAM|INSERT|SEQUENCE)[^a-z]{0,60}"
    r"|(?:(?:A )?(?:FEW )?(?:MOMENTS?|MINUTES?|HOURS?|SECONDS?|DAYS?|WEEKS?|MONTHS?|YEARS?) )?LATER[.:]?"
    r"|(?i:omit(?:ted)?)\.?"
    r"|(?:蒙太奇|快剪|闪回|梦境)(?:结束|完)[。：:]?|(?:回到|返回)(?:现场|现实|现在|场景)[。：:]?"
)
_LISTED: Final = re.compile(r"\s*(?:[-–—•·]+\s*|\*\s+|(?:[A-Za-z]|[0-9]{1,2})(?:[)）、]\s*|\.\s+))(?=\S)")
_SIDE_WORDS: Final = re.compile(r"\s+(?:ON|OF)$", re.IGNORECASE)
_POINT_OF_VIEW: Final = re.compile(r"(?<!\w)P\.?O\.?V(?!\w)")
_PARTS: Final[tuple[CameraPart, ...]] = get_args(CameraPart)
_MOST_TERMS: Final = 4
_SENTENCE_ENDS: Final = ".。!！?？…"


@dataclass(frozen=True, slots=True)
class Framing:
    """Describe what a line starts.

    Attributes:
        opening: ``shot``, ``montage``, or ``return`` for a line without a picture, such as ``BACK TO SCENE``.
        words: Words for the framing, such as ``CLOSE ON``.
        title: Whether the line is a heading of the text after it, rather than a sentence of its own.
    """

    opening: Opening
    words: str = ""
    title: bool = False


def framing_of(line: str) -> Framing | None:
    """Return what a line starts within its scene, or None."""
    start = line[:_LONGEST]
    if _RETURN.fullmatch(start):
        return Framing("return")
    if _MONTAGE.fullmatch(start):
        return Framing("montage", title=line == line.upper())
    if found := _FRAMING.match(start):
        end = found.end()
        while more := _FRAMING.match(start, found.end() + len(", ")) if start[found.end() :].startswith(", ") else None:
            found, end = more, more.end()
        return Framing("shot", start[:end].strip(), title=line == line.upper())
    if found := _CHINESE.match(start):
        rest = line[found.end() :].strip(" -–—")
        title = not rest.startswith((":", "：")) or len(rest) == 1
        return Framing("shot", found[0], title=title and not line.endswith(tuple(_SENTENCE_ENDS)))
    return None


def listed(line: str) -> str | None:
    """Return an item of a list in a montage without its dash, letter or number; None for any other line."""
    found = _LISTED.match(line)
    return line[found.end() :] if found else None


def camera_words(words: str, *, chinese: bool) -> dict[str, str]:
    """Return the parts of the camera that a framing names in known words: ``close-up`` for ``CLOSE ON``."""
    terms: dict[CameraPart, dict[str, None]] = {part: {} for part in _PARTS}
    for each in re.split(r"\s*[,，、;；/]\s*", words):
        plain = _SIDE_WORDS.sub("", each.strip(" .:："))
        known = camera_of("POV" if _POINT_OF_VIEW.search(plain) else plain) or {}
        for part in _PARTS:
            if part in known and len(terms[part]) < _MOST_TERMS:
                terms[part][spelled_out(known[part], part, chinese=chinese)] = None
    return {part: ("，" if chinese else ", ").join(found) for part, found in terms.items() if found}
