"""Prepare references for ``LoadImage``."""

import io

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
    kind = format_of(data[:LONGEST])
    if kind not in FORMATS:
        actual = f"it is {kind}" if kind else "its format is unknown" if data else "it is empty"
        actual += f", {len(data):,} bytes" if data else ""
        raise NotAPicture(uri, f"{actual}; a PNG or JPEG is needed")
    if kind in stills.CHECKS:
        _check_complete(data, kind, uri)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture.size, uri)
            picture.load()
            return _prepared(picture, data)
    except BROKEN:
        # Pillow's own messages may quote the file.
        raise NotAPicture(uri, f"it cannot be decoded as {kind}: it is damaged") from None


def _check_complete(data: bytes, kind: str, uri: str) -> None:
    try:
        size = stills.CHECKS[kind](ByteReader(io.BytesIO(data), uri))
    except FrameDamaged as error:
        raise NotAPicture(uri, error.reason) from error
    _check_size(size, uri)


def _check_size(size: tuple[int, int], uri: str) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        reason = f"it has {size[0]} x {size[1]} pixels, more than {MOST_PIXELS // 1_000_000} million: make it smaller"
        raise NotAPicture(uri, reason)


def _prepared(picture: Image.Image, data: bytes) -> tuple[bytes, str]:
    is_jpeg = picture.format in ("JPEG", "MPO")
    upright = picture.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT
    single = getattr(picture, "n_frames", 1) == 1
    if upright and single and picture.format in ("JPEG", "PNG") and not picture.mode.startswith("I"):
        return data, ".jpg" if is_jpeg else ".png"
    converted = ImageOps.exif_transpose(picture)
    if converted.mode not in ("RGB", "L", "RGBA"):
        converted = depth_8(converted)
    file = io.BytesIO()
    profile = picture.info.get("icc_profile") if picture.mode == converted.mode else None
    converted.save(file, "JPEG" if is_jpeg else "PNG", quality=_QUALITY, icc_profile=profile)
    return file.getvalue(), ".jpg" if is_jpeg else ".png"
