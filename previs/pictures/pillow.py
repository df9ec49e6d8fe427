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


def depth_8(picture: Image.Image) -> Image.Image:
    """Convert a picture to 8 bits a channel: RGBA if it has transparency, else RGB."""
    if picture.mode.startswith("I"):  # Pillow converts 16 to 8 bits by clipping every value above 255
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    transparent = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if transparent else "RGB")
