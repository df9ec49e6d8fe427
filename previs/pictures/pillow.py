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


_WHITES = (1.0, 255.0, 65_535.0)


def depth_8(picture: Image.Image) -> Image.Image:
    """Convert a picture to 8 bits a channel: RGBA if it has transparency, else RGB."""
    if picture.mode.startswith("I"):  # Pillow converts 16 to 8 bits by clipping every value above 255
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if picture.mode == "F":
        return _scaled(picture).convert("L").convert("RGB")
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    """Return a picture of floating-point values, scaled so that white is 255; negative values become black.

    White is 1, 255 or 65,535, the first that no value exceeds; else the largest value.
    """
    _, high = picture.getextrema()
    if not isinstance(high, int | float) or high <= 0:
        return picture
    white = next((each for each in _WHITES if high <= each), high)
    return picture.point(lambda value: value * (255 / white) + 0)
