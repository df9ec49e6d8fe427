"""Return hashes of the pixels of a picture, for comparing two files whose bytes differ."""

import hashlib
from pathlib import Path
from typing import Final

from PIL import Image, ImageSequence

from previs.pictures.pillow import BROKEN, FORMATS, MOST_PIXELS

_MOST_OF_ALL: Final = 20 * MOST_PIXELS


def pixels(path: Path) -> list[tuple[tuple[int, int], str, str]] | None:
    """Return size, mode and hash of each picture in a file.

    Return None if it cannot be decoded, or has more than 89 million pixels, or 20 times as many in all its frames.
    """
    found: list[tuple[tuple[int, int], str, str]] = []
    total = 0
    try:
        with Image.open(path, formats=FORMATS) as picture:
            for each in ImageSequence.Iterator(picture):
                size = each.width * each.height
                total += size
                if size > MOST_PIXELS or total > _MOST_OF_ALL:
                    return None
                found.append((each.size, each.mode, hashlib.sha256(_plain(each).tobytes()).hexdigest()))
    except BROKEN:
        return None
    return found


def _plain(picture: Image.Image) -> Image.Image:
    """Return the picture without a palette, whose order does not matter."""
    return picture.convert("RGBA") if picture.mode == "P" else picture
