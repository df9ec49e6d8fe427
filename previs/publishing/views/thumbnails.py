"""Shrink small pictures in ``data:`` URIs until all of them fit."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from previs.errors import FrameDamaged
from previs.pictures import stills
from previs.pictures.byte_reader import ByteReader
from previs.pictures.signatures import LONGEST, format_of
from previs.publishing.views.addresses import is_picture

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_LARGEST = 8_000_000
"""Pixels of the largest picture to open: a larger one is no thumbnail and may be a decompression bomb."""


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    quality: int


_SIZES = (_Size(320, 70), _Size(256, 65), _Size(200, 60), _Size(160, 55), _Size(120, 45), _Size(96, 35))


def fit(pictures: Sequence[str | None], room: int) -> list[str | None]:
    """Return the pictures in at most ``room`` characters together, all of one size class.

    URLs other than ``data:`` stay unchanged. If even the smallest size is too large, the last pictures become None.
    """
    if _total(pictures) <= room:
        return list(pictures)
    smaller: list[str | None] = []
    for size in _SIZES:
        smaller = _all_of(pictures, size, room)
        if len(smaller) == len(pictures):
            return smaller
    return smaller + [None] * (len(pictures) - len(smaller))


def _total(pictures: Sequence[str | None]) -> int:
    return sum(len(picture) for picture in pictures if picture)


def _all_of(pictures: Sequence[str | None], size: _Size, room: int) -> list[str | None]:
    """Return as many of the first pictures, in this size, as fit."""
    smaller: list[str | None] = []
    for picture in pictures:
        made = shrunk(picture, size.width, size.quality) if picture and is_picture(picture) else picture
        room -= len(made or "")
        if room < 0:
            break
        smaller.append(made)
    return smaller


def shrunk(picture: str, width: int, quality: int) -> str | None:
    """Return the picture as JPEG, at most ``width`` pixels wide, or unchanged if smaller; None if it is broken."""
    opened = flat(picture)
    if opened is None:
        return None
    opened.thumbnail((width, width * 4))
    jpeg = BytesIO()
    opened.save(jpeg, "JPEG", quality=quality, optimize=True)
    made = f"data:image/jpeg;base64,{base64.b64encode(jpeg.getvalue()).decode('ascii')}"
    return made if len(made) < len(picture) else picture


def flat(picture: str) -> Image.Image | None:
    """Return the picture of a ``data:`` URI in RGB, on white if transparent; None if it is broken."""
    try:
        content = base64.b64decode(picture.partition(",")[2], validate=True)
        if _is_large_webp(content):
            return None
        with Image.open(BytesIO(content), formats=_FORMATS) as opened:
            return None if opened.width * opened.height > _LARGEST else _on_white(opened)
    except (
        FrameDamaged,
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None  # OSError covers Pillow's own errors; SyntaxError is what its PNG reader raises


def _is_large_webp(content: bytes) -> bool:
    """Return whether a WEBP is too large; Pillow allocates its canvas when it opens it."""
    if format_of(content[:LONGEST]) != "WEBP":
        return False
    width, height = stills.webp(ByteReader(BytesIO(content), "thumbnail"))
    return width * height > _LARGEST


def _on_white(opened: Image.Image) -> Image.Image:
    rgba = opened.convert("RGBA")
    flat = Image.new("RGB", rgba.size, "white")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    return flat
