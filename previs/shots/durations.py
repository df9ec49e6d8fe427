"""Read durations as people write them in many languages: ``4s``, ``1:30``, ``00:00:03:12``, ``96f``, ``约3秒``."""

import re
import unicodedata
from typing import Final

USUAL_FPS: Final = 24

_LONGEST: Final = 60  # characters
_NUMBER: Final = r"\d{1,9}(?:\.\d{1,9})?"
_SECOND: Final = (
    "s|secs?|seconds?|''|\"|秒钟?|秒鐘|초|sek|sekunden?|segs?|segundos?|secondes?|second[oi]|с|сек|секунд[аы]?"
)
_MINUTE: Final = "m|mins?|minutes?|'|分钟?|分鐘?|분|minuten?|minutos?|minut[oi]|м|мин|минут[аы]?"
_FRAME: Final = "f|fr|frs|frames?|帧|幀|格|コマ|フレーム|프레임"
_ABOUT: Final = re.compile(
    r"^(?:~|≈|±|约|約|大约|大約|大概|約莫|about|approx\.?|around|ca\.?|c\.|circa|etwa|env\.?|environ|unos|около|примерно|약)\s*"
)
_OR_SO: Final = re.compile(r"\s*(?:左右|上下|ほど|くらい|ぐらい|程度|정도|쯤|or so|approx\.?|ca\.?)$")
_SECONDS: Final = re.compile(rf"({_NUMBER})\s*(?:{_SECOND})?\.?")
_MINUTES: Final = re.compile(rf"({_NUMBER})\s*(?:{_MINUTE})\.?\s*(?:({_NUMBER})\s*(?:{_SECOND})?\.?)?")
_FRAMES: Final = re.compile(rf"(\d{{1,9}})\s*(?:{_FRAME})\.?")
_CLOCK: Final = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}(?:\.\d{1,9})?)")
_TIMECODE: Final = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})[:;](\d{1,3})")
_SECONDS_AND_FRAMES: Final = re.compile(
    rf"(\d{{1,5}})\s*(?:\+\s*|(?:秒|초|s)\s*(?=.*(?:{_FRAME})$))(\d{{1,3}})\s*(?:{_FRAME})?"
)
_RANGE: Final = re.compile(rf"{_NUMBER}\s*\D{{0,9}}?\s*(?:-|~|to|a|à|bis|至|到|から|до)\s*{_NUMBER}\s*\D{{0,9}}")
_COMMA: Final = re.compile(r"(?<=\d),(?=\d{1,2}(?!\d)|\d{4})")  # three digits after a comma may be thousands
_DASHES: Final = str.maketrans("–—−～〜：；’′”″“，", '---~~:;\'\'""",')
_BARE_MINUTES: Final = re.compile(r"[\d.]+\s*m")
_SIXTY: Final = 60


def seconds_of(text: str, fps: float | None = None) -> float | None:
    """Return the seconds that a text states; None if it states none, or several.

    Args:
        text: What a person wrote.
        fps: Frames per second, for timecodes and numbers of frames; by default 24.
    """
    plain = _plain(text)
    rate = fps if fps is not None and fps > 0 else USUAL_FPS
    if found := _SECONDS.fullmatch(plain):
        return float(found[1])
    if found := _FRAMES.fullmatch(plain):
        return int(found[1]) / rate
    if found := _TIMECODE.fullmatch(plain):
        hours, minutes, seconds, frames = map(int, found.groups())
        if max(minutes, seconds) >= _SIXTY or frames >= rate:
            return None
        return hours * 3600 + minutes * 60 + seconds + frames / rate
    if (found := _SECONDS_AND_FRAMES.fullmatch(plain)) and int(found[2]) < rate:
        return int(found[1]) + int(found[2]) / rate
    if found := _CLOCK.fullmatch(plain):
        above, middle, below = int(found[1] or 0), int(found[2]), float(found[3])
        usual = below < _SIXTY and (middle < _SIXTY or not found[1])
        return above * 3600 + middle * 60 + below if usual else None
    if (found := _MINUTES.fullmatch(plain)) and not _BARE_MINUTES.fullmatch(plain):
        return float(found[1]) * 60 + float(found[2] or 0)
    return None


def in_frames(text: str) -> bool:
    """Return whether a text states a timecode, or frames: its seconds depend on the frame rate."""
    plain = _plain(text)
    return any(each.fullmatch(plain) for each in (_FRAMES, _TIMECODE, _SECONDS_AND_FRAMES))


def is_range(text: str) -> bool:
    """Return whether a text states two durations, such as ``3-5秒``."""
    return _RANGE.fullmatch(_plain(text)) is not None


def _plain(text: str) -> str:
    if len(text) > _LONGEST:
        return ""
    narrow = unicodedata.normalize("NFKC", text.translate(_DASHES)).translate(_DASHES).casefold().strip()
    return _COMMA.sub(".", _OR_SO.sub("", _ABOUT.sub("", narrow))).strip()
