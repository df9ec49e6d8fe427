"""Hold a frame of a film as three planes, and draw on it: luma from 16 to 235, two halved planes of colour."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

from PIL import Image

from previs.animatic.view import Canvas

if TYPE_CHECKING:
    from av import VideoFrame

BLACK, GREY, WHITE = 16, 150, 235
_NO_COLOUR: Final = 128


@dataclass(frozen=True, slots=True)
class Layout:
    """Hold how the planes of a film's frames lie in memory: bytes of a line, which has a margin, and lines."""

    planes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, frame: "VideoFrame") -> Self:
        """Return the layout of a frame, which all frames of its size have."""
        return cls(tuple((plane.line_size, plane.height) for plane in frame.planes))

    @property
    def size(self) -> int:
        """Return the number of bytes of a frame."""
        return sum(width * height for width, height in self.planes)


@dataclass(frozen=True, slots=True)
class Planes:
    """Hold the planes of a frame as grey pictures."""

    parts: tuple[Image.Image, ...]

    @classmethod
    def read(cls, content: bytes, layout: Layout) -> Self:
        """Return the planes whose bytes follow each other.

        Raises:
            ValueError: They are not the planes of a frame of the film.
        """
        if len(content) != layout.size:
            raise ValueError(len(content))
        ends = [0]
        for width, height in layout.planes:
            ends.append(ends[-1] + width * height)
        spans = zip(layout.planes, pairwise(ends), strict=True)
        return cls(tuple(_grey(size, content[start:end]) for size, (start, end) in spans))

    @classmethod
    def blank(cls, layout: Layout, luma: int) -> Self:
        """Return a grey frame."""
        return cls(tuple(Image.new("L", size, _NO_COLOUR if i else luma) for i, size in enumerate(layout.planes)))

    def copy(self) -> "Planes":
        """Return planes to draw on."""
        return Planes(tuple(part.copy() for part in self.parts))

    def blend(self, other: "Planes", share: float) -> "Planes":
        """Return a mixture with so large a share of the other."""
        return Planes(tuple(Image.blend(a, b, share) for a, b in zip(self.parts, other.parts, strict=True)))

    def paint(self, luma: int, mask: Image.Image, at: tuple[int, int]) -> None:
        """Draw a mask in grey at an even position; what lies outside the frame is not drawn."""
        for index, part in enumerate(self.parts):
            scale = 2 if index else 1
            small = mask.reduce(2) if index else mask
            part.paste(_NO_COLOUR if index else luma, (at[0] // scale, at[1] // scale), small)

    def write(self, frame: "VideoFrame") -> None:
        """Copy the planes to a frame of the film."""
        for plane, part in zip(frame.planes, self.parts, strict=True):
            plane.update(part.tobytes())


@dataclass(frozen=True, slots=True)
class Band:
    """Hold lines of luma, margins included.

    Attributes:
        top: Number of the first line.
        content: Their bytes.
    """

    top: int
    content: bytes

    def write(self, frame: "VideoFrame") -> None:
        """Copy the lines to a frame of the film."""
        plane = frame.planes[0]
        start = self.top * plane.line_size
        memoryview(plane)[start : start + len(self.content)] = self.content


def _grey(size: tuple[int, int], content: bytes) -> Image.Image:
    return Image.frombuffer("L", size, content, "raw", "L", 0, 1)


@dataclass(frozen=True, slots=True)
class Margins:
    """Hold sizes of what is written on a film, in pixels: of letters, and the distance from the picture's edges."""

    letters: int
    edge: int

    @classmethod
    def of(cls, canvas: Canvas) -> Self:
        """Return sizes that can be read in a film of this size."""
        short = min(canvas.width, canvas.height)
        return cls(max(short // 24, 8), max(short // 36 // 2 * 2, 2))
