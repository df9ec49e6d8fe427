"""Walks through PNG, JPEG, WEBP and GIF from the first byte to the last that counts.

Each gives width and height in pixels. What follows a picture's own end is not looked at: viewers do not either.
Sources: the PNG specification (third edition), ITU-T T.81, the WebP container specification (RFC 9649), GIF89a.
"""

import re
import struct
import zlib

from previs.pictures.byte_reader import STEP, ByteReader

_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]", re.DOTALL)
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_WEBP_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")
_GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B


def png(reader: ByteReader) -> tuple[int, int]:
    """Every chunk with its checksum, up to IEND."""
    reader.skip(8)
    width = height = pixels = 0
    kind = b""
    while kind != b"IEND":
        is_first = not kind
        length = reader.number(4)
        kind = reader.take(4)
        start = _check_chunk(reader, kind, length)
        if is_first != (kind == b"IHDR"):
            reader.refuse("it is a PNG whose header is not at its beginning alone")
        if kind == b"IHDR":
            width, height = struct.unpack(">II", start[:8].ljust(8, b"\0"))
        pixels += length if kind == b"IDAT" else 0
    if not pixels:
        reader.refuse("it is a PNG without pixels")
    return _sized(reader, width, height)


def _check_chunk(reader: ByteReader, kind: bytes, length: int) -> bytes:
    """Compare a chunk's checksum; gives the first bytes of its contents."""
    if length + 4 > reader.left:
        raise reader.cut_short()
    checksum = zlib.crc32(kind)
    start = b""
    while length:
        step = reader.take(min(length, STEP))
        start = start or step
        checksum = zlib.crc32(step, checksum)
        length -= len(step)
    if reader.number(4) != checksum:
        reader.refuse(f"the checksum of its {kind.decode('latin-1')!r} chunk before byte {reader.at} does not fit")
    return start


def jpeg(reader: ByteReader) -> tuple[int, int]:
    """Every segment and scan, up to the end-of-image marker."""
    reader.skip(2)
    width = height = scans = 0
    while (marker := reader.seek_pattern(_JPEG_MARKER)[1]) != _JPEG_END:
        length = reader.number(2)
        if marker in _JPEG_SIZES:
            _, height, width = reader.number(1), reader.number(2), reader.number(2)
            length -= 5
        scans += marker == _JPEG_SCAN
        reader.skip(max(length - 2, 0))
    if not scans:
        reader.refuse("it is a JPEG without pixels")
    return _sized(reader, width, height)


def webp(reader: ByteReader) -> tuple[int, int]:
    """Every chunk, up to the length that the header gives."""
    reader.skip(4)
    end = reader.number(4, little=True) + 8
    reader.skip(4)
    size, pictures = None, 0
    if end > reader.size:
        raise reader.cut_short()
    while reader.at + 8 <= end:
        kind = reader.take(4)
        length = reader.number(4, little=True)
        if reader.at + length > end or kind == bytes(4):
            reader.refuse(f"a chunk at byte {reader.at - 8} does not fit into what holds it")
        start = reader.take(min(length, 10))
        size = size or _webp_size(kind, start.ljust(10, b"\0"))
        pictures += kind in _WEBP_PICTURES
        reader.skip(length - len(start))
        reader.skip(min(length % 2, reader.left))
    if size is None or not pictures:
        reader.refuse("it is a WEBP without pixels")
    return _sized(reader, *size)


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
    """Every block, up to the trailer."""
    reader.skip(6)
    width, height = reader.number(2, little=True), reader.number(2, little=True)
    _skip_colours(reader, reader.take(3)[0])
    images = 0
    while (block := reader.number(1)) != _GIF_END:
        if block == _GIF_IMAGE:
            images += 1
            _skip_colours(reader, reader.take(9)[8])
            reader.skip(1)
        elif block == _GIF_EXTENSION:
            reader.skip(1)
        else:
            reader.refuse(f"it is a GIF with a block of no known kind at byte {reader.at - 1}")
        while length := reader.number(1):
            reader.skip(length)
    if not images:
        reader.refuse("it is a GIF without pixels")
    return _sized(reader, width, height)


def bmp_length(reader: ByteReader) -> int:
    """The file's length by its own header, in bytes."""
    reader.skip(2)
    return reader.number(4, little=True)


def _skip_colours(reader: ByteReader, flags: int) -> None:
    if flags & 0x80:
        reader.skip(3 * 2 ** ((flags & 7) + 1))


def _sized(reader: ByteReader, width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        reader.refuse(f"it claims to be {width} x {height} pixels large")
    return width, height
