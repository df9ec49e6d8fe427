"""What a file really is, told by its bytes, and whether all of it is there."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from previs.errors import FrameDamaged
from previs.pictures import recordings, stills
from previs.pictures.byte_reader import ByteReader
from previs.pictures.signatures import LONGEST, format_of


@dataclass(frozen=True)
class Media:
    """What a file is.

    Attributes:
        media_type: such as ``image/png``.
        suffix: with its point, such as ``.png``.
        width: in pixels; none for sound, and for formats whose size is not read.
        height: in pixels, likewise.
    """

    media_type: str
    suffix: str
    width: int | None = None
    height: int | None = None


_STILLS: dict[str, tuple[Callable[[ByteReader], tuple[int, int]], str, str]] = {
    "PNG": (stills.png, "image/png", ".png"),
    "JPEG": (stills.jpeg, "image/jpeg", ".jpg"),
    "WEBP": (stills.webp, "image/webp", ".webp"),
    "GIF": (stills.gif, "image/gif", ".gif"),
}
_RECORDINGS: dict[str, Callable[[ByteReader], str]] = {
    "WEBM": recordings.webm,
    "WAV": recordings.wav,
    "FLAC": recordings.flac,
    "MP3": recordings.mp3,
    "OGG": recordings.ogg,
}
_SUFFIX_OF = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "audio/mp4": ".m4a",
    "image/avif": ".avif",
    "image/heic": ".heic",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
}
# Known by their first bytes; of some these also tell how long they are, of the others nothing does.
_OTHERS = {
    "EXR": Media("image/x-exr", ".exr"),
    "TIFF": Media("image/tiff", ".tiff"),
    "BMP": Media("image/bmp", ".bmp"),
    "GLB": Media("model/gltf-binary", ".glb"),
}
_PLAIN = re.compile(r"\.[a-z0-9]{1,16}")
_LENGTHS: dict[str, Callable[[ByteReader], int]] = {"BMP": stills.bmp_length, "GLB": recordings.glb_length}
_CLAIMS = {
    **dict.fromkeys((".png", ".apng"), "PNG"),
    **dict.fromkeys((".jpg", ".jpeg"), "JPEG"),
    ".webp": "WEBP",
    ".gif": "GIF",
    **dict.fromkeys((".mp4", ".mov", ".m4v", ".m4a"), "MP4"),
    ".avif": "AVIF",
    **dict.fromkeys((".webm", ".mkv"), "WEBM"),
    ".wav": "WAV",
    ".flac": "FLAC",
    ".mp3": "MP3",
    **dict.fromkeys((".ogg", ".oga", ".opus", ".ogv"), "OGG"),
    ".exr": "EXR",
    ".bmp": "BMP",
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".glb": "GLB",
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
}


def examine(path: Path, *, name: str) -> Media:
    """Read a file from its first byte to its last and tell what it is.

    Only a small part of the file is in memory at a time. A file of a kind that is not known here, whose name claims
    none of the known ones, is taken as it is, as ``application/octet-stream``.

    Args:
        path: where the file is.
        name: what the server calls it; its suffix is a claim that must hold.

    Raises:
        FrameDamaged: it is empty, cut short or damaged, an error page, or not what its name claims.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST)
        if not start:
            raise FrameDamaged(name, "it is empty")
        suffix = PurePosixPath(name).suffix.lower()
        found = format_of(start)
        _check_claim(name, suffix, found)
        return _walk(ByteReader(file, name), found, suffix)


def _check_claim(name: str, suffix: str, found: str | None) -> None:
    claimed = _CLAIMS.get(suffix)
    if claimed and found != claimed:
        reality = f"it is {found}" if found else "its bytes are of no known format"
        raise FrameDamaged(name, f"{reality}, not the {claimed} that its name claims")
    if found in ("HTML", "JSON") and suffix not in (f".{found.lower()}", ".htm", ".txt", ".gltf", ".xml"):
        raise FrameDamaged(name, f"it is {found}, probably an error message in place of the file")
    if not found and not suffix:
        raise FrameDamaged(name, "its bytes are of no known format")


def _walk(reader: ByteReader, found: str | None, suffix: str) -> Media:
    if found in _STILLS:
        walk, media_type, own_suffix = _STILLS[found]
        return Media(media_type, own_suffix, *walk(reader))
    if found in ("MP4", "AVIF", "HEIC"):
        media_type, size = recordings.mp4(reader)
        return Media(media_type, _SUFFIX_OF[media_type], *(size or ()))
    if found in _RECORDINGS:
        media_type = _RECORDINGS[found](reader)
        return Media(media_type, _SUFFIX_OF[media_type])
    if found in _LENGTHS and _LENGTHS[found](reader) > reader.size:
        raise reader.cut_short()
    # Of a name from a server only what cannot be anything but a suffix goes further.
    return _OTHERS.get(found or "", Media("application/octet-stream", suffix if _PLAIN.fullmatch(suffix) else ""))
