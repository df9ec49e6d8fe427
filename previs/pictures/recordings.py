"""Check that video or sound is complete, and return its media type: MP4, MOV, WEBM, MKV, WAV, FLAC, MP3, OGG.

Sources: as in ``containers``, RFC 9559 (Matroska), RFC 9639 (FLAC), ID3v2.4, RFC 3533 (OGG).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from previs.pictures.byte_reader import ByteReader
from previs.pictures.containers import boxes, riff_chunks
from previs.pictures.signatures import PICTURE_BRANDS

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_LONGEST_DOCTYPE = 64
_OPENED = {b"": b"moov", b"moov": b"trak"}  # the box to look into, by the box that contains it
_STREAMED = 0xFFFFFFFF
_OGG_LAST = 4
_FLAC_SYNC = 0xFFF8 >> 1


@dataclass
class _Film:
    """Collect the facts that the boxes of an MP4 state."""

    brand: bytes = b""
    kinds: set[bytes] = field(default_factory=set)
    size: tuple[int, int] | None = None


def mp4(reader: ByteReader) -> tuple[str, tuple[int, int] | None]:
    """Check every box, to the end of the file; return the media type and the size of the first track that has one."""
    film = _Film()
    _read_boxes(reader, reader.size, film, b"")
    picture = PICTURE_BRANDS.get(film.brand)
    for needed in (b"meta" if picture else b"moov", b"mdat"):
        if needed not in film.kinds:
            reader.refuse(f"it lacks its {needed.decode()!r} box: the program that wrote it did not finish")
    if picture:
        return f"image/{picture.lower()}", None
    if film.size is None:
        return "audio/mp4", None
    return ("video/quicktime" if film.brand in (b"qt  ", b"") else "video/mp4"), film.size


def _read_boxes(reader: ByteReader, end: int, film: _Film, inside: bytes) -> None:
    for kind, stop in boxes(reader, end):
        film.kinds |= {kind} & {b"meta", b"moov", b"mdat"}
        if kind == b"ftyp" and not film.brand:
            film.brand = reader.take(4)
        elif kind == b"tkhd":
            film.size = film.size or _track_size(reader, stop)
        elif kind == _OPENED.get(inside):
            _read_boxes(reader, stop, film, kind)


def _track_size(reader: ByteReader, stop: int) -> tuple[int, int] | None:
    """Return the last two fields of a track header, in 16.16 fixed point; None for sound, which has zeros there."""
    reader.skip(max(stop - reader.at - 8, 0))
    width, height = reader.number(4) >> 16, reader.number(4) >> 16
    return (width, height) if width and height else None


def webm(reader: ByteReader) -> str:
    """Check the header and every element of the segment, to the segment's stated end or else the file's."""
    _element_id(reader)
    header = _element_size(reader) or 0
    start = reader.take(min(header, _LONGEST_DOCTYPE))
    reader.skip(header - len(start))
    while _element_id(reader) != _SEGMENT:
        reader.skip(_element_size(reader) or 0)
    length = _element_size(reader)
    end = reader.size if length is None else reader.at + length
    if end > reader.size:
        raise reader.cut_short()
    if not _clusters(reader, end):
        reader.refuse("it has neither pictures nor sound")
    return "video/webm" if b"webm" in start else "video/x-matroska"


def _clusters(reader: ByteReader, end: int) -> int:
    """Return the number of clusters; a cluster of unknown length is entered, so its elements are checked in turn."""
    found = 0
    while reader.at < end:
        found += _element_id(reader) == _CLUSTER
        reader.skip(_element_size(reader) or 0)
        if reader.at > end:
            reader.refuse(f"the element before byte {reader.at} does not fit into its container")
    return found


def _element_id(reader: ByteReader) -> int:
    return _element_number(reader, longest=4)[0]


def _element_size(reader: ByteReader) -> int | None:
    """Return the length of an element's contents; None if all bits are set, which means unknown."""
    value, length = _element_number(reader, longest=8)
    value &= (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value


def _element_number(reader: ByteReader, *, longest: int) -> tuple[int, int]:
    """Return a variable-length number with its length marker still in it, and its length in bytes."""
    first = reader.number(1)
    length = 9 - first.bit_length()
    if length > longest:
        reader.refuse(f"no element starts at byte {reader.at - 1}")
    return (first << 8 * (length - 1)) | reader.number(length - 1), length


def wav(reader: ByteReader) -> str:
    """Check every chunk, up to the length that the header states; in a stream the sound lasts to the file's end."""
    reader.skip(4)
    length = reader.number(4, little=True)
    reader.skip(4)
    end = reader.size if length in (0, _STREAMED) else length + 8
    if end > reader.size:
        raise reader.cut_short()
    for kind, size in riff_chunks(reader, end):
        if kind == b"data":
            reader.skip(end - reader.at if size in (0, _STREAMED) else size)
            break
    else:
        reader.refuse("it is a WAV without sound")
    return "audio/wav"


def flac(reader: ByteReader) -> str:
    """Check every metadata block, and that sound follows."""
    reader.skip(4)
    last = 0
    while not last:
        last = reader.number(1) & 0x80
        reader.skip(reader.number(3))
    if reader.number(2) >> 1 != _FLAC_SYNC:
        reader.refuse("there is no sound after its metadata")
    return "audio/flac"


def mp3(reader: ByteReader) -> str:
    """Check the ID3 tag, if there is one, and that data follows it."""
    start = reader.take(10)
    if start[:3] == b"ID3":
        reader.skip(sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(start[6:10])))
        if not reader.left:
            raise reader.cut_short()
    return "audio/mpeg"


def ogg(reader: ByteReader) -> str:
    """Check every page, to the end of the file; the last page must be marked as the last of its stream."""
    flags = 0
    while reader.left:
        if reader.take(4) != b"OggS":
            reader.refuse(f"no page starts at byte {reader.at - 4}")
        reader.skip(1)
        flags = reader.number(1)
        reader.skip(20)
        reader.skip(sum(reader.take(reader.number(1))))
    if not flags & _OGG_LAST:
        raise reader.cut_short()
    return "audio/ogg"


CHECKS: dict[str, Callable[[ByteReader], str]] = {"WEBM": webm, "WAV": wav, "FLAC": flac, "MP3": mp3, "OGG": ogg}
