"""Write lengths and positions in time as film people read them."""

from math import isfinite

_HOUR, _MINUTE = 3600, 60


def frame_count(seconds: float, fps: float) -> int:
    """Return the length of a shot in whole frames; at least one for any length above zero.

    Positions on a board are sums of these, so that a cut never falls between two frames.
    """
    count = seconds * fps
    return max(1, round(count)) if isfinite(count) and count > 0 else 0


def timecode(frames: int, fps: float) -> str:
    """Return a position as ``hh:mm:ss:ff``, without drop frames: 29.97 fps counts thirty frames per second."""
    rate = max(1, round(fps)) if isfinite(fps) else 1
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
