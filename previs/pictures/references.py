"""Prepare references for ``LoadImage``."""

import io
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, ImageOps

from previs.errors import FrameDamaged, NotAPicture
from previs.pictures import stills
from previs.pictures.byte_reader import ByteReader
from previs.pictures.pillow import BROKEN, FORMATS, MOST_PIXELS, depth_8
from previs.pictures.signatures import LONGEST, format_of

_QUALITY = 95
_UPRIGHT = 1


def upright_png_or_jpeg(data: bytes, *, uri: str) -> tuple[bytes, str]:
    """Return a picture as PNG or JPEG, turned upright by its EXIF orientation, and ``.png`` or ``.jpg``.

    If nothing has to change, the bytes are returned unchanged. Other formats are converted. Only the first of several
    frames is kept, because ``LoadImage`` would make a batch of them. Grey of 16 bits or of floating point becomes
    8-bit, because ``LoadImage`` turns it white or black. ``uri`` names the picture in errors.

    Raises:
        NotAPicture: The file is no picture, is damaged, or is too large to decode.
    """
    made = io.BytesIO()
    suffix, ready = _upright(io.BytesIO(data), made, uri)
    return data if ready else made.getvalue(), suffix


def upright_file(source: Path, target: Path, *, uri: str) -> str:
    """Write to ``target`` what :func:`upright_png_or_jpeg` returns, and return ``.png`` or ``.jpg``.

    If nothing has to change, ``source`` is moved to ``target``.

    Raises:
        NotAPicture: As there; ``target`` may then hold a part of the picture.
    """
    with source.open("rb") as file, target.open("wb") as made:
        suffix, ready = _upright(file, made, uri)
    if ready:
        source.replace(target)
    return suffix


def _upright(file: BinaryIO, made: BinaryIO, uri: str) -> tuple[str, bool]:
    """Write the picture unless it is ready as it is; return its suffix, and whether it is ready."""
    start = file.read(LONGEST)
    kind = format_of(start)
    if kind not in FORMATS:
        actual = f"it is {kind}" if kind else "its format is unknown" if start else "it is empty"
        actual += f", {file.seek(0, io.SEEK_END):,} bytes" if start else ""
        raise NotAPicture(uri, f"{actual}; a PNG or JPEG is needed")
    if kind in stills.CHECKS:
        _check_complete(file, kind, uri)
    file.seek(0)
    try:
        with Image.open(file, formats=FORMATS) as picture:
            _check_size(picture.size, uri)
            picture.load()
            suffix = ".jpg" if picture.format in ("JPEG", "MPO") else ".png"
            ready = _is_ready(picture)
            if not ready:
                _save(picture, made, "JPEG" if suffix == ".jpg" else "PNG")
            return suffix, ready
    except BROKEN:
        # Pillow's own messages may quote the file.
        raise NotAPicture(uri, f"it cannot be decoded as {kind}: it is damaged") from None


def _check_complete(file: BinaryIO, kind: str, uri: str) -> None:
    try:
        size = stills.CHECKS[kind](ByteReader(file, uri))
    except FrameDamaged as error:
        raise NotAPicture(uri, error.reason) from error
    _check_size(size, uri)


def _check_size(size: tuple[int, int], uri: str) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        reason = f"it has {size[0]} x {size[1]} pixels, more than {MOST_PIXELS // 1_000_000} million: make it smaller"
        raise NotAPicture(uri, reason)


def _is_ready(picture: Image.Image) -> bool:
    # The number of frames of a TIFF or GIF takes long to count.
    return (
        picture.format in ("JPEG", "PNG")
        and not picture.mode.startswith("I")
        and _is_upright(picture)
        and getattr(picture, "n_frames", 1) == 1
    )


def _is_upright(picture: Image.Image) -> bool:
    return bool(picture.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT)


def _save(picture: Image.Image, made: BinaryIO, kind: str) -> None:
    mode = picture.mode
    if not _is_upright(picture):
        ImageOps.exif_transpose(picture, in_place=True)
    converted = picture if mode in ("RGB", "L", "RGBA") else depth_8(picture)
    profile = picture.info.get("icc_profile") if mode == converted.mode else None
    converted.save(made, kind, quality=_QUALITY, icc_profile=profile)
