"""Small pictures as ``data:`` URIs, made smaller until all of them fit."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from previs.publishing.views.addresses import is_picture

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_LARGEST = 40_000_000
"""Pixels of the largest picture that is opened: more is no thumbnail, and could be a trap."""


@dataclass(frozen=True, slots=True)
class _Size:
    width: int
    quality: int


_SIZES = (_Size(320, 70), _Size(256, 65), _Size(200, 60), _Size(160, 55), _Size(120, 45), _Size(96, 35))


def fit(pictures: Sequence[str | None], room: int) -> list[str | None]:
    """The same pictures in at most ``room`` characters together, all of one size class.

    Those that are no ``data:`` URI stay as they are. When even the smallest size is too much, the last ones become
    none.
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
    """As many pictures of this size, from the first on, as there is room for."""
    smaller: list[str | None] = []
    for picture in pictures:
        made = shrunk(picture, size.width, size.quality) if picture and is_picture(picture) else picture
        room -= len(made or "")
        if room < 0:
            break
        smaller.append(made)
    return smaller


def shrunk(picture: str, width: int, quality: int) -> str | None:
    """The picture no wider than ``width`` pixels, as JPEG, or itself if that is no larger; none if it is broken."""
    opened = flat(picture)
    if opened is None:
        return None
    opened.thumbnail((width, width * 4))
    packed = BytesIO()
    opened.save(packed, "JPEG", quality=quality, optimize=True)
    made = f"data:image/jpeg;base64,{base64.b64encode(packed.getvalue()).decode('ascii')}"
    return made if len(made) < len(picture) else picture


def flat(picture: str) -> Image.Image | None:
    """A ``data:`` URI's picture as RGB, what is transparent in it as white; none if it is broken."""
    try:
        with Image.open(
            BytesIO(base64.b64decode(picture.partition(",")[2], validate=True)), formats=_FORMATS
        ) as opened:
            return None if opened.width * opened.height > _LARGEST else _on_white(opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None  # OSError covers Pillow's own errors; SyntaxError is what its PNG reader raises


def _on_white(opened: Image.Image) -> Image.Image:
    rgba = opened.convert("RGBA")
    flat = Image.new("RGB", rgba.size, "white")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    return flat
