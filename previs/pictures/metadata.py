"""Texts that pictures, films and sounds carry beside what is seen and heard.

ComfyUI writes them so (``comfy_api/latest/_ui.py``, ``video_types.py``, ``comfy_extras/nodes_video.py``): into PNG as
``tEXt`` chunks, into animated PNG as ``comf`` chunks after the pixels, into WEBP as EXIF fields ``prompt:{…}`` from
``Model`` and ``Make`` downwards, into films and sounds as tags of the container.
"""

import io
import zlib
from collections.abc import Iterator

import av
from PIL import ExifTags, Image

from previs.errors import FrameDamaged
from previs.pictures.byte_reader import ByteReader
from previs.pictures.pillow import BROKEN

_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"comf"})
_LONGEST_NAME = 80
_MARKER, _APP1, _SCAN, _END = 0xFF, 0xE1, 0xDA, 0xD9
# Of one file, or of one box in it.
_MOST_PARTS = 100_000
# Pillow warns of EXIF that is cut short, which raises where warnings are errors.
_BROKEN_EXIF = (*BROKEN, UserWarning)
_DEMUXERS = {"WEBM": "matroska", "FLAC": "flac", "MP3": "mp3", "OGG": "ogg"}
# The way to a film's tags, by what each box stands in.
_OPENED = {b"": (b"moov",), b"moov": (b"udta", b"meta"), b"udta": (b"meta",)}
_COMMENT = b"\xa9cmt"
# Enough for FFmpeg to find the streams; pictures and sound are not asked for.
_SHORT_LOOK = {"probesize": "1000000", "analyzeduration": "1"}
RECORDINGS = frozenset(_DEMUXERS)


def png_texts(reader: ByteReader, names: frozenset[str], longest: int) -> Iterator[tuple[str, str]]:
    """Text chunks of a PNG, wherever they stand; others than those named are passed over.

    Args:
        reader: the file.
        names: in lower case.
        longest: bytes of a text; a compressed one is not unpacked further.

    Raises:
        FrameDamaged: The file is cut short, or a text's checksum does not fit. What was given before is whole.
    """
    reader.skip(8)
    for _ in range(_MOST_PARTS):
        length, kind = reader.number(4), reader.take(4)
        if kind == b"IEND":
            break
        if kind not in _TEXT_CHUNKS:
            reader.skip(length + 4)
            continue
        if length + 4 > reader.left:
            raise reader.cut_short()
        content = reader.take(length)
        if reader.number(4) != zlib.crc32(kind + content):
            reader.refuse(f"the checksum of its text before byte {reader.at} does not fit")
        name = content[:_LONGEST_NAME].partition(b"\0")[0]
        if (wanted := name.decode("latin-1").lower()) in names:
            yield wanted, _text(_unpacked(reader, kind, content[len(name) + 1 :], longest))


def _unpacked(reader: ByteReader, kind: bytes, content: bytes, longest: int) -> bytes:
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = content[:1] == b"\1"
        *_, content = content[2:].split(b"\0", 2)
    elif packed:
        content = content[1:]
    if not packed:
        return content
    try:
        return zlib.decompressobj().decompress(content, longest + 1)
    except zlib.error:
        reader.refuse(f"its compressed text before byte {reader.at} cannot be unpacked")


def _text(content: bytes) -> str:
    """Latin-1 by the specification of PNG; ComfyUI writes ASCII, and other tools UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def exif_texts(reader: ByteReader, kind: str) -> Iterator[tuple[str, str]]:
    """Fields ``name:text`` of a JPEG's or WEBP's EXIF, names in lower case.

    Raises:
        FrameDamaged: The file is cut short, or its EXIF cannot be read.
    """
    exif = Image.Exif()
    try:
        exif.load(_jpeg_exif(reader) if kind == "JPEG" else _webp_exif(reader))
        fields = [*exif.values(), *exif.get_ifd(ExifTags.IFD.Exif).values()]
    except _BROKEN_EXIF:
        reader.refuse("its EXIF cannot be read")
    for field in fields:
        name, colon, text = field.partition(":") if isinstance(field, str) else ("", "", "")
        if colon:
            yield name.strip().lower(), _text(text.encode("latin-1", errors="replace"))


def _jpeg_exif(reader: ByteReader) -> bytes:
    reader.skip(2)
    for _ in range(_MOST_PARTS):
        marker = reader.take(2)
        if marker[0] != _MARKER or marker[1] in (_SCAN, _END) or (length := reader.number(2) - 2) < 0:
            break
        if marker[1] == _APP1 and (content := reader.take(length)).startswith(b"Exif\0\0"):
            return content
        if marker[1] != _APP1:
            reader.skip(length)
    return b""


def _webp_exif(reader: ByteReader) -> bytes:
    reader.skip(12)
    for _ in range(_MOST_PARTS):
        if reader.left < 8:  # noqa: PLR2004 - a chunk's kind and length
            break
        kind, length = reader.take(4), reader.number(4, little=True)
        if kind == b"EXIF" and length <= reader.left:
            return reader.take(length)
        reader.skip(length)
        reader.skip(min(length % 2, reader.left))
    return b""


def film_texts(content: memoryview, inside: bytes = b"") -> Iterator[tuple[str, str]]:
    """Tags of an MP4 or MOV, names in lower case: those with names of their own, and the comment.

    FFmpeg is not asked: it reads the whole index first, and a damaged one can cost it seconds and gigabytes.

    Args:
        content: of the file, or of a box in it; what does not fit into it ends the walk.
        inside: which box.
    """
    names: list[str] = []
    for kind, held in _boxes(content):
        if kind in _OPENED.get(inside, ()):
            # In MOV the boxes follow at once, in MP4 after version and flags.
            versioned = kind == b"meta" and bytes(held[4:8]) != b"hdlr"
            yield from film_texts(held[4:] if versioned else held, kind)
        elif inside == b"meta" and kind == b"keys":
            names = [bytes(name).decode(errors="replace").lower() for _, name in _boxes(held[8:])]
        elif inside == b"meta" and kind == b"ilst":
            yield from _tags(held, names)


def _boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    for _ in range(_MOST_PARTS):
        head, length = 8, int.from_bytes(content[:4])
        if length == 1:
            head, length = 16, int.from_bytes(content[8:16])
        length = length or len(content)
        if not head <= length <= len(content):
            return
        yield bytes(content[4:8]), content[head:length]
        content = content[length:]


def _tags(content: memoryview, names: list[str]) -> Iterator[tuple[str, str]]:
    for key, held in _boxes(content):
        number = int.from_bytes(key) - 1
        name = "comment" if key == _COMMENT else names[number] if 0 <= number < len(names) else ""
        if name:
            yield from (
                (name, bytes(text[8:]).decode(errors="replace")) for kind, text in _boxes(held) if kind == b"data"
            )


def recording_texts(content: bytes, kind: str, name: str) -> list[tuple[str, str]]:
    """Tags of a film or sound and of its streams, names in lower case (Matroska writes them in capitals).

    Raises:
        FrameDamaged: FFmpeg cannot read it.
    """
    file = io.BytesIO(content)
    try:
        with av.open(file, format=_DEMUXERS[kind], options=_SHORT_LOOK, metadata_errors="replace") as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
    except av.FFmpegError as error:
        raise FrameDamaged(name, f"it cannot be read: {error.strerror}") from error
    return [(key.lower(), text) for each in tags for key, text in each.items()]
