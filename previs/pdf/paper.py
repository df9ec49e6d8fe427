"""Divide a page into panels."""

from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

PaperName = Literal["A4", "Letter"]
PAPERS: Final[dict[str, tuple[float, float]]] = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4)}
"""Width and height in millimetres, upright."""
PanelCount = Literal[1, 2, 4, 6, 9, 12]
TEXT_SIZES: Final = {1: 11.0, 2: 10.0, 4: 9.0, 6: 8.0, 9: 7.0, 12: 6.5}
"""Size of the text in points, by the panels of a page."""
MM: Final = 25.4 / 72
"""Millimetres of a point."""
LEADING: Final = 1.32
"""Distance of two lines, as a multiple of the size."""

_MARGIN: Final = 10.0
_HEADER: Final = 16.0
_ACROSS: Final = 6.0
_DOWN: Final = 6.0
_TITLE: Final = 1.9  # of the text's size, as the next three
_BESIDE: Final = 3.5
_TEXT_WIDTH: Final = 16
_NARROWEST: Final = 12
_TEXT_LINES: Final = 7
_UPRIGHT: Final = frozenset({2, 4, 9, 12})
# By so much the area of the pictures must differ to decide how the page lies.
_MATTERS: Final = 1.1


@dataclass(frozen=True, slots=True)
class Box:
    """Hold a rectangle on a page, in millimetres from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Room:
    """Hold the places of a panel: its title, its picture and its text."""

    title: Box
    picture: Box
    text: Box


@dataclass(frozen=True, slots=True)
class Sheet:
    """Hold how the pages of a document are divided.

    Attributes:
        width, height: Of a page, in millimetres.
        size: Size of the text in points.
        header: Where title, date and page number are.
        rooms: The panels of a page, in reading order.
    """

    width: float
    height: float
    size: float
    header: Box
    rooms: tuple[Room, ...]

    @property
    def picture_area(self) -> float:
        """Return the area of a panel's picture, in square millimetres."""
        return self.rooms[0].picture.width * self.rooms[0].picture.height


def sheet_of(panels: PanelCount, paper: PaperName, aspect: float, *, landscape: bool | None = None) -> Sheet:
    """Return the division of a page that shows pictures of an aspect as large as it can, with room for text.

    Args:
        panels: Number of panels of a page.
        paper: Name of the paper.
        aspect: Width of most pictures, divided by their height.
        landscape: Whether the page lies on its long side. None: as the pictures are clearly larger; else upright for 2,
            4, 9 and 12 panels.
    """
    if landscape is not None:
        return _sheet(panels, paper, aspect, landscape=landscape)
    usual, other = (_sheet(panels, paper, aspect, landscape=(panels in _UPRIGHT) == flip) for flip in (False, True))
    return other if other.picture_area > _MATTERS * usual.picture_area else usual


def contain(box: Box, aspect: float) -> Box:
    """Return the largest rectangle of an aspect in the middle of a box."""
    width = min(box.width, box.height * aspect)
    height = min(box.height, width / aspect)
    return Box(box.x + (box.width - width) / 2, box.y + (box.height - height) / 2, width, height)


def _sheet(panels: PanelCount, paper: PaperName, aspect: float, *, landscape: bool) -> Sheet:
    width, height = PAPERS[paper][::-1] if landscape else PAPERS[paper]
    size = TEXT_SIZES[panels]
    inner = Box(_MARGIN, _MARGIN + _HEADER, width - 2 * _MARGIN, height - 2 * _MARGIN - _HEADER)
    header = Box(_MARGIN, _MARGIN, inner.width, _HEADER)
    columns = [count for count in range(1, panels + 1) if panels % count == 0]
    made = [
        Sheet(width, height, size, header, tuple(arrange(cell, aspect, size) for cell in _cells(inner, count, panels)))
        for count, arrange in product(columns, (_below, _beside))
    ]
    return max(made, key=lambda sheet: (round(sheet.picture_area), sheet.rooms[0].text.width))


def _cells(inner: Box, columns: int, panels: int) -> list[Box]:
    rows = panels // columns
    width = (inner.width - _ACROSS * (columns - 1)) / columns
    height = (inner.height - _DOWN * (rows - 1)) / rows
    return [
        Box(inner.x + column * (width + _ACROSS), inner.y + row * (height + _DOWN), width, height)
        for row, column in product(range(rows), range(columns))
    ]


def _below(cell: Box, aspect: float, size: float) -> Room:
    """Place the text below the picture; what is too narrow for text has no room for a picture."""
    em = size * MM
    title, least = _TITLE * em, _TEXT_LINES * LEADING * em
    left = max(cell.height - title - least, 0) if cell.width >= _NARROWEST * em else 0
    width = min(cell.width, left * aspect)
    height = width / aspect
    # A column as wide as the picture, in the middle of the cell, unless that is too narrow for text.
    column = max(width, min(cell.width, _TEXT_WIDTH * em))
    x = cell.x + (cell.width - column) / 2
    below = cell.y + title + height
    return Room(
        Box(x, cell.y, column, title),
        Box(cell.x + (cell.width - width) / 2, cell.y + title, width, height),
        Box(x, below, column, cell.y + cell.height - below),
    )


def _beside(cell: Box, aspect: float, size: float) -> Room:
    """Place the text on the right of the picture."""
    em = size * MM
    title = _TITLE * em
    height = max(min(cell.height - title, (cell.width - _TEXT_WIDTH * em - _BESIDE) / aspect), 0)
    width = height * aspect
    x = cell.x + width + _BESIDE
    return Room(
        Box(cell.x, cell.y, cell.width, title),
        Box(cell.x, cell.y + title, width, height),
        Box(x, cell.y + title, max(cell.x + cell.width - x, 0), cell.height - title),
    )
