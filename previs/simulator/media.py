"""Encode pictures as ComfyUI's output nodes do, with the graph inside the file."""

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
from PIL import Image, ImageFilter, PngImagePlugin

from previs.simulator.scene import Scene

_PNG_COMPRESSION = 4  # ComfyUI's own
_PREVIEW_QUALITY = 95  # ComfyUI's own
_MAKE, _MODEL = 0x010F, 0x0110


def png(picture: Image.Image, texts: Mapping[str, Any]) -> bytes:
    """Return a PNG with texts as JSON in text chunks."""
    chunks = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        chunks.add_text(name, json.dumps(value))
    return _saved(picture, "PNG", pnginfo=chunks, compress_level=_PNG_COMPRESSION)


def tiny_png(scene: Scene, index: int, texts: Mapping[str, Any]) -> bytes:
    """Return a PNG of 4 by 4 pixels whose colours are a hash of the scene; takes microseconds."""
    digest = _digest(scene, index)
    rows = b"".join(b"\0" + digest[start : start + 12] for start in range(0, 48, 12))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))]
    chunks += [(b"tEXt", name.encode("latin-1") + b"\0" + json.dumps(value).encode()) for name, value in texts.items()]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def tiny(scene: Scene, index: int) -> Image.Image:
    """Return the pixels of :func:`tiny_png` as a picture."""
    return Image.frombytes("RGB", (4, 4), _digest(scene, index))


def _digest(scene: Scene, index: int) -> bytes:
    return hashlib.shake_128(f"{scene}/{index}".encode()).digest(48)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def webp(
    pictures: Sequence[Image.Image], fps: float, texts: Mapping[str, Any], *, lossless: bool, quality: int
) -> bytes:
    """Return an animated WEBP with texts in the EXIF fields that ComfyUI uses."""
    exif = pictures[0].getexif()
    for tag, (name, value) in zip(range(_MODEL, _MAKE - 100, -1), texts.items(), strict=False):
        exif[tag] = f"{name}:{json.dumps(value)}"
    return _animated(pictures, "WEBP", fps, exif=exif, lossless=lossless, quality=quality, method=0)


def apng(pictures: Sequence[Image.Image], fps: float, texts: Mapping[str, Any]) -> bytes:
    """Return an animated PNG with texts in chunks of ComfyUI's own type, after the pixels."""
    chunks = PngImagePlugin.PngInfo()
    for name, value in texts.items():
        chunks.add(b"comf", name.encode("latin-1") + b"\0" + json.dumps(value).encode(), after_idat=True)
    return _animated(pictures, "PNG", fps, pnginfo=chunks, compress_level=_PNG_COMPRESSION)


def mp4(pictures: Sequence[Image.Image], fps: float, texts: Mapping[str, Any]) -> bytes:
    """Return an MP4 of H.264 with texts as tags, from the calls of PyAV that ComfyUI makes.

    H.264 in YUV 4:2:0 has even sides only: an odd side loses a pixel here, and libx264 would refuse it.
    """
    file = io.BytesIO()
    with av.open(file, "w", "mp4", options={"movflags": "use_metadata_tags"}) as film:
        film.metadata.update({name: json.dumps(value) for name, value in texts.items()})
        stream = film.add_stream("h264", rate=Fraction(round(fps * 1000), 1000), pix_fmt="yuv420p")
        stream.width, stream.height = (max(2, side // 2 * 2) for side in pictures[0].size)
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]
        film.mux(stream.encode())
    return file.getvalue()


def preview(picture: Image.Image, blur: float) -> bytes:
    """Return the JPEG that a sampler sends between two steps; ``blur`` is the noise left, from 1 to 0."""
    return _saved(picture.filter(ImageFilter.GaussianBlur(blur * picture.width / 24)), "JPEG", quality=_PREVIEW_QUALITY)


def _animated(pictures: Sequence[Image.Image], kind: str, fps: float, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's
    duration, others = max(1, round(1000 / fps)), list(pictures[1:])
    return _saved(pictures[0], kind, save_all=True, append_images=others, duration=duration, loop=0, **options)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own options
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
