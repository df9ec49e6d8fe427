"""Small pictures that travel inside a page, a manifest or a message."""

import base64
import io
from pathlib import Path

from PIL import Image, ImageOps

from previs.pictures.media import Media
from previs.pictures.pillow import BROKEN, MOST_PIXELS, depth_8

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
# Pillow reads every other format as far as it needs, but all of a WEBP into memory.
_LARGEST_WEBP = 64 << 20
_TALLEST = 2  # times the width
_LARGEST = 12_000  # bytes, before base64
_TRIES = ((1, 75), (1, 55), (1, 35), (2, 45), (2, 25))  # what to divide the size by, and quality


def thumbnail(path: Path, media: Media, *, width: int = 384) -> str | None:
    """A ``data:`` URI of a WEBP picture, mostly 5 to 12 KB, of a picture or of an animation's first frame.

    Args:
        path: where the file is.
        media: what :func:`~previs.pictures.media.examine` found it to be.
        width: in pixels, at most; a picture is never enlarged, and never higher than twice this.

    Returns:
        None for sound and video, for what cannot be decoded, and for pictures and animations too large to be decoded.
    """
    kind = _FORMATS.get(media.media_type)
    if kind is None or (media.width or 0) * (media.height or 0) > MOST_PIXELS:
        return None
    if kind == "WEBP" and path.stat().st_size > _LARGEST_WEBP:
        return None
    try:
        with Image.open(path, formats=(kind,)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return None
            small = _small(picture, width)
    except BROKEN:
        return None
    return "data:image/webp;base64," + base64.b64encode(_packed(small)).decode()


def _small(picture: Image.Image, width: int) -> Image.Image:
    box = (width, width * _TALLEST)
    picture.draft("RGB", (box[0] * 2, box[1] * 2))  # lets a JPEG be decoded at a fraction of its size
    upright = ImageOps.exif_transpose(picture)
    small = depth_8(upright)
    small.thumbnail(box)
    return small


def _packed(picture: Image.Image) -> bytes:
    """With the best of a few sizes and qualities that takes little room, or else the last of them."""
    packed = b""
    for divisor, quality in _TRIES:
        file = io.BytesIO()
        picture.reduce(divisor).save(file, "WEBP", quality=quality, method=4)
        packed = file.getvalue()
        if len(packed) <= _LARGEST:
            break
    return packed
