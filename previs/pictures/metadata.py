"""Read the texts that pictures, films and sounds carry as metadata.

ComfyUI writes them (``comfy_api/latest/_ui.py``, ``video_types.py``, ``comfy_extras/nodes_video.py``) into PNG as
``tEXt`` chunks, into animated PNG as ``comf`` chunks after the pixels, into WEBP as EXIF fields ``prompt:{…}`` from
``Model`` and ``Make`` downwards, and into films and sounds as tags of the container.
"""

import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from PIL import ExifTags, Image

from previs.errors import FrameDamaged
from previs.pictures import containers
from previs.pictures.byte_reader import ByteReader
from previs.pictures.pillow import BROKEN

_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt", b"comf"})
_LONGEST_NAME = 80
_MOST_PARTS = 100_000  # of one file, or of one box in it
# Pillow warns of EXIF that is cut short, and warnings may be set to raise.
_BROKEN_EXIF = (*BROKEN, UserWarning)
_DEMUXERS = {"WEBM": "matroska", "FLAC": "flac", "MP3": "mp3", "OGG": "ogg"}
# The boxes to look into for a film's tags, by the box that contains them.
_OPENED = {b"": (b"moov",), b"moov": (b"udta", b"meta"), b"udta": (b"meta",)}
_COMMENT = b"\xa9cmt"
# Enough for FFmpeg to find the streams; pictures and sound are not needed.
_PROBE = {"probesize": "1000000", "analyzeduration": "1"}
RECORDINGS = frozenset(_DEMUXERS)


def png_texts(reader: ByteReader, names: frozenset[str], longest: int) -> Iterator[tuple[str, str]]:
    """Yield the text chunks of a PNG with these names (in lower case), before or after its pixels.

    At most ``longest`` bytes of a text are decompressed.

    Raises:
        FrameDamaged: The file is cut short, or a text's checksum does not match. Texts yielded before are complete.
    """
    for kind, length in islice(containers.png_chunks(reader), _MOST_PARTS):
        if kind in _TEXT_CHUNKS:
            content = containers.png_content(reader, kind, length, keep=length)
            name = content[:_LONGEST_NAME].partition(b"\0")[0]
            if (lower := name.decode("latin-1").lower()) in names:
                yield lower, _text(_decompressed(reader, kind, content[len(name) + 1 :], longest))


def _decompressed(reader: ByteReader, kind: bytes, content: bytes, longest: int) -> bytes:
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = content[:1] == b"\1"
        *_, content = content[2:].split(b"\0", 2)
    elif compressed:
        content = content[1:]
    if not compressed:
        return content
    try:
        return zlib.decompressobj().decompress(content, longest + 1)
    except zlib.error:
        reader.refuse(f"its compressed text before byte {reader.at} cannot be decompressed")


def _text(content: bytes) -> str:
    """Decode UTF-8 or Latin-1: the PNG specification says Latin-1, ComfyUI writes ASCII, other tools write UTF-8."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def exif_texts(reader: ByteReader, kind: str) -> Iterator[tuple[str, str]]:
    """Yield the fields ``name:text`` of a JPEG's or WEBP's EXIF, names in lower case.

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
    for marker, length in islice(containers.jpeg_segments(reader), _MOST_PARTS):
        if marker == containers.JPEG_SCAN:
            break
        if marker == containers.JPEG_APP1 and (content := reader.take(length)).startswith(b"Exif\0\0"):
            return content
    return b""


def _webp_exif(reader: ByteReader) -> bytes:
    reader.skip(12)
    for kind, length in islice(containers.riff_chunks(reader, reader.size), _MOST_PARTS):
        if kind == b"EXIF" and length <= reader.left:
            return reader.take(length)
    return b""


def film_texts(reader: ByteReader) -> Iterator[tuple[str, str]]:
    """Yield the tags of an MP4 or MOV, names in lower case: those that name themselves, and the comment.

    FFmpeg is not used: it reads the whole index first, and a damaged index can cost seconds and gigabytes.
    """
    return _box_texts(reader, reader.size, b"")


def _box_texts(reader: ByteReader, end: int, inside: bytes) -> Iterator[tuple[str, str]]:
    names: list[str] = []
    for kind, stop in _intact_boxes(reader, end):
        if kind in _OPENED.get(inside, ()):
            # In MOV the boxes of "meta" begin at once, in MP4 after version and flags.
            if kind == b"meta" and reader.peek(8)[4:] != b"hdlr":
                reader.skip(min(4, stop - reader.at))
            yield from _box_texts(reader, stop, kind)
        elif inside == b"meta" and kind == b"keys":
            reader.skip(min(8, stop - reader.at))
            names = [_box_text(reader, end).lower() for _, end in _intact_boxes(reader, stop)]
        elif inside == b"meta" and kind == b"ilst":
            yield from _tags(reader, stop, names)


def _intact_boxes(reader: ByteReader, end: int) -> Iterator[tuple[bytes, int]]:
    """Yield the boxes before the first damaged one."""
    with suppress(FrameDamaged):
        yield from islice(containers.boxes(reader, end), _MOST_PARTS)


def _tags(reader: ByteReader, end: int, names: list[str]) -> Iterator[tuple[str, str]]:
    for key, stop in _intact_boxes(reader, end):
        number = int.from_bytes(key) - 1
        name = "comment" if key == _COMMENT else names[number] if 0 <= number < len(names) else ""
        if name:
            for kind, text_end in _intact_boxes(reader, stop):
                if kind == b"data":
                    yield name, _box_text(reader, text_end, start=8)


def _box_text(reader: ByteReader, end: int, start: int = 0) -> str:
    return reader.take(end - reader.at)[start:].decode(errors="replace")


def recording_texts(content: bytes, kind: str, name: str) -> list[tuple[str, str]]:
    """Return the tags of a film or sound and of its streams, names in lower case (Matroska writes upper case).

    Raises:
        FrameDamaged: FFmpeg cannot read the file.
    """
    import av  # noqa: PLC0415 - FFmpeg takes longer to import than pictures to read

    file = io.BytesIO(content)
    try:
        with av.open(file, format=_DEMUXERS[kind], options=_PROBE, metadata_errors="replace") as container:
            tags = [container.metadata, *(stream.metadata for stream in container.streams)]
    except av.FFmpegError as error:
        raise FrameDamaged(name, f"it cannot be read: {error.strerror}") from error
    return [(key.lower(), text) for each in tags for key, text in each.items()]
