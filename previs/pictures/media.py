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
_HARMLESS = ".bin"
# Suffixes of formats that are not recognised, which no browser, web server or operating system runs. Web servers derive
# the media type from the suffix, and browsers run scripts in HTML, SVG and every XML.
_INERT = re.compile(
    r"\.(?:abc|ass|bin|blend|bvh|ckpt|csv|cube|dds|dpx|edl|fbx|gguf|gltf|gz|hdr|json|jxl|kra|ksplat|ktx|ktx2|latent|log"
    r"|md|midi?|mtl|mxf|np[yz]|obj|onnx|ora|otio|pdf|pfm|pkl|ply|ps[bd]|pth?|safetensors|sft|splat|spz|srt|stl|tar|tga"
    r"|toml|tsv|txt|usd[acz]?|vdb|vtt|y4m|ya?ml|zip)"
)
_KINDS = (*FORMATS, "AVIF", "HEIC", "MP4", "WEBM", "WAV", "FLAC", "MP3", "OGG", "EXR", "GLB")
_KNOWN_SUFFIXES = {*_SUFFIXES.values(), *(f".{kind.lower()}" for kind in _KINDS)}
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
    Its suffix stays only if nothing runs files of that kind; else it becomes ``.bin``, as of ``page.html``.

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


def is_inert(name: str) -> bool:
    """Return whether no browser, web server or operating system runs a file of this name when a person opens it."""
    suffix = PurePosixPath(name).suffix.lower()
    return suffix in _KNOWN_SUFFIXES or _INERT.fullmatch(suffix) is not None


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
        return Media(media_type, suffix if _INERT.fullmatch(suffix) else _HARMLESS)
    return Media(media_type, _SUFFIXES.get(media_type, f".{media_type.partition('/')[2]}"), *(size or ()))
