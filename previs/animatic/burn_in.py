"""Draw what is burned into a film: slates, timecode, subtitles, and a slate in place of a picture that is missing."""

from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from previs.animatic.lettering import Lettering
from previs.animatic.planes import BLACK, GREY, WHITE, Band, Layout, Margins, Planes
from previs.animatic.timeline import Cue, Timeline
from previs.animatic.view import Canvas
from previs.publishing.views.timecode import timecode
from previs.text.visible import shortened

_DIGITS: Final = "0123456789:"
_DARK: Final = 38
_BOX: Final = 190
_MOST_LINES: Final = 3
_SUBTITLE_WIDTH: Final = 0.86


@dataclass(slots=True)
class BurnIn:
    """Draw on the frames of a film.

    Attributes:
        timeline: The film.
        lettering: Its fonts.
        layout: Layout of its frames.
        slates: Whether the shot, its take and the timecode are burned in.
        is_subtitled: Whether subtitles are burned in.
        cut: Shots whose subtitle was too long to be drawn whole.
    """

    timeline: Timeline
    lettering: Lettering
    layout: Layout
    slates: bool
    is_subtitled: bool
    cut: list[str] = field(default_factory=list)
    _digits: dict[str, Image.Image] = field(default_factory=dict)

    @property
    def canvas(self) -> Canvas:
        """Return the film's canvas."""
        return self.timeline.canvas

    @property
    def margins(self) -> Margins:
        """Return the sizes of what is drawn."""
        return Margins.of(self.canvas)

    def marks(self, cue: Cue, text: str) -> "Marks":
        """Return what is drawn on each frame of a shot with a subtitle."""
        return Marks(
            self._slate(cue) if self.slates else None,
            self._subtitle(cue, text) if self.is_subtitled and text else None,
        )

    def draw(self, planes: Planes, marks: "Marks") -> Planes:
        """Return a frame with its marks, but without timecode."""
        if marks.slate is None and marks.subtitle is None:
            return planes
        made = planes.copy()
        for each in (marks.subtitle, marks.slate):
            for painted in each or ():
                made.paint(painted.luma, painted.mask, painted.at)
        return made

    def time(self, planes: Planes, frame: int) -> Band:
        """Return the lines of a frame with marks that hold the timecode of its position in the film."""
        text = timecode(frame, float(self.timeline.fps))
        digits, (width, height) = self._time_digits(), self._time_size(len(text))
        left, top = self._time_at(width)
        luma = planes.parts[0]
        lines = luma.crop((0, top, luma.width, min(top + height, luma.height)))
        step = (width - self.margins.letters) // len(text)
        for number, each in enumerate(text):
            middle = left + self.margins.letters // 2 + number * step + step // 2
            lines.paste(WHITE, (middle - digits[each].width // 2, 0), digits[each])
        return Band(top, lines.tobytes())

    def missing(self, cue: Cue, reason: str) -> Planes:
        """Return the slate that stands for a shot without a picture: which shot, why, and what it would show."""
        made, canvas, letters = Planes.blank(self.layout, _DARK), self.canvas, self.margins.letters
        width = canvas.width - 4 * letters
        top = canvas.height // 4
        for text, size, luma, most in (
            (cue.label, letters * 2, WHITE, 1),
            (cue.sequence, letters, GREY, 1),
            (reason, letters, WHITE, _MOST_LINES),
            (cue.description, letters, GREY, _MOST_LINES),
        ):
            lines = self.lettering.lines(text, size, width, most)
            if lines:
                made.paint(luma, self.lettering.mask(lines, size), (2 * letters, top // 2 * 2))
                top += len(lines) * self.lettering.height(size) + letters // 2
        return made

    def _slate(self, cue: Cue) -> "list[_Painted]":
        """Return the boxes of slate and timecode, and the slate's text."""
        letters, edge = self.margins.letters, self.margins.edge
        take = f"take {cue.take}" if cue.take is not None else ""
        sequence = "" if cue.label.startswith(cue.sequence) else cue.sequence
        text = " · ".join(filter(None, (sequence, shortened(cue.label), take, shortened(cue.pass_name))))
        time_width, height = self._time_size(len(timecode(self.timeline.frames, float(self.timeline.fps))))
        most = self.canvas.width - time_width - 3 * edge - letters
        lines = self.lettering.lines(text, letters, most, 1)
        mask = self.lettering.mask(lines, letters)
        box = Image.new("L", ((mask.width + letters) // 2 * 2, height), _BOX)
        at = (edge, edge)
        return [
            _Painted(BLACK, box, at),
            _Painted(WHITE, mask, (edge + letters // 4 * 2, edge)),
            _Painted(BLACK, Image.new("L", (time_width, height), 255), self._time_at(time_width)),
        ]

    def _subtitle(self, cue: Cue, text: str) -> "list[_Painted]":
        letters, inner = self.margins.letters, self.canvas.inner
        size, stroke = round(letters * 1.15), max(letters // 10, 1)
        width = round(inner.width * _SUBTITLE_WIDTH)
        lines = self.lettering.lines(text, size, width, _MOST_LINES)
        if len(self.lettering.lines(text, size, width, _MOST_LINES + 1)) > len(lines):
            self.cut.append(cue.label)
        around = self.lettering.mask(lines, size, stroke=stroke, centred=True)
        letters_only = self.lettering.mask(lines, size, centred=True)
        bottom = inner.top + inner.height - self.margins.edge
        at = (inner.left + (inner.width - around.width) // 4 * 2, (bottom - around.height) // 2 * 2)
        within = Image.new("L", around.size)
        within.paste(letters_only, (stroke, stroke))
        return [_Painted(BLACK, around, at), _Painted(WHITE, within, at)]

    def _time_digits(self) -> dict[str, Image.Image]:
        if not self._digits:
            letters = self.margins.letters
            self._digits = {each: self.lettering.mask([each], letters, centred=True) for each in _DIGITS}
        return self._digits

    def _time_size(self, characters: int) -> tuple[int, int]:
        widest = max(mask.width for mask in self._time_digits().values())
        height = self.lettering.height(self.margins.letters)
        return (widest * characters + self.margins.letters + 1) // 2 * 2, (height + 1) // 2 * 2

    def _time_at(self, width: int) -> tuple[int, int]:
        return (self.canvas.width - width - self.margins.edge) // 2 * 2, self.margins.edge


@dataclass(frozen=True, slots=True)
class _Painted:
    """Hold what is painted in one grey: where its mask is white."""

    luma: int
    mask: Image.Image
    at: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Marks:
    """Hold what is drawn on each frame of a shot."""

    slate: list[_Painted] | None
    subtitle: list[_Painted] | None
