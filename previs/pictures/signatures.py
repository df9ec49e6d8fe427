"""Recognize file formats by their first bytes."""

import re

LONGEST = 512
_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body|\?xml)", re.IGNORECASE | re.DOTALL)
_JSON = re.compile(rb'\s*(\{\s*("|\})|\[\s*[\[{"\]])')
# Pictures in ISO media files, by the brand in the first box.
PICTURE_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")
_LAYER_3 = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\x1a\x45\xdf\xa3": "WEBM",
    b"fLaC": "FLAC",
    b"ID3": "MP3",
    b"OggS": "OGG",
    b"v/1\x01": "EXR",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"glTF": "GLB",
    b"%PDF": "PDF",
    b"PK\x03\x04": "ZIP",
    b"8BPS": "Photoshop",
    b"<svg": "SVG",
}


def format_of(start: bytes) -> str | None:
    """Return the format of a file by its first ``LONGEST`` bytes, such as ``PNG`` or ``JSON``; None if unknown."""
    for signature, name in _STARTS.items():
        if start.startswith(signature):
            return name
    if start[:4] == b"RIFF":
        return {b"WEBP": "WEBP", b"WAVE": "WAV"}.get(start[8:12])
    if start[4:8] in _BOXES:
        return PICTURE_BRANDS.get(start[8:12], "MP4") if start[4:8] == b"ftyp" else "MP4"
    if start[:2] == b"BM" and start[6:10] == bytes(4):
        return "BMP"
    if _LAYER_3.match(start):
        return "MP3"
    return _text_format(start.removeprefix(b"\xef\xbb\xbf"))


def _text_format(start: bytes) -> str | None:
    if _PAGE.match(start):
        return "SVG" if b"<svg" in start else "HTML"
    return "JSON" if _JSON.match(start) else None
