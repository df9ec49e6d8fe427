"""Send the frames of one shot, each as large as the film's picture, as many as the shot has."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Self

import av
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from previs.animatic.view import Box, Canvas, Move, fit

_BLACK, _NO_COLOUR = 16, 128

Send = Callable[[bytes, int], None]
"""Receives the planes of a frame and how many times it is shown."""


class Unplayable(Exception):
    """Say why a file cannot be shown."""


@dataclass(slots=True)
class Playing:
    """Hold what one shot plays, and count the frames that were sent."""

    path: Path
    media_type: str
    canvas: Canvas
    frames: int
    fps: Fraction
    move: Move | None
    send: Send
    sent: int = 0

    @classmethod
    def of(cls, request: Mapping[str, Any], send: Send) -> Self:
        """Return what a request asks for."""
        width, height, *inner = request["canvas"]
        move = request["move"]
        return cls(
            Path(request["path"]),
            request["media_type"],
            Canvas(width, height, Box(*inner)),
            int(request["frames"]),
            Fraction(*request["fps"]),
            Move(*(tuple(part) for part in move)) if move else None,
            send,
        )

    def show(self, planes: bytes, until: int) -> None:
        """Show a frame up to a position in the shot, the number of a frame that it is not shown at."""
        times = min(until, self.frames) - self.sent
        if times > 0:
            self.send(planes, times)
            self.sent += times

    def box(self, width: float, height: float) -> Box:
        """Return where on the canvas a picture of this size is."""
        return fit(Fraction(max(width, 1) / max(height, 1)).limit_denominator(10_000), self.canvas.inner)


def planes_of(picture: Image.Image, canvas: Canvas, box: Box) -> bytes:
    """Return the planes of a picture that is as large as its box."""
    whole = picture
    if picture.size != (canvas.width, canvas.height):
        whole = Image.new("RGB", (canvas.width, canvas.height))
        whole.paste(picture, (box.left, box.top))
    return b"".join(bytes(plane) for plane in _in_planes(whole).planes)


def parts_of(picture: Image.Image) -> list[Image.Image]:
    """Return the three planes of a picture of any even size, without margins."""
    return _parts(_in_planes(picture))


def scaled_planes(frame: av.VideoFrame, canvas: Canvas, box: Box) -> bytes:
    """Return the planes of a film's frame, scaled to its box."""
    scaled = frame.reformat(
        width=box.width,
        height=box.height,
        format="yuv420p",
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        interpolation="BICUBIC",
    )
    if (box.width, box.height) == (canvas.width, canvas.height):
        return b"".join(bytes(plane) for plane in scaled.planes)
    return placed(_parts(scaled), canvas, box)


def placed(parts: Sequence[Image.Image], canvas: Canvas, box: Box) -> bytes:
    """Return the planes of a frame in which these planes are in a box, and black is around them."""
    made = []
    for index, (part, size) in enumerate(zip(parts, _sizes(canvas.width, canvas.height), strict=True)):
        halves = 2 if index else 1
        whole = Image.new("L", size, _NO_COLOUR if index else _BLACK)
        whole.paste(part, (box.left // halves, box.top // halves))
        made.append(whole.tobytes())
    return b"".join(made)


@cache
def _sizes(width: int, height: int) -> tuple[tuple[int, int], ...]:
    """Return the bytes of a line, its margin included, and the lines of each plane of a frame."""
    return tuple((plane.line_size, plane.height) for plane in av.VideoFrame(width, height, "yuv420p").planes)


def _in_planes(picture: Image.Image) -> av.VideoFrame:
    frame: av.VideoFrame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
    return frame.reformat(
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )


def _parts(frame: av.VideoFrame) -> list[Image.Image]:
    whole = (
        (plane, Image.frombuffer("L", (plane.line_size, plane.height), bytes(plane), "raw", "L", 0, 1))
        for plane in frame.planes
    )
    return [picture.crop((0, 0, plane.width, plane.height)) for plane, picture in whole]
