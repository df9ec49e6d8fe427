"""Read the aspect of a film's picture: ``16:9``, ``2.39:1``, ``2.39`` or a size, ``1920x1080``; pure."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pydantic_core import PydanticCustomError

LARGEST_SIDE: Final = 4096
"""Pixels of the longer side of an animatic's picture."""

ALLOWED: Final = (
    "16:9, 2.39:1, 1.85 and the like, between 1:4 and 4:1, or a size such as 1920x1080 with even sides from 16 to "
    f"{LARGEST_SIDE}"
)

_SMALLEST_SIDE: Final = 16
_WIDEST: Final = 4
_SIZE: Final = re.compile(r"([0-9]{1,5})\s*[x×*]\s*([0-9]{1,5})", re.IGNORECASE)
_RATIO: Final = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,9})?)(?:\s*[:：/]\s*([0-9]{1,5}(?:\.[0-9]{1,9})?))?")


@dataclass(frozen=True, slots=True)
class Aspect:
    """Hold the aspect of a picture.

    Attributes:
        ratio: Width divided by height.
        size: Width and height in pixels, if they are given.
    """

    ratio: Fraction
    size: tuple[int, int] | None = None


def aspect_of(text: str) -> Aspect | None:
    """Return the aspect that a text names; None if it names none that is allowed."""
    if (found := _SIZE.fullmatch(text.strip())) is not None:
        width, height = int(found[1]), int(found[2])
        fits = all(_SMALLEST_SIDE <= side <= LARGEST_SIDE and side % 2 == 0 for side in (width, height))
        return _checked(Aspect(Fraction(width, height), (width, height))) if fits else None
    if (found := _RATIO.fullmatch(text.strip())) is not None:
        width_part, height_part = Fraction(found[1]), Fraction(found[2] or 1)
        return _checked(Aspect(width_part / height_part)) if height_part else None
    return None


def usable_aspect(text: str) -> str:
    """Refuse a text that names no aspect."""
    if aspect_of(text) is None:
        raise PydanticCustomError("aspect", "an aspect such as 16:9 is needed")
    return text


def ratio_as_text(value: object) -> object:
    """Return a number as text: 2.39."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _checked(aspect: Aspect) -> Aspect | None:
    return aspect if Fraction(1, _WIDEST) <= aspect.ratio <= _WIDEST else None
