"""Walk the parts of PNG, JPEG, GIF, RIFF (WEBP and WAV) and ISO media files (MP4, MOV, AVIF, HEIC).

Each walk yields a part with the reader at its contents, and then continues after them, even if they were not read.
A part that reaches beyond the file raises FrameDamaged.
Sources: the PNG specification (third edition), ITU-T T.81, GIF89a, the RIFF specification, ISO/IEC 14496-12.
"""

import re
import zlib
from collections.abc import Iterator

from previs.pictures.byte_reader import STEP, ByteReader

JPEG_APP1, JPEG_SCAN, JPEG_END = 0xE1, 0xDA, 0xD9
GIF_IMAGE, GIF_EXTENSION, _GIF_END = 0x2C, 0x21, 0x3B
_JPEG_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd8]", re.DOTALL)


def png_chunks(reader: ByteReader) -> Iterator[tuple[bytes, int]]:
    """Yield the type and length of each chunk, up to and including IEND."""
    reader.skip(8)
    kind = b""
    while kind != b"IEND":
        length, kind = reader.number(4), reader.take(4)
        if length + 4 > reader.left:
            raise reader.cut_short()
        end = reader.at + length + 4
        yield kind, length
        reader.skip(end - reader.at)


def png_content(reader: ByteReader, kind: bytes, length: int, *, keep: int) -> bytes:
    """Read a chunk that ``png_chunks`` yielded; check its checksum and return its first ``keep`` bytes."""
    content, checksum = bytearray(), zlib.crc32(kind)
    while length:
        step = reader.take(min(length, STEP))
        content += step[: keep - len(content)]
        checksum = zlib.crc32(step, checksum)
        length -= len(step)
    if reader.number(4) != checksum:
        reader.refuse(f"the checksum of its {kind.decode('latin-1')!r} chunk before byte {reader.at} does not match")
    return bytes(content)


def jpeg_segments(reader: ByteReader) -> Iterator[tuple[int, int]]:
    """Yield the marker and length of each segment, up to the end-of-image marker; pass over the data of scans."""
    reader.skip(2)
    while (marker := reader.seek_pattern(_JPEG_MARKER)[1]) != JPEG_END:
        length = max(reader.number(2) - 2, 0)
        end = reader.at + length
        yield marker, length
        reader.skip(end - reader.at)


def gif_blocks(reader: ByteReader) -> Iterator[tuple[int, bytes]]:
    """Yield the kind of each block, up to the trailer, and the first bytes of its data, an extension's label first.

    The reader must be after the size that the header states.
    """
    _skip_colours(reader, reader.take(3)[0])
    while (block := reader.number(1)) != _GIF_END:
        label = b""
        if block == GIF_IMAGE:
            _skip_colours(reader, reader.take(9)[8])
            reader.skip(1)
        elif block == GIF_EXTENSION:
            label = reader.take(1)
        else:
            reader.refuse(f"it is a GIF with an unknown kind of block at byte {reader.at - 1}")
        yield block, label + reader.peek(5)
        while length := reader.number(1):
            reader.skip(length)


def _skip_colours(reader: ByteReader, flags: int) -> None:
    if flags & 0x80:
        reader.skip(3 * 2 ** ((flags & 7) + 1))


def riff_chunks(reader: ByteReader, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the type and length of each chunk up to byte ``end``; the reader must be after the file's header."""
    while reader.at + 8 <= end:
        kind, length = reader.take(4), reader.number(4, little=True)
        stop = reader.at + length
        yield kind, length
        reader.skip(stop - reader.at)
        reader.skip(min(length % 2, reader.left))


def boxes(reader: ByteReader, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the type of each ISO media box up to byte ``end``, and the byte where it ends. No box may pass ``end``."""
    while reader.at < end:
        start = reader.at
        length, kind = reader.number(4), reader.take(4)
        if length == 1:
            length = reader.number(8)
        stop = start + length if length else end
        if stop > reader.size:
            raise reader.cut_short()
        if stop < reader.at or stop > end or kind == bytes(4):
            reader.refuse(f"the box at byte {start} does not fit into its container")
        yield kind, stop
        reader.skip(stop - reader.at)
