"""An MP4 file of JPEG pictures (ISO 14496-12 and -14): Motion JPEG, since nothing here can encode H.264.

ffmpeg, VLC and film tools play it; browsers do not, and show the file's absence of H.264 as they would any other.
"""

import struct
from collections.abc import Mapping, Sequence

_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_MILLISECONDS = 1000
_ENABLED_IN_MOVIE = 3
_JPEG_OBJECT_TYPE = 0x6C
_UTF_8 = 1


def motion_jpeg(pictures: Sequence[bytes], size: tuple[int, int], fps: float, tags: Mapping[str, str]) -> bytes:
    """Whole MP4 file, index first, of JPEG pictures that are all of one size.

    Args:
        pictures: whole JPEG files.
        size: width and height in pixels.
        fps: pictures a second.
        tags: texts that the file carries, by name.
    """
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomiso2mp41")
    carried = _tags(tags) if tags else b""
    length = len(_movie(pictures, size, fps, 0)) + len(carried)
    movie = _movie(pictures, size, fps, len(kind) + length + 8)
    return b"".join([kind, _extended(movie, carried), _box(b"mdat", *pictures)])


def _box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _extended(box: bytes, content: bytes) -> bytes:
    """The same box with something after what it holds."""
    return struct.pack(">I", len(box) + len(content)) + box[4:] + content


def _tags(tags: Mapping[str, str]) -> bytes:
    """Texts by names of their own, where FFmpeg puts them with ``use_metadata_tags``, as ComfyUI asks it to."""
    handler = _full(b"hdlr", 0, struct.pack(">I4s12x", 0, b"mdta"), b"\0")
    names = [struct.pack(">I4s", 8 + len(name.encode()), b"mdta") + name.encode() for name in tags]
    texts = [
        _box(struct.pack(">I", number), _box(b"data", struct.pack(">II", _UTF_8, 0), text.encode()))
        for number, text in enumerate(tags.values(), 1)
    ]
    keys = _full(b"keys", 0, struct.pack(">I", len(names)), *names)
    return _box(b"udta", _full(b"meta", 0, handler, keys, _box(b"ilst", *texts)))


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _movie(pictures: Sequence[bytes], size: tuple[int, int], fps: float, first: int) -> bytes:
    tick = max(1, round(_MILLISECONDS / fps))
    duration = tick * len(pictures)
    header = _full(
        b"mvhd",
        0,
        struct.pack(">IIIIIH10x", 0, 0, _MILLISECONDS, duration, 0x10000, 0x0100),
        _MATRIX,
        struct.pack(">24xI", 2),
    )
    return _box(b"moov", header, _track(pictures, size, tick, first))


def _track(pictures: Sequence[bytes], size: tuple[int, int], tick: int, first: int) -> bytes:
    duration = tick * len(pictures)
    width, height = size
    header = _full(
        b"tkhd",
        _ENABLED_IN_MOVIE,
        struct.pack(">IIIII8xHHHH", 0, 0, 1, 0, duration, 0, 0, 0, 0),
        _MATRIX,
        struct.pack(">II", width << 16, height << 16),
    )
    media = _full(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, _MILLISECONDS, duration, 0x55C4, 0))
    handler = _full(b"hdlr", 0, struct.pack(">I4s12x", 0, b"vide"), b"VideoHandler\0")
    where = _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1)))
    look = _full(b"vmhd", 1, struct.pack(">HHHH", 0, 0, 0, 0))
    table = _samples(pictures, size, tick, first)
    return _box(b"trak", header, _box(b"mdia", media, handler, _box(b"minf", look, where, table)))


def _samples(pictures: Sequence[bytes], size: tuple[int, int], tick: int, first: int) -> bytes:
    count = len(pictures)
    return _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1), _entry(size)),
        _full(b"stts", 0, struct.pack(">III", 1, count, tick)),
        _full(b"stsc", 0, struct.pack(">IIII", 1, 1, count, 1)),
        _full(b"stsz", 0, struct.pack(">II", 0, count), *(struct.pack(">I", len(picture)) for picture in pictures)),
        _full(b"stco", 0, struct.pack(">II", 1, first)),
    )


def _entry(size: tuple[int, int]) -> bytes:
    decoder = struct.pack(">BB3xII", _JPEG_OBJECT_TYPE, 0x11, 0, 0)
    stream = struct.pack(">HB", 1, 0) + struct.pack(">BB", 4, len(decoder)) + decoder + b"\x06\x01\x02"
    return _box(
        b"mp4v",
        struct.pack(">6xH16xHHIIIH32xHh", 1, *size, 0x480000, 0x480000, 0, 1, 24, -1),
        _full(b"esds", 0, struct.pack(">BB", 3, len(stream)), stream),
    )
