"""Measure how dark, flat and still a frame is, and decide with the thresholds below what is wrong with it; pure.

A record keeps what was measured, not what was decided, so that other thresholds hold for older takes, too. Where the
thresholds come from, and how often they give a false alarm: docs/qc.md.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from math import log
from pathlib import Path
from typing import Any, Final, Literal, Self

from PIL import Image, ImageChops, ImageSequence

from previs.pictures.pillow import BROKEN, FORMATS

BLACK_UP_TO: Final = 12
"""Value of the brightest channel of any pixel, of 255, up to which a flat picture is black."""
FLAT_WITHIN: Final = 12
"""Difference of the darkest and the brightest value of each channel, up to which a picture is one flat colour."""
GREY_FROM, GREY_UP_TO, GREY_WITHIN = 96, 160, 6
"""Bounds of a flat grey as latents without content give it, and the difference of its channels."""
STILL_WITHIN: Final = 8
"""Difference of any point of two reduced pictures of a film, up to which they count as equal."""
ASPECT_WITHIN: Final = 0.04
"""Share by which the aspect may differ, beside what rounding explains."""
ROUNDED_BY: Final = 16
"""Pixels by which a model may round a side."""

REDUCED: Final = (48, 48)
"""Width and height at which pictures of a film are compared."""

_COLUMN: Final = 32
_SOME_CONTRAST: Final = 2 * FLAT_WITHIN
_MOST_PIXELS: Final = 1_000_000_000
_MOST_SECONDS: Final = 5.0
_MOST_FRAMES: Final = 1000

Look = Literal["black", "grey", "blank", "frozen"]
Color = tuple[int, int, int]
Size = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold what was measured of a frame.

    Attributes:
        darkest, brightest: Smallest and largest value of red, green and blue of any pixel, of film of its first frame.
        moves: Whether the pictures of a film differ; None for a still, and if not all of them were compared.
    """

    darkest: Color
    brightest: Color
    moves: bool | None = None

    @property
    def color(self) -> str:
        """Return the colour of a flat picture, such as ``#7f7f7f``."""
        return "#" + "".join(f"{(low + high) // 2:02x}" for low, high in zip(self.darkest, self.brightest, strict=True))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return what was written as JSON, which has lists in place of tuples."""
        red, green, blue = value["darkest"]
        high_red, high_green, high_blue = value["brightest"]
        return cls((red, green, blue), (high_red, high_green, high_blue), value["moves"])


def extremes(picture: Image.Image) -> Measured:
    """Return the darkest and the brightest values of a picture in RGB or RGBA.

    If a column of it has some contrast already, these are its values: all of it costs a tenth of a thumbnail.
    """
    width, height = picture.size
    column = _extremes(picture.crop((width // 2, 0, width // 2 + max(width // _COLUMN, 1), height)))
    return column if _contrast(column) > _SOME_CONTRAST else _extremes(picture)


def _extremes(picture: Image.Image) -> Measured:
    if picture.mode == "RGBA":
        low, high = (int(value) for value in picture.getchannel("A").getextrema())  # type: ignore[arg-type]
        if not high:
            return Measured((255, 255, 255), (255, 255, 255))  # nothing is seen but the paper
        if low != high:
            return Measured((0, 0, 0), (255, 255, 255))  # transparency draws a shape
    ranges = [picture.getchannel(name).getextrema() for name in "RGB"]
    darkest, brightest = (tuple(int(each[end]) for each in ranges) for end in (0, 1))  # type: ignore[arg-type]
    return Measured(darkest, brightest)  # type: ignore[arg-type]


def _contrast(measured: Measured) -> int:
    return max(high - low for low, high in zip(measured.darkest, measured.brightest, strict=True))


def look_of(measured: Measured) -> Look | None:
    """Return what is wrong with how a frame looks; None if nothing is.

    A film that moves is none of these, also if it begins in black. A picture of one colour that stands still is not
    frozen, but black or blank.
    """
    if measured.moves:
        return None
    darkest, brightest = measured.darkest, measured.brightest
    if max(brightest) <= BLACK_UP_TO:
        return "black"
    if _contrast(measured) <= FLAT_WITHIN:
        level = [(low + high) / 2 for low, high in zip(darkest, brightest, strict=True)]
        neutral = max(level) - min(level) <= GREY_WITHIN and GREY_FROM <= level[0] <= GREY_UP_TO
        return "grey" if neutral else "blank"
    return "frozen" if measured.moves is False else None


def has_aspect(size: Size, asked: Size) -> bool:
    """Return whether a frame has the aspect that was asked for, but for what a model may round.

    Args:
        size: Width and height of the frame in pixels.
        asked: Width and height in pixels that were asked for.
    """
    # A frame may be scaled up after the model has rounded its size.
    rounding = sum(ROUNDED_BY / min(side, other) for side, other in zip(size, asked, strict=True))
    return abs(log(size[0] / size[1]) - log(asked[0] / asked[1])) <= ASPECT_WITHIN + rounding


def reduced(picture: Image.Image) -> Image.Image:
    """Return a picture in grey, so small that grain and the noise of a codec are averaged out."""
    return picture.convert("L").resize(REDUCED, Image.Resampling.BOX, reducing_gap=2.0)


def moves(pictures: Iterable[tuple[Image.Image, int]]) -> bool | None:
    """Return whether the pictures of a film differ, up to the first that does.

    Return None if there is only one, or if they are too many to compare all of them.

    Args:
        pictures: Reduced pictures, with the pixels that each took to decode.
    """
    until, pixels, first, number = time.monotonic() + _MOST_SECONDS, 0, None, 0
    for number, (picture, size) in enumerate(pictures, 1):
        pixels += size
        if first is None:
            first = picture
        elif _differ(first, picture):
            return True
        if number >= _MOST_FRAMES or pixels > _MOST_PIXELS or time.monotonic() > until:
            return None
    return False if number > 1 else None


def _differ(one: Image.Image, other: Image.Image) -> bool:
    _, most = ImageChops.difference(one, other).getextrema()
    return int(most) > STILL_WITHIN  # type: ignore[arg-type]


def animation_moves(path: Path) -> bool | None:
    """Return whether the pictures of an animated WEBP, GIF or PNG differ, as :func:`moves` does."""

    def pictures(opened: Image.Image) -> Iterator[tuple[Image.Image, int]]:
        for each in islice(ImageSequence.Iterator(opened), _MOST_FRAMES):
            yield reduced(each.convert("RGB")), each.width * each.height

    with suppress(*BROKEN), Image.open(path, formats=FORMATS) as opened:
        return moves(pictures(opened))
    return None
