"""Write lengths and positions in time as film people read them."""

from fractions import Fraction
from math import isfinite
from typing import Final

from previs.errors import Fault, ShotListFaults

_HOUR, _MINUTE = 3600, 60
_HIGHEST_FPS: Final = 240
_LOWEST_FPS: Final = 1
_NTSC: Final = Fraction(1000, 1001)
_NEAR: Final = 0.006
_FINEST: Final = 1000


def frame_count(seconds: float, fps: float) -> int:
    """Return the length of a shot in whole frames; at least one for any length above zero.

    Positions on a board are sums of these, so that a cut never falls between two frames.
    """
    count = seconds * fps
    return max(1, round(count)) if isfinite(count) and count > 0 else 0


def exact_fps(fps: float) -> Fraction:
    """Return a frame rate as films have it: 24000/1001 for 23.976, and also for 23.98.

    Raises:
        ShotListFaults: No film has this frame rate.
    """
    if not isfinite(fps) or not _LOWEST_FPS <= fps <= _HIGHEST_FPS:
        remedy = f"a film has from {_LOWEST_FPS} to {_HIGHEST_FPS} frames per second"
        raise ShotListFaults("the board", (Fault("the board", "fps", f"{fps:g}", remedy),))
    ntsc = round(fps / _NTSC) * _NTSC
    if fps != round(fps) and abs(fps - float(ntsc)) < _NEAR:
        return ntsc
    return Fraction(fps).limit_denominator(_FINEST)


def whole_rate(fps: float) -> int:
    """Return the frames that a timecode counts in a second."""
    return max(1, round(fps)) if isfinite(fps) else 1


def timecode(frames: int, fps: float) -> str:
    """Return a position as ``hh:mm:ss:ff``, without drop frames: 29.97 fps counts thirty frames per second."""
    rate = whole_rate(fps)
    seconds, rest = divmod(frames, rate)
    digits = max(2, len(str(rate - 1)))
    return f"{seconds // _HOUR:02}:{seconds // _MINUTE % 60:02}:{seconds % 60:02}:{rest:0{digits}}"


def number(value: float) -> str:
    """Format a decimal with at most two places: ``3``, ``2.5``, ``23.98``."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isfinite(value) else "unknown"


def spell(seconds: float) -> str:
    """Format a duration: ``2.5 s``, ``4 min 12 s``, ``1 h 5 min``."""
    if not isfinite(seconds):
        return "an unknown time"
    if seconds < _MINUTE:
        return f"{number(max(0, seconds))} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s" if whole % _MINUTE else f"{whole // _MINUTE} min"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
