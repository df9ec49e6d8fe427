"""References made ready for ``LoadImage``."""

import io

from PIL import ExifTags, Image, ImageOps

from previs.errors import FrameDamaged, NotAPicture
from previs.pictures import stills
from previs.pictures.byte_reader import ByteReader
from previs.pictures.pillow import BROKEN, FORMATS, MOST_PIXELS, depth_8
from previs.pictures.signatures import LONGEST, format_of

_WALKS = {"PNG": stills.png, "JPEG": stills.jpeg, "WEBP": stills.webp, "GIF": stills.gif}
_USABLE = (*_WALKS, "BMP", "TIFF")
_QUALITY = 95
_UPRIGHT = 1


def upright_png_or_jpeg(data: bytes, *, uri: str) -> tuple[bytes, str]:
    """A picture as PNG or JPEG, turned as its EXIF orientation says; unchanged where nothing has to be done.

    Something has to be done to other formats, to all but the first frame of several (``LoadImage`` would make a batch
    of them), and to 16-bit grey (which ``LoadImage`` turns white).

    Args:
        data: the picture's bytes.
        uri: what errors call it.

    Returns:
        Its bytes, and ``.png`` or ``.jpg``.

    Raises:
        NotAPicture: it is none, is broken, or is too large to be decoded.
    """
    kind = format_of(data[:LONGEST])
    if kind not in _USABLE:
        reality = f"it is {kind}" if kind else "its bytes are of no known format" if data else "it is empty"
        raise NotAPicture(uri, f"{reality}; a PNG or JPEG is needed")
    if kind in _WALKS:
        _check_whole(data, kind, uri)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture.size, uri)
            picture.load()
            return _ready(picture, data)
    except BROKEN as error:
        raise NotAPicture(uri, f"it cannot be decoded as {kind}: {error}") from error


def _check_whole(data: bytes, kind: str, uri: str) -> None:
    try:
        size = _WALKS[kind](ByteReader(io.BytesIO(data), uri))
    except FrameDamaged as error:
        raise NotAPicture(uri, error.reason) from error
    _check_size(size, uri)


def _check_size(size: tuple[int, int], uri: str) -> None:
    if size[0] * size[1] > MOST_PIXELS:
        reason = f"it has {size[0]} x {size[1]} pixels, more than {MOST_PIXELS // 1_000_000} million: make it smaller"
        raise NotAPicture(uri, reason)


def _ready(picture: Image.Image, data: bytes) -> tuple[bytes, str]:
    is_jpeg = picture.format in ("JPEG", "MPO")
    upright = picture.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT
    single = getattr(picture, "n_frames", 1) == 1
    if upright and single and picture.format in ("JPEG", "PNG") and not picture.mode.startswith("I"):
        return data, ".jpg" if is_jpeg else ".png"
    turned = ImageOps.exif_transpose(picture)
    if turned.mode not in ("RGB", "L", "RGBA"):
        turned = depth_8(turned)
    file = io.BytesIO()
    profile = picture.info.get("icc_profile") if picture.mode == turned.mode else None
    turned.save(file, "JPEG" if is_jpeg else "PNG", quality=_QUALITY, icc_profile=profile)
    return file.getvalue(), ".jpg" if is_jpeg else ".png"
