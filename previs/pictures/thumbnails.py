"""Make small pictures for embedding in a page, a manifest or a message."""

import base64
import io
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from previs.pictures.media import Media
from previs.pictures.pillow import BROKEN, MOST_PIXELS, depth_8
from previs.pictures.quality import Measured, extremes

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
# Pillow reads a WEBP whole into memory, other formats only as far as needed.
_LARGEST_WEBP = 64 << 20
WIDTH = 512
_HEIGHT_FACTOR = 2  # of the width
_LARGEST = 24_000  # bytes, before base64
_ATTEMPTS = ((1, 75), (1, 55), (1, 35), (2, 45), (2, 25))  # divisor of the size, quality


def thumbnail(path: Path, media: Media, *, width: int = WIDTH) -> str | None:
    """Return a WEBP thumbnail of a picture or of an animation's first frame as a ``data:`` URI, mostly 7 to 20 KB.

    The height is at most twice the width; a picture is never enlarged. Return None for sound and video, and for
    pictures and animations that are damaged or too large to decode.
    """
    made = measured_thumbnail(path, media, width=width)
    return made[0] if made else None


def measured_thumbnail(path: Path, media: Media, *, width: int = WIDTH) -> tuple[str, Measured] | None:
    """Return what :func:`thumbnail` does, and what the same decoding tells of the picture."""
    kind = _FORMATS.get(media.media_type)
    if kind is None or (media.width or 0) * (media.height or 0) > MOST_PIXELS:
        return None
    if kind == "WEBP" and path.stat().st_size > _LARGEST_WEBP:
        return None
    try:
        with Image.open(path, formats=(kind,)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            return measured_thumbnail_of(picture, width=width)
    except BROKEN:
        return None


def thumbnail_of(picture: Image.Image, *, width: int = WIDTH) -> str:
    """Return a WEBP thumbnail of an opened picture as a ``data:`` URI."""
    return measured_thumbnail_of(picture, width=width)[0]


def measured_thumbnail_of(picture: Image.Image, *, width: int = WIDTH) -> tuple[str, Measured]:
    """Return a WEBP thumbnail of an opened picture as a ``data:`` URI, and what was measured of the picture."""
    box = (width, width * _HEIGHT_FACTOR)
    made = _upright(picture, box)
    measured = extremes(made)
    made.thumbnail(box)
    return "data:image/webp;base64," + base64.b64encode(_encoded(made)).decode(), measured


def small(picture: Image.Image, box: tuple[int, int]) -> Image.Image:
    """Return an opened picture in RGB or RGBA, turned upright and shrunk to a box in pixels; never enlarged."""
    made = _upright(picture, box)
    made.thumbnail(box)
    return made


def _upright(picture: Image.Image, box: tuple[int, int]) -> Image.Image:
    """Return an opened picture in RGB or RGBA, turned upright; it may be shrunk, to no less than twice the box."""
    picture.draft("RGB", (box[0] * 2, box[1] * 2))  # lets a JPEG be decoded at a fraction of its size
    picture.load()
    if picture.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        ImageOps.exif_transpose(picture, in_place=True)
    return picture if picture.mode == "RGB" and "transparency" not in picture.info else depth_8(picture)


def _encoded(picture: Image.Image) -> bytes:
    """Encode with the first size and quality that stays below the limit, or else with the last."""
    encoded = b""
    for divisor, quality in _ATTEMPTS:
        file = io.BytesIO()
        picture.reduce(divisor).save(file, "WEBP", quality=quality, method=4)
        encoded = file.getvalue()
        if len(encoded) <= _LARGEST:
            break
    return encoded
