"""Read the sheets of an ``.ods`` workbook."""

import re
from typing import Final

from previs.shots.text import MOST_COLUMNS
from previs.shots.workbook import MOST_ROWS, Archive, Merge, Table, attribute, clock, number_text, whole

_DURATION: Final = re.compile(r"PT(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6}(?:[.,]\d{1,9})?)S)?")
_CELLS: Final = ("table-cell", "covered-table-cell")
_BESIDE: Final = ("annotation", "frame", "custom-shape")  # what lies on a cell, and is not in it


def read_ods(archive: Archive) -> list[Table]:
    """Return the sheets of a workbook, in their order.

    Raises:
        ShotListFaults: The workbook is damaged or too large.
    """
    document = _Document(archive)
    archive.parse("content.xml", document)
    return document.tables


class _Document:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.tables: list[Table] = []
        self._merges: list[Merge] = []
        self._row, self._row_times, self._column = 0, 1, 0
        self._cells: dict[int, str] = {}
        self._cell: dict[str, str] = {}
        self._pieces: list[str] = []
        self._beside = self._paragraphs = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "table" and not self._beside:
            self.tables.append(Table(attribute(attributes, "name")))
            self._row, self._row_times, self._merges = 0, 1, []
        elif name == "table-row":
            self._row += self._row_times
            self._row_times = whole(attribute(attributes, "number-rows-repeated"), 1) or 1
            self._column, self._cells = 0, {}
        elif name in _CELLS:
            self._cell, self._pieces, self._paragraphs = attributes, [], 0
        elif name in _BESIDE:
            self._beside += 1
        elif not self._beside and name == "p":
            self._pieces += ["\n"] if self._paragraphs else []
            self._paragraphs += 1
        elif not self._beside and self._paragraphs and name in ("s", "tab", "line-break"):
            blanks = min(whole(attribute(attributes, "c"), 1), 1000)
            self._pieces.append("\n" if name == "line-break" else " " * blanks)

    def end(self, name: str) -> None:
        if name in _BESIDE:
            self._beside -= 1
        elif name in _CELLS:
            self._end_cell()
        elif name == "table-row" and self.tables:
            times = min(self._row_times, MOST_ROWS)
            self.tables[-1].add(self._row, self._cells, self._archive.budget, times)
        elif name == "table" and not self._beside and self.tables:
            self.tables[-1].fill_down(self._merges, self._archive.budget)

    def text(self, data: str) -> None:
        if self._paragraphs and not self._beside:
            self._pieces.append(data)

    def _end_cell(self) -> None:
        times = whole(attribute(self._cell, "number-columns-repeated"), 1)
        if value := self._value().strip():
            for column in range(self._column, min(self._column + times, MOST_COLUMNS)):
                self._cells[column] = value
            if (rows := whole(attribute(self._cell, "number-rows-spanned"), 1)) > 1:
                self._merges.append((self._row, self._row + rows - 1, self._column))
        self._column += times
        self._paragraphs = 0

    def _value(self) -> str:
        kind, text = attribute(self._cell, "value-type"), "".join(self._pieces)
        if text.startswith(("#", "Err:")):
            return text
        if kind in ("float", "percentage", "currency"):
            return _number(attribute(self._cell, "value"))
        if kind == "time" and (found := _DURATION.fullmatch(attribute(self._cell, "time-value"))):
            hours, minutes, seconds = (float((each or "0").replace(",", ".")) for each in found.groups())
            return clock(hours * 3600 + minutes * 60 + seconds)
        if kind == "date":
            return attribute(self._cell, "date-value").removesuffix("T00:00:00").replace("T", " ")
        return attribute(self._cell, "boolean-value").upper() if kind == "boolean" else text


def _number(text: str) -> str:
    try:
        return number_text(float(text))
    except (ValueError, OverflowError):
        return text
