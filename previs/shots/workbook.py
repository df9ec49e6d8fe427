"""Read the cells of a workbook (``.xlsx``, ``.ods``) as text, within bounds on what it expands to; pure.

Both kinds are zip files of XML documents. A document with a DOCTYPE, and so with entities, is refused.
"""

import codecs
import io
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Final, Protocol
from xml.parsers import expat

from previs.errors import ShotListFaults
from previs.shots.text import LARGEST, MOST_COLUMNS, MOST_VALUES, fault, too_many_values

MOST_EXPANDED: Final = 200_000_000
"""Bytes of all documents of a workbook that are read."""

MOST_ELEMENTS: Final = 8_000_000
"""XML elements of all these documents: four for each of the most cells."""

MOST_ROWS: Final = 1_048_576
_CHUNK: Final = 65_536
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RuntimeError,
    NotImplementedError,
)
_MOST_PARTS: Final = 10_000
_ENTRY: Final = b"PK\x01\x02"  # begins each entry of a zip file's directory

Merge = tuple[int, int, int]
"""First row, last row and column of cells that are one: only those of several rows."""


class Handler(Protocol):
    """Take the events of an XML document, with names without their namespaces."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take the start of an element."""

    def end(self, name: str) -> None:
        """Take the end of an element."""

    def text(self, data: str) -> None:
        """Take a piece of text."""


@dataclass(slots=True)
class Budget:
    """Count what a workbook expands to.

    Attributes:
        name: Name of the workbook in faults.
        expanded: Bytes of documents that may still be read.
        elements: XML elements that may still be read.
        values: Cells that may still be kept.
        characters: Characters of cells that may still be kept.
    """

    name: str
    expanded: int = MOST_EXPANDED
    elements: int = MOST_ELEMENTS
    values: int = MOST_VALUES
    characters: int = LARGEST

    def keep(self, cells: int, characters: int) -> None:
        """Count a row.

        Raises:
            ShotListFaults: The workbook has too many cells, or too much text.
        """
        self.values -= cells
        self.characters -= characters
        if self.values < 0:
            raise too_many_values(self.name)
        if self.characters < 0:
            value = f"more than {LARGEST // 1_000_000} MB of text"
            raise fault(self.name, "the file", "split the list", value=value)


@dataclass(slots=True)
class Table:
    """Hold the rows of one sheet of a workbook that have a cell with text.

    Attributes:
        name: Name of the sheet.
        hidden: Whether it is hidden.
        rows: Texts of each row's cells, by row number.
    """

    name: str
    hidden: bool = False
    rows: dict[int, list[str]] = field(default_factory=dict)

    def add(self, number: int, cells: dict[int, str], budget: Budget, times: int = 1) -> None:
        """Add a row from its cells by column, with the same row below it so many times."""
        filled = {column: text for column, text in cells.items() if text and column < MOST_COLUMNS}
        if not filled or number > MOST_ROWS:
            return
        width = max(filled) + 1
        budget.keep(times * width, times * sum(map(len, filled.values())))
        row = [filled.get(column, "") for column in range(width)]
        for each in range(number, number + times):
            self.rows[each] = list(row)

    def fill_down(self, merges: list[Merge], budget: Budget) -> None:
        """Give the text of a merged cell to each of its rows that has other text."""
        for first, last, column in merges:
            above = self.rows.get(first, [])
            text = above[column] if column < len(above) else ""
            budget.keep(max(min(last, MOST_ROWS) - first, 0), 0)
            for number in range(first + 1, min(last, MOST_ROWS) + 1):
                if text and (row := self.rows.get(number)):
                    row.extend([""] * (column + 1 - len(row)))
                    row[column] = row[column] or text


class Archive:
    """Read the documents of a workbook."""

    def __init__(self, content: bytes, budget: Budget) -> None:
        self.budget = budget
        if content.count(_ENTRY) > _MOST_PARTS:
            raise self._damaged(f"more than {_MOST_PARTS:,} parts")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except _DAMAGED as error:
            raise self._damaged(str(error)) from error
        self.names = frozenset(self._zip.namelist())

    def parse(self, part: str, handler: Handler) -> None:
        """Read an XML document of the workbook; one that is not there has no events.

        Raises:
            ShotListFaults: The document is damaged, has a DOCTYPE, or is too large.
        """
        if part not in self.names:
            return
        # A workbook's documents are UTF-8 or UTF-16; any other encoding that one names is not looked up.
        wide = self.read(part).startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        parser = expat.ParserCreate("UTF-16" if wide else "UTF-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, attributes: self._start(handler, name, attributes)
        parser.EndElementHandler = lambda name: handler.end(_local(name))
        parser.CharacterDataHandler = handler.text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        try:
            with self._zip.open(part) as document:
                while piece := document.read(_CHUNK):
                    self._count(len(piece))
                    parser.Parse(piece)
            parser.Parse(b"", True)  # noqa: FBT003 - takes no keyword
        except _DAMAGED as error:
            raise self._damaged(str(error)) from error
        except expat.ExpatError as error:
            raise self._damaged(f"{part}: {error}") from error

    def read(self, part: str) -> bytes:
        """Return the start of a file of the workbook; empty if it is not there."""
        if part not in self.names:
            return b""
        try:
            with self._zip.open(part) as document:
                return document.read(_CHUNK)
        except _DAMAGED as error:
            raise self._damaged(str(error)) from error

    def _start(self, handler: Handler, name: str, attributes: dict[str, str]) -> None:
        self.budget.elements -= 1
        if self.budget.elements < 0:
            raise self._too_much(f"more than {MOST_ELEMENTS:,} XML elements")
        handler.start(_local(name), attributes)

    def _count(self, size: int) -> None:
        self.budget.expanded -= size
        if self.budget.expanded < 0:
            raise self._too_much(f"more than {MOST_EXPANDED // 1_000_000} MB when unpacked")

    def _too_much(self, value: str) -> ShotListFaults:
        return fault(self.budget.name, "the file", "remove empty, formatted rows, or save it as CSV", value=value)

    def _refuse_doctype(self, *_: object) -> None:
        raise fault(self.budget.name, "the file", "save it again with a spreadsheet program", value="a DOCTYPE in it")

    def _damaged(self, reason: str) -> ShotListFaults:
        remedy = "open it in a spreadsheet program and save it again"
        return fault(self.budget.name, "the file", remedy, value=f"a damaged workbook ({reason[:200]})")


def attribute(attributes: dict[str, str], name: str) -> str:
    """Return the attribute with a name, in whatever namespace; empty without one."""
    return attributes.get(name) or next((text for key, text in attributes.items() if _local(key) == name), "")


def whole(text: str, otherwise: int) -> int:
    """Return a whole number of up to nine digits, or another one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise  # noqa: PLR2004


def number_text(value: float) -> str:
    """Return a number without ``.0``."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004


def clock(seconds: float) -> str:
    """Return seconds as ``H:MM:SS``, with thousandths if there are any."""
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    fraction = f".{rest % 1000:03}" if rest % 1000 else ""
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 1000:02}{fraction}"


def _local(name: str) -> str:
    return name.rpartition(" ")[2]
