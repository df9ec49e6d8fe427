"""Place texts and pictures of a board on pages. Nothing is drawn, and no file read."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from previs.pdf.fitting import Field, Line, Measure, fit, lines_of, one_line
from previs.pdf.panels import Panel
from previs.pdf.paper import LEADING, MM, Box, Room, Sheet
from previs.publishing.views.labels import Labels, counted, spelled
from previs.publishing.views.sequences import totals
from previs.publishing.views.timecode import number
from previs.publishing.views.wording import calendar, moment, shorten
from previs.publishing.views.wording import one_line as on_one_line
from previs.records.manifest import Manifest

BLACK, GREY = 0, 110
"""Grey levels of text, from 0 to 255."""

_ASCENT: Final = 0.88  # of the size, as the next three
_TEXT_GAP: Final = 0.9
_WORD_GAP: Final = 0.8
_NUMBER: Final = 1.25
_STEPS: Final = (1.0, 0.92, 0.85, 0.78)
_SMALLEST: Final = 5.5  # points
_ROUNDING: Final = 1e-6
_LONGEST_TITLE: Final = 500
_TITLE_SIZE: Final = 13.0
_SMALL_SIZE: Final = 8.0
_LOGO_WIDTH, _LOGO_HEIGHT, _LOGO_GAP = 45.0, 11.0, 4.0


@dataclass(frozen=True, slots=True)
class Text:
    """Hold a text at its place.

    Attributes:
        x, y: Start of its base line, in millimetres from the page's upper left corner.
        size: In points.
        grey: Grey level.
    """

    x: float
    y: float
    size: float
    text: str
    grey: int = BLACK


@dataclass(frozen=True, slots=True)
class PlacedPanel:
    """Hold a panel at its place.

    Attributes:
        size: Usual size of its texts, in points.
        short: Whether one of its texts is shortened.
    """

    panel: Panel
    room: Room
    size: float
    texts: tuple[Text, ...]
    short: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Hold a page.

    Attributes:
        logo: Where the logo may be; None if there is none.
        sequences: Sequences that begin here.
    """

    texts: tuple[Text, ...]
    panels: tuple[PlacedPanel, ...]
    logo: Box | None
    sequences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Hold what is on top of each page: title, contents, and the version of the board."""

    title: str
    contents: str
    version: str


def head_of(manifest: Manifest, label: Labels) -> Head:
    """Return what is on top of each page of a board."""
    total = totals(manifest)
    length = spelled(label, total.frames / manifest.fps if manifest.fps > 0 else float("nan"))
    rate = label("{count} fps", count=number(manifest.fps))
    day = moment(manifest.finished)[:10] if manifest.lang == "zh" else calendar(manifest.finished).partition(",")[0]
    run = label("Revision {number}", number=manifest.number) if manifest.number else on_one_line(manifest.run)
    return Head(
        title=shorten(on_one_line(manifest.title) or on_one_line(manifest.board), _LONGEST_TITLE),
        contents=" · ".join((counted(label, total.shots, "shot"), length, rate)),
        version=f"{run} · {day}",
    )


def lay_out(
    panels: list[Panel], head: Head, sheet: Sheet, measure: Measure, label: Labels, *, logo: float | None = None
) -> Iterator[Page]:
    """Yield the pages of a board.

    Args:
        panels: What the panels show, in order.
        head: What is on top of each page.
        sheet: How a page is divided.
        measure: Measures texts.
        label: Words of the board's language.
        logo: Width of the logo, divided by its height; None if there is none.
    """
    most = len(sheet.rooms)
    pages = max(-(-len(panels) // most), 1)
    width = min(_LOGO_WIDTH, _LOGO_HEIGHT * logo) if logo else 0.0
    place = Box(sheet.header.x, sheet.header.y, width, width / logo) if logo else None
    before = ""
    for page in range(1, pages + 1):
        group = panels[(page - 1) * most : page * most]
        begun = [one for last, one in pairwise([before, *(panel.sequence for panel in group)]) if one and one != last]
        before = group[-1].sequence if group else ""
        words = label("page {number} of {pages}", number=page, pages=pages)
        placed = tuple(_placed(each, room, sheet.size, measure) for each, room in zip(group, sheet.rooms, strict=False))
        yield Page(tuple(_header(head, words, sheet.header, width, measure)), placed, place, tuple(begun))


def words_instead(words: str, box: Box, size: float, measure: Measure) -> list[Text]:
    """Place words in the middle of the box of a picture, a little larger than other texts."""
    size *= _NUMBER
    lines = lines_of(Field(words), box.width / (size * MM), measure)
    top = box.y + (box.height - len(lines) * LEADING * size * MM) / 2
    return [
        Text(
            box.x + (box.width - measure(line.text) * size * MM) / 2,
            top + (index * LEADING + _ASCENT) * size * MM,
            size,
            line.text,
            GREY,
        )
        for index, line in enumerate(lines)
    ]


def _header(head: Head, page: str, box: Box, logo: float, measure: Measure) -> Iterator[Text]:
    small = _SMALL_SIZE * MM
    upper, lower = box.y + _TITLE_SIZE * MM * _ASCENT, box.y + (_TITLE_SIZE * LEADING + _SMALL_SIZE * _ASCENT) * MM
    most = box.width / 2 / small
    right = 0.0
    for text, y in ((head.version, upper), (page, lower)):
        shown = one_line(text, most, measure)
        wide = measure(shown) * small
        right = max(right, wide)
        yield Text(box.x + box.width - wide, y, _SMALL_SIZE, shown, GREY)
    x = box.x + (logo + _LOGO_GAP if logo else 0)
    left = box.x + box.width - right - _LOGO_GAP - x
    yield Text(x, upper, _TITLE_SIZE, one_line(head.title, left / (_TITLE_SIZE * MM), measure))
    yield Text(x, lower, _SMALL_SIZE, one_line(head.contents, left / small, measure), GREY)


def _placed(panel: Panel, room: Room, size: float, measure: Measure) -> PlacedPanel:
    title, cut = _title(panel, room.title, size, measure)
    lines, used, short = _fitted(panel, room.text, size, measure)
    top = room.text.y + _TEXT_GAP * size * MM * (room.text.y > room.picture.y)
    texts = [
        text
        for index, line in enumerate(lines)
        for text in _line(line, room.text.x, top + (index * LEADING + _ASCENT) * used * MM, used, measure)
    ]
    return PlacedPanel(panel, room, size, (*title, *texts), short or cut)


def _title(panel: Panel, box: Box, size: float, measure: Measure) -> tuple[list[Text], bool]:
    """Place the number of a shot and its take on the left, and its duration on the right."""
    large, small = size * _NUMBER * MM, size * MM
    y = box.y + large * _ASCENT
    duration = measure(panel.duration) * small
    left = box.width - duration - small * _WORD_GAP
    name = one_line(panel.shot, left / large, measure)
    texts = [
        Text(box.x, y, size * _NUMBER, name),
        Text(box.x + box.width - duration, y, size, panel.duration, GREY),
    ]
    used = measure(name) * large + small * _WORD_GAP
    take = one_line(panel.take, (left - used) / small, measure) if panel.take and left - used > small else ""
    if take:
        texts.append(Text(box.x + used, y, size, take, GREY))
    return texts, name != panel.shot or take != panel.take


def _fitted(panel: Panel, box: Box, size: float, measure: Measure) -> tuple[list[Line], float, bool]:
    """Return lines in the largest of some sizes in which no text is shortened, else in the smallest."""
    lines: list[Line] = []
    used = size
    for step in _STEPS:
        used = max(size * step, _SMALLEST)
        most = int((box.height - _TEXT_GAP * size * MM) / (LEADING * used * MM) + _ROUNDING)
        lines, short = fit(panel.fields, box.width / (used * MM), most, measure)
        if not short:
            return lines, used, False
    return lines, used, True


def _line(line: Line, x: float, y: float, size: float, measure: Measure) -> Iterator[Text]:
    label, rest = line.text[: line.grey], line.text[line.grey :]
    if label:
        yield Text(x, y, size, label, GREY)
    if rest.strip():
        yield Text(x + measure(label) * size * MM, y, size, rest)
