"""Walks through video and sound: MP4 and MOV, WEBM and MKV, WAV, FLAC, MP3, OGG.

Sources: ISO/IEC 14496-12, RFC 9559 (Matroska), the RIFF specification, RFC 9639 (FLAC), ID3v2.4, RFC 3533 (OGG).
"""

from dataclasses import dataclass, field

from previs.pictures.byte_reader import ByteReader

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_LONGEST_DOCTYPE = 64
_OPENED = {b"": b"moov", b"moov": b"trak"}  # which box is looked into, by what it stands in
_STREAMED = 0xFFFFFFFF
_OGG_LAST = 4
_FLAC_SYNC = 0xFFF8 >> 1
# By the brand in their first box: media types of pictures that are kept in boxes as films are.
_PICTURES = {
    **dict.fromkeys((b"avif", b"avis"), "image/avif"),
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"mif1", b"msf1"), "image/heic"),
}


@dataclass
class _Film:
    """What a walk through an MP4's boxes met."""

    brand: bytes = b""
    kinds: set[bytes] = field(default_factory=set)
    size: tuple[int, int] | None = None


def mp4(reader: ByteReader) -> tuple[str, tuple[int, int] | None]:
    """Every box, to the end of the file; gives the media type, and the size of the first track that has one."""
    film = _Film()
    _boxes(reader, reader.size, film, b"")
    picture = _PICTURES.get(film.brand)
    for needed in (b"meta" if picture else b"moov", b"mdat"):
        if needed not in film.kinds:
            reader.refuse(f"it lacks its {needed.decode()!r} box: its writing did not come to an end")
    if picture:
        return picture, None
    if film.size is None:
        return "audio/mp4", None
    return ("video/quicktime" if film.brand in (b"qt  ", b"") else "video/mp4"), film.size


def _boxes(reader: ByteReader, end: int, film: _Film, inside: bytes) -> None:
    while reader.at < end:
        start = reader.at
        length, kind = reader.number(4), reader.take(4)
        if length == 1:
            length = reader.number(8)
        stop = start + length if length else end
        if stop > reader.size:
            raise reader.cut_short()
        if stop < reader.at or stop > end or kind == bytes(4):
            reader.refuse(f"a box at byte {start} does not fit into what holds it")
        film.kinds |= {kind} & {b"meta", b"moov", b"mdat"}
        if kind == b"ftyp" and not film.brand:
            film.brand = reader.take(4)
        elif kind == b"tkhd":
            film.size = film.size or _track_size(reader, stop)
        elif kind == _OPENED.get(inside):
            _boxes(reader, stop, film, kind)
        reader.skip(stop - reader.at)


def _track_size(reader: ByteReader, stop: int) -> tuple[int, int] | None:
    """The last two fields of a track header, in 16.16 fixed point; sound has zeros there."""
    reader.skip(max(stop - reader.at - 8, 0))
    width, height = reader.number(4) >> 16, reader.number(4) >> 16
    return (width, height) if width and height else None


def webm(reader: ByteReader) -> str:
    """The header and every part of the segment, to the end that it gives, or else the file's; gives the media type."""
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
        reader.refuse("it holds neither pictures nor sound")
    return "video/webm" if b"webm" in start else "video/x-matroska"


def _clusters(reader: ByteReader, end: int) -> int:
    """How many of the parts hold pictures or sound; of one whose length is not known each part is looked at."""
    found = 0
    while reader.at < end:
        found += _element_id(reader) == _CLUSTER
        reader.skip(_element_size(reader) or 0)
        if reader.at > end:
            reader.refuse(f"a part before byte {reader.at} does not fit into what holds it")
    return found


def _element_id(reader: ByteReader) -> int:
    return _element_number(reader, longest=4)[0]


def _element_size(reader: ByteReader) -> int | None:
    """Of an element's contents; none where all bits are set, which means unknown."""
    value, length = _element_number(reader, longest=8)
    value &= (1 << 7 * length) - 1
    return None if value == (1 << 7 * length) - 1 else value


def _element_number(reader: ByteReader, *, longest: int) -> tuple[int, int]:
    """A number with the marker of its length still in it, and that length in bytes."""
    first = reader.number(1)
    length = 9 - first.bit_length()
    if length > longest:
        reader.refuse(f"no element starts at byte {reader.at - 1}")
    return (first << 8 * (length - 1)) | reader.number(length - 1), length


def wav(reader: ByteReader) -> str:
    """Every chunk, up to the length that the header gives; where it was written as a stream, that sound follows."""
    reader.skip(4)
    length = reader.number(4, little=True)
    reader.skip(4)
    end = reader.size if length in (0, _STREAMED) else length + 8
    if end > reader.size:
        raise reader.cut_short()
    kind = b""
    while kind != b"data" and reader.at + 8 <= end:
        kind, size = reader.take(4), reader.number(4, little=True)
        if kind == b"data" and size in (0, _STREAMED):
            size = end - reader.at
        reader.skip(size + (size % 2 if kind != b"data" else 0))
    if kind != b"data":
        reader.refuse("it is a WAV without sound")
    return "audio/wav"


def flac(reader: ByteReader) -> str:
    """Every metadata block, and that sound follows."""
    reader.skip(4)
    last = 0
    while not last:
        last = reader.number(1) & 0x80
        reader.skip(reader.number(3))
    if reader.number(2) >> 1 != _FLAC_SYNC:
        reader.refuse("no sound follows its metadata")
    return "audio/flac"


def mp3(reader: ByteReader) -> str:
    """The tag, where there is one, and that something follows it."""
    start = reader.take(10)
    if start[:3] == b"ID3":
        reader.skip(sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(start[6:10])))
        if not reader.left:
            raise reader.cut_short()
    return "audio/mpeg"


def ogg(reader: ByteReader) -> str:
    """Every page, to the end of the file; the last one must say that it is the last of its stream."""
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


def glb_length(reader: ByteReader) -> int:
    """The file's length by its own header, in bytes."""
    reader.skip(8)
    return reader.number(4, little=True)
