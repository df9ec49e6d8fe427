"""Read how long an animated WEBP, GIF or PNG plays, without decoding it.

Sources: as in ``containers``; RFC 9649 for WEBP.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

from previs.pictures.byte_reader import ByteReader
from previs.pictures.containers import GIF_IMAGE, gif_blocks, png_chunks, riff_chunks

_GIF_CONTROL = 0xF9
_PNG_DENOMINATOR = 100  # if a frame states 0
_SECOND = 1000  # milliseconds


def length(path: Path, media_type: str) -> tuple[int, Fraction]:
    """Return the number of frames of an animation and their time in seconds; 0 twice for stills and other formats.

    Raises:
        FrameDamaged: The file is cut short or damaged.
    """
    frames, time = 0, Fraction(0)
    if read := _READERS.get(media_type):
        with path.open("rb") as file:
            for shown in read(ByteReader(file, path.name)):
                frames, time = frames + 1, time + shown
    return frames, time


def _webp(reader: ByteReader) -> Iterator[Fraction]:
    reader.skip(12)
    for kind, length in riff_chunks(reader, reader.size):
        if kind == b"ANMF":
            yield Fraction(int.from_bytes(reader.take(min(length, 15))[12:15], "little"), _SECOND)


def _gif(reader: ByteReader) -> Iterator[Fraction]:
    reader.skip(10)
    time = Fraction(0)
    for block, start in gif_blocks(reader):
        if block == GIF_IMAGE:
            yield time
            time = Fraction(0)
        elif start[0] == _GIF_CONTROL:
            time = Fraction(int.from_bytes(start[3:5], "little"), 100)


def _png(reader: ByteReader) -> Iterator[Fraction]:
    animated = False
    for kind, length in png_chunks(reader):
        animated |= kind == b"acTL"
        if kind == b"IDAT" and not animated:
            return
        if kind == b"fcTL":
            content = reader.take(min(length, 24))
            shown, parts = int.from_bytes(content[20:22]), int.from_bytes(content[22:24])
            yield Fraction(shown, parts or _PNG_DENOMINATOR)


_READERS: dict[str, Callable[[ByteReader], Iterator[Fraction]]] = {
    "image/webp": _webp,
    "image/gif": _gif,
    "image/png": _png,
}
