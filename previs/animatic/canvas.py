"""Decide the size of a film's picture, and where in it the shots are; pure."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from previs.shots.aspect import LARGEST_SIDE, Aspect, aspect_of

USUAL_ASPECT: Final = Aspect(Fraction(16, 9))
_LONG_SIDE: Final = 1280
_SIZE: Final = re.compile(r"[0-9]+\s*[x×*]\s*[0-9]+", re.IGNORECASE)
SIZES: Final = f"a size such as 1280x720, with even sides from 16 to {LARGEST_SIDE}, no side over four times the other"


@dataclass(frozen=True, slots=True)
class Box:
    """Hold a rectangle in pixels; all four values are even, as halved colour needs."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Canvas:
    """Hold the size of a film in pixels, and the box of its aspect, in which the shots are."""

    width: int
    height: int
    inner: Box


def size_of(text: str) -> tuple[int, int] | None:
    """Return the width and height that a text such as ``1280x720`` names; None if it names none that is allowed."""
    named = aspect_of(text) if _SIZE.fullmatch(text.strip()) else None
    return named.size if named else None


def canvas_of(aspect: Aspect, size: tuple[int, int] | None) -> Canvas:
    """Return the canvas of a film.

    Args:
        aspect: Aspect of the film.
        size: Width and height of the film, if the aspect is not to decide them; then the longer side has 1280 pixels.
    """
    whole = size or aspect.size or _fitted(aspect.ratio, _LONG_SIDE, _LONG_SIDE)
    return Canvas(*whole, fit(aspect.ratio, Box(0, 0, *whole)))


def fit(ratio: Fraction, within: Box) -> Box:
    """Return the largest box of an aspect in the middle of another."""
    width, height = _fitted(ratio, within.width, within.height)
    return Box(
        within.left + (within.width - width) // 4 * 2,
        within.top + (within.height - height) // 4 * 2,
        width,
        height,
    )


def _fitted(ratio: Fraction, width: int, height: int) -> tuple[int, int]:
    if ratio >= Fraction(width, height):
        return width, min(height, _even(round(width / ratio)))
    return min(width, _even(round(height * ratio))), height


def _even(number: int) -> int:
    return max(number + number % 2, 2)
