"""Determine what a file is by its bytes, and check that it is complete."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from previs.errors import FrameDamaged
from previs.pictures import recordings, stills
from previs.pictures.byte_reader import ByteReader
from previs.pictures.pillow import FORMATS
from previs.pictures.signatures import LONGEST, format_of


@dataclass(frozen=True)
class Media:
    """Describe a file.

    Attributes:
        media_type: Media type, such as ``image/png``.
        suffix: Suffix with its point, such as ``.png``.
        width, height: In pixels; None for sound and for formats whose size is not read.
    """

    media_type: str
    suffix: str
    width: int | None = None
    height: int | None = None


_TYPES = {kind: f"image/{kind.lower()}" for kind in FORMATS} | {"EXR": "image/x-exr", "GLB": "model/gltf-binary"}
_UNKNOWN = "application/octet-stream"
# The suffix of every other media type is its subtype.
_SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/x-exr": ".exr",
    "model/gltf-binary": ".glb",
    "video/quicktime": ".mov",
    "video/x-matroska": ".mkv",
    "audio/mp4": ".m4a",
    "audio/mpeg": ".mp3",
}
_LENGTH_AT = {"BMP": 2, "GLB": 8}  # position of the file's length in its header; EXR and TIFF state none
_PLAIN_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}")
_KINDS = (*FORMATS, "AVIF", "HEIC", "MP4", "WEBM", "WAV", "FLAC", "MP3", "OGG", "EXR", "GLB")
_CLAIMS = (
    {f".{kind.lower()}": kind for kind in _KINDS}
    | {".apng": "PNG", ".jpg": "JPEG", ".tif": "TIFF", ".heif": "HEIC", ".mkv": "WEBM"}
    | dict.fromkeys((".mov", ".m4v", ".m4a"), "MP4")
    | dict.fromkeys((".oga", ".opus", ".ogv"), "OGG")
)


def examine(path: Path, *, name: str) -> Media:
    """Read a file from its first byte to its last and return its format and size.

    Only a small part of the file is in memory at a time. A file of unknown format is accepted as
    ``application/octet-stream``, unless ``name``, the server's name of the file, claims a known format by its suffix.

    Raises:
        FrameDamaged: The file is empty, cut short or damaged, an error page, or not what its name claims.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST)
        if not start:
            raise FrameDamaged(name, "it is empty")
        suffix = PurePosixPath(name).suffix.lower()
        found = format_of(start)
        _check_claim(name, suffix, found)
        return _check_content(ByteReader(file, name), found, suffix)


def _check_claim(name: str, suffix: str, found: str | None) -> None:
    claimed = _CLAIMS.get(suffix)
    if claimed and found != claimed:
        actual = f"it is {found}" if found else "its format is unknown"
        raise FrameDamaged(name, f"{actual}, not {claimed} as its name claims")
    if found in ("HTML", "JSON") and suffix not in (f".{found.lower()}", ".htm", ".txt", ".gltf", ".xml"):
        raise FrameDamaged(name, f"it is {found}, probably an error message in place of the file")
    if not found and not suffix:
        raise FrameDamaged(name, "its format is unknown")


def _check_content(reader: ByteReader, found: str | None, suffix: str) -> Media:
    size: tuple[int, int] | None = None
    media_type = _TYPES.get(found or "", _UNKNOWN)
    if found in stills.CHECKS:
        size = stills.CHECKS[found](reader)
    elif found in ("MP4", "AVIF", "HEIC"):
        media_type, size = recordings.mp4(reader)
    elif found in recordings.CHECKS:
        media_type = recordings.CHECKS[found](reader)
    elif found in _LENGTH_AT:
        reader.skip(_LENGTH_AT[found])
        if reader.number(4, little=True) > reader.size:
            raise reader.cut_short()
    if media_type == _UNKNOWN:
        # The name comes from a server: its suffix is used only if it cannot be anything else.
        return Media(media_type, suffix if _PLAIN_SUFFIX.fullmatch(suffix) else "")
    return Media(media_type, _SUFFIXES.get(media_type, f".{media_type.partition('/')[2]}"), *(size or ()))
