"""Check that a PNG, JPEG, WEBP or GIF is complete, and return its width and height in pixels.

Data after the picture's own end is ignored, as viewers ignore it.
Sources: as in ``containers``, the WebP container specification (RFC 9649), GIF89a.
"""

import struct
from collections.abc import Callable

from previs.pictures.byte_reader import ByteReader
from previs.pictures.containers import (
    GIF_IMAGE,
    JPEG_SCAN,
    gif_blocks,
    jpeg_segments,
    png_chunks,
    png_content,
    riff_chunks,
)

_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WEBP_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")


def png(reader: ByteReader) -> tuple[int, int]:
    """Check every chunk and its checksum, up to IEND."""
    width = height = pixels = 0
    for number, (kind, length) in enumerate(png_chunks(reader)):
        start = png_content(reader, kind, length, keep=8)
        if (number == 0) != (kind == b"IHDR"):
            reader.refuse("it is a PNG whose header is not its first chunk alone")
        if kind == b"IHDR":
            width, height = struct.unpack(">II", start.ljust(8, b"\0"))
        pixels += length if kind == b"IDAT" else 0
    if not pixels:
        reader.refuse("it is a PNG without pixels")
    return _checked_size(reader, width, height)


def jpeg(reader: ByteReader) -> tuple[int, int]:
    """Check every segment and scan, up to the end-of-image marker."""
    width = height = scans = 0
    for marker, _ in jpeg_segments(reader):
        if marker in _JPEG_SIZES:
            _, height, width = reader.number(1), reader.number(2), reader.number(2)
        scans += marker == JPEG_SCAN
    if not scans:
        reader.refuse("it is a JPEG without pixels")
    return _checked_size(reader, width, height)


def webp(reader: ByteReader) -> tuple[int, int]:
    """Check every chunk, up to the length that the header states."""
    reader.skip(4)
    end = reader.number(4, little=True) + 8
    reader.skip(4)
    size, pictures = None, 0
    if end > reader.size:
        raise reader.cut_short()
    for kind, length in riff_chunks(reader, end):
        if reader.at + length > end or kind == bytes(4):
            reader.refuse(f"the chunk at byte {reader.at - 8} does not fit into its container")
        size = size or _webp_size(kind, reader.take(min(length, 10)).ljust(10, b"\0"))
        pictures += kind in _WEBP_PICTURES
    if size is None or not pictures:
        reader.refuse("it is a WEBP without pixels")
    return _checked_size(reader, *size)


def _webp_size(kind: bytes, start: bytes) -> tuple[int, int] | None:
    if kind == b"VP8X":
        return int.from_bytes(start[4:7], "little") + 1, int.from_bytes(start[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(start[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(start[6:8], "little") & 0x3FFF, int.from_bytes(start[8:10], "little") & 0x3FFF
    return None


def gif(reader: ByteReader) -> tuple[int, int]:
    """Check every block, up to the trailer."""
    reader.skip(6)
    width, height = reader.number(2, little=True), reader.number(2, little=True)
    images = sum(block == GIF_IMAGE for block, _ in gif_blocks(reader))
    if not images:
        reader.refuse("it is a GIF without pixels")
    return _checked_size(reader, width, height)


def _checked_size(reader: ByteReader, width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        reader.refuse(f"its header states a size of {width} x {height} pixels")
    return width, height


CHECKS: dict[str, Callable[[ByteReader], tuple[int, int]]] = {"PNG": png, "JPEG": jpeg, "WEBP": webp, "GIF": gif}
