"""Play a clip in its own time: cut where the shot ends, or held on its last frame until then."""

from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final

import av
from PIL import Image, ImageSequence

from previs.animatic.playing import Playing, Unplayable, planes_of, scaled_planes
from previs.animatic.still import flat, scaled
from previs.pictures.pillow import FORMATS, MOST_PIXELS
from previs.pictures.playback import READERS

if TYPE_CHECKING:
    from av.container import InputContainer

_MOST_PACKETS: Final = 1000
"""Packets in a row without a frame after which a file is given up."""
_NEAR: Final = Fraction(1, 100)
"""Part of a frame of the film by which a clip's frame may come late: the times of many formats are rounded."""
_USUAL_MILLISECONDS: Final = 100
_TOO_LARGE: Final = f"it has frames of more than {MOST_PIXELS // 1_000_000} million pixels"


def play_film(playing: Playing) -> None:
    """Show a video.

    Raises:
        Unplayable: It has no frame that can be decoded, or its frames are too large.
    """
    reader = READERS.get(playing.media_type)
    if reader is None:
        raise Unplayable(f"{playing.media_type} is not read")
    with av.open(str(playing.path), format=reader, metadata_errors="replace") as container:
        if not container.streams.video:
            raise Unplayable("it has no picture")
        pixel = float(container.streams.video[0].sample_aspect_ratio or 1)
        shown: av.VideoFrame | None = None
        first: Fraction | None = None
        for frame, time in _frames(container):
            first = time if first is None else first
            _show(playing, shown, time - first, pixel)
            if playing.sent >= playing.frames:
                return
            shown = frame
        if shown is None:
            raise Unplayable("it has no frame that can be decoded")
        playing.show(_planes(playing, shown, pixel), playing.frames)


def _show(playing: Playing, frame: av.VideoFrame | None, until: Fraction, pixel: float) -> None:
    """Show a frame until the time of the next; one that falls between two frames of the film is not shown."""
    position = ceil(until * playing.fps - _NEAR)
    if frame is not None and position > playing.sent:
        playing.show(_planes(playing, frame, pixel), position)


def _frames(container: "InputContainer") -> Iterator[tuple[av.VideoFrame, Fraction]]:
    """Yield frames with their times, which never go back."""
    video = container.streams.video[0]
    video.thread_type = "AUTO"
    step = 1 / Fraction(video.average_rate or 24)
    last, without = -step, 0
    for packet in container.demux(video):
        without += 1
        for frame in packet.decode():
            if frame.width * frame.height > MOST_PIXELS:
                raise Unplayable(_TOO_LARGE)
            given = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else last + step
            last, without = max(last, given), 0
            yield frame, last
        if without > _MOST_PACKETS:
            raise Unplayable("it has no frame that can be decoded")


def _planes(playing: Playing, frame: av.VideoFrame, pixel: float) -> bytes:
    """Return the planes of a frame, upright, whose pixels are so many times as wide as high."""
    turns = round(frame.rotation / 90) % 4
    if turns:
        picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        turned = picture.rotate(90 * turns, expand=True)
        box = playing.box(*turned.size)
        return planes_of(scaled(turned, box), playing.canvas, box)
    return scaled_planes(frame, playing.canvas, playing.box(frame.width * pixel, frame.height))


def play_animation(playing: Playing) -> None:
    """Show an animated WEBP, GIF or PNG.

    Raises:
        Unplayable: Its frames are too large.
    """
    with Image.open(playing.path, formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise Unplayable(_TOO_LARGE)
        box = playing.box(*opened.size)
        time = Fraction(0)
        for picture in ImageSequence.Iterator(opened):
            planes = planes_of(scaled(flat(picture), box), playing.canvas, box)
            time += Fraction(picture.info.get("duration") or _USUAL_MILLISECONDS) / 1000
            playing.show(planes, ceil(time * playing.fps - _NEAR))
            if playing.sent >= playing.frames:
                return
        playing.show(planes, playing.frames)
