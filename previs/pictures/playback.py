"""Read what a player shows of video, sound and animations: size, duration, frame rate and the first frame."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from previs.errors import FrameDamaged
from previs.pictures import animations
from previs.pictures.media import Media
from previs.pictures.pillow import MOST_PIXELS
from previs.pictures.quality import REDUCED, Measured, animation_moves, moves
from previs.pictures.thumbnails import measured_thumbnail, measured_thumbnail_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

# FFmpeg's readers by media type, so that a file is never read as another format than the one that was found in it.
READERS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "matroska",
    "video/x-matroska": "matroska",
    "audio/mp4": "mp4",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
}
MOST_PACKETS = 1000  # to read for the first frame
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Playback:
    """Describe how a file looks; what the file does not say, or what FFmpeg cannot read, is None.

    Attributes:
        width, height: In pixels; None for sound.
        duration: In seconds; None for still pictures.
        frame_rate: Frames per second, on average; None for still pictures and sound.
        thumbnail: Picture, or first frame, as a ``data:`` URI; None for sound.
        measured: What its decoding tells for frame QC; None wherever there is no thumbnail.
    """

    width: int | None
    height: int | None
    duration: float | None = None
    frame_rate: float | None = None
    thumbnail: str | None = None
    measured: Measured | None = None


def playback(path: Path, media: Media) -> Playback:
    """Describe a file that :func:`previs.pictures.media.examine` found whole; what FFmpeg cannot read is left out."""
    if not is_film(media):
        return _picture(path, media)
    import av  # noqa: PLC0415 - FFmpeg takes long to load, and pictures do not need it

    try:
        with av.open(str(path), format=READERS[media.media_type], metadata_errors="replace") as container:
            duration = None if container.duration is None else round(container.duration / av.time_base, _DIGITS)
            # The video stream of a sound is its cover.
            if media.media_type.startswith("audio/") or not container.streams.video:
                return Playback(media.width, media.height, duration)
            video = container.streams.video[0]
            width, height = media.width or video.width or None, media.height or video.height or None
            rate = round(float(video.average_rate), _DIGITS) if video.average_rate else None
            return Playback(width, height, duration, rate, *_pictures(container, video))
    except (av.FFmpegError, ValueError):
        return Playback(media.width, media.height)


def is_film(media: Media) -> bool:
    """Return whether FFmpeg reads the file: video or sound."""
    return media.media_type in READERS


def _picture(path: Path, media: Media) -> Playback:
    found, made = without_picture(path, media), measured_thumbnail(path, media)
    if made is None:
        return found
    thumbnail, measured = made
    if found.duration is not None:
        measured = replace(measured, moves=animation_moves(path))
    return replace(found, thumbnail=thumbnail, measured=measured)


def without_picture(path: Path, media: Media) -> Playback:
    """Describe a file by what can be read without decoding it."""
    return Playback(media.width, media.height, *_animation(path, media))


def _animation(path: Path, media: Media) -> tuple[float | None, float | None]:
    """Return the duration and the frame rate of a picture; None twice if it stands still."""
    with contextlib.suppress(FrameDamaged):
        frames, time = animations.length(path, media.media_type)
        if frames > 1 and time:
            return round(float(time), _DIGITS), round(float(frames / time), _DIGITS)
    return None, None


def _pictures(container: "InputContainer", video: "VideoStream") -> tuple[str | None, Measured | None]:
    """Return the thumbnail of a film's first frame, and what is measured of that and of those behind it."""
    import av  # noqa: PLC0415 - as above

    with contextlib.suppress(av.FFmpegError, ValueError):
        frames = _frames(container, video)
        first = next(frames, None)
        if first is None or first.width * first.height > MOST_PIXELS:
            return None, None
        picture: Image.Image = first.to_image()  # type: ignore[no-untyped-call]
        thumbnail, measured = measured_thumbnail_of(picture)
        reduced = ((_reduced(each), each.width * each.height) for each in chain((first,), frames))
        return thumbnail, replace(measured, moves=moves(reduced))
    return None, None


def _frames(container: "InputContainer", video: "VideoStream") -> "Iterator[VideoFrame]":
    """Yield the frames of the first packets, up to the first that is damaged."""
    import av  # noqa: PLC0415 - as above

    with contextlib.suppress(av.FFmpegError, ValueError):
        for packet in islice(container.demux(video), MOST_PACKETS):
            yield from packet.decode()


def _reduced(frame: "VideoFrame") -> Image.Image:
    """Return a frame in grey, so small that grain and the noise of a codec are averaged out."""
    grey = frame.reformat(*REDUCED, format="gray", interpolation="AREA")
    return Image.frombuffer("L", REDUCED, bytes(grey.planes[0]), "raw", "L", grey.planes[0].line_size, 1)
