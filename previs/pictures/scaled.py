"""Make a small JPEG of a picture, or of the first frame of video, for pages that are printed."""

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from PIL import Image

from previs.errors import FrameDamaged, NotAPicture
from previs.pictures.media import Media, examine
from previs.pictures.pillow import BROKEN, FORMATS, MOST_PIXELS
from previs.pictures.playback import MOST_PACKETS, READERS, is_film
from previs.pictures.thumbnails import small

TOO_LARGE: Final = f"it has more than {MOST_PIXELS // 1_000_000} million pixels"
_QUALITY: Final = 82


def scaled_file(source: Path, target: Path, *, box: tuple[int, int], uri: str) -> tuple[int, int]:
    """Write a picture as an RGB JPEG that fits into a box, and return its width and height in pixels.

    It is turned upright by its EXIF orientation, never enlarged, and on white where it is transparent. Of an animation
    or video, it is the first frame.

    Args:
        source: File to read.
        target: File to write.
        box: Largest width and height in pixels.
        uri: Name of the picture in errors.

    Raises:
        NotAPicture: The file has no picture, is damaged, or is too large to decode.
    """
    try:
        media = examine(source, name=source.name + ".bin")
    except FrameDamaged as error:
        raise NotAPicture(uri, error.reason) from error
    with _opened(source, media, uri) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise NotAPicture(uri, TOO_LARGE)
        try:
            made = _on_white(small(picture, box))
            made.save(target, "JPEG", quality=_QUALITY, optimize=True)
        except BROKEN:
            # Pillow's own messages may quote the file.
            raise NotAPicture(uri, "it cannot be decoded: it is damaged") from None
    return made.size


@contextlib.contextmanager
def _opened(source: Path, media: Media, uri: str) -> Iterator[Image.Image]:
    if is_film(media):
        yield _first_frame(source, media, uri)
        return
    try:
        opened = Image.open(source, formats=FORMATS)
    except BROKEN:
        raise NotAPicture(uri, f"it is no picture that can be decoded: {media.media_type}") from None
    with opened:
        yield opened


def _first_frame(source: Path, media: Media, uri: str) -> Image.Image:
    import av  # noqa: PLC0415 - FFmpeg takes long to load, and pictures do not need it

    with (
        contextlib.suppress(av.FFmpegError, ValueError),
        av.open(str(source), format=READERS[media.media_type], metadata_errors="replace") as container,
    ):
        # The video stream of a sound is its cover.
        videos = () if media.media_type.startswith("audio/") else container.streams.video[:1]
        for packet in (each for video in videos for each in islice(container.demux(video), MOST_PACKETS)):
            for frame in packet.decode():
                if frame.width * frame.height > MOST_PIXELS:
                    raise NotAPicture(uri, TOO_LARGE)
                picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
                return picture
    raise NotAPicture(uri, "no frame of it can be decoded")


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat
