"""Set the limits for opening untrusted pictures with Pillow."""

import struct
import zlib

from PIL import Image

MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# Pillow does not document what its decoders raise on damaged files; its plugins raise these.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    IndexError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


_STRIP = 1_000_000  # pixels
_WHITES = (1.0, 255.0, 65_535.0)


def depth_8(picture: Image.Image) -> Image.Image:
    """Convert a picture to 8 bits a channel: RGBA if it has transparency, else RGB.

    A large picture is converted a strip at a time, because the steps between take up to twelve bytes a pixel.
    """
    picture.load()
    white = _white(picture)
    rows = max(_STRIP // picture.width, 1)
    if rows >= picture.height:
        return _depth_8(picture, white)
    made: Image.Image | None = None
    for top in range(0, picture.height, rows):
        part = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        strip = _depth_8(part, white)
        if made is None:
            made = Image.new(strip.mode, picture.size, None)
            made.info = strip.info
        made.paste(strip, (0, top))
    return made or picture


def _depth_8(picture: Image.Image, white: float | None) -> Image.Image:
    if picture.mode.startswith("I"):  # Pillow converts 16 to 8 bits by clipping every value above 255
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if picture.mode == "F":
        scaled = picture if white is None else picture.point(lambda value: value * (255 / white) + 0)
        return scaled.convert("L").convert("RGB")
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")


def _white(picture: Image.Image) -> float | None:
    """Return the value of white of a floating-point picture: 1, 255 or 65,535, the first that no value exceeds.

    If all are exceeded, return the largest value. Negative values become black. Return None if no value is positive,
    and for other pictures.
    """
    if picture.mode != "F":
        return None
    _, high = picture.getextrema()
    if not isinstance(high, int | float) or high <= 0:
        return None
    return next((each for each in _WHITES if high <= each), high)
