"""Read from a file's header how much work its decoding is, before a decoder sees it."""

from pathlib import Path
from typing import Final

from PIL import Image

from previs.errors import FrameDamaged
from previs.pictures import stills
from previs.pictures.byte_reader import ByteReader
from previs.pictures.pillow import BROKEN, FORMATS, MOST_PIXELS
from previs.pictures.signatures import LONGEST, format_of

# While Pillow 12 decodes a WEBP, it and libwebp hold its whole canvas five times, from the moment that it is opened.
_WEBP_COPIES: Final = 5


def decoding_cost(path: Path) -> int:
    """Return the pixels that a decoder holds for a picture's first frame; 0 if no decoder is needed to refuse it.

    A TIFF counts as the largest picture, because its tiles may be larger than the picture.
    """
    with path.open("rb") as file:
        kind = format_of(file.read(LONGEST))
        if kind == "TIFF":
            return MOST_PIXELS
        try:
            if kind == "WEBP":
                width, height = stills.webp(ByteReader(file, path.name))
                return width * height * _WEBP_COPIES
            if kind in FORMATS:
                # Of these formats Pillow reads the header only.
                with Image.open(path, formats=(kind,)) as picture:
                    return picture.width * picture.height
        except (FrameDamaged, *BROKEN):
            return 0
    return 0
