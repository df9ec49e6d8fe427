"""Opening pictures of strangers with Pillow."""

import struct
import zlib

from PIL import Image

MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
# What Pillow's decoders raise on broken files; the classes are not documented, these are the ones its plugins use.
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


def depth_8(picture: Image.Image) -> Image.Image:
    """The same with 8 bits a channel, as RGB, or RGBA where something is transparent."""
    if picture.mode.startswith("I"):  # Pillow's own way from 16 to 8 bits cuts off all that is brighter than 255
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")
