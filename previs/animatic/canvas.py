"""Decide the size of a film's picture; pure."""

import re
from fractions import Fraction
from typing import Final

from previs.animatic.view import Box, Canvas, fit, fitted
from previs.shots.aspect import LARGEST_SIDE, Aspect, aspect_of

USUAL_ASPECT: Final = Aspect(Fraction(16, 9))
_LONG_SIDE: Final = 1280
_SIZE: Final = re.compile(r"[0-9]+\s*[x×*]\s*[0-9]+", re.IGNORECASE)
SIZES: Final = f"a size such as 1280x720, with even sides from 16 to {LARGEST_SIDE}, no side over four times the other"


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
    whole = size or aspect.size or fitted(aspect.ratio, _LONG_SIDE, _LONG_SIDE)
    return Canvas(*whole, fit(aspect.ratio, Box(0, 0, *whole)))
