"""Read CSV, as spreadsheets export it, into plain values."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

from previs.shots.columns import delimiter_of
from previs.shots.sheet import name_by_scene, read_rows
from previs.shots.sheet_rows import FIRST_ROWS, Sheet
from previs.shots.text import MOST_VALUES, fault, too_many_values


def read_csv(text: str, name: str) -> Sheet:
    """Read a text with commas, semicolons or tabs between its cells.

    Raises:
        ShotListFaults: The text is not CSV, is empty, or has too many columns, rows or cells.
    """
    sheet = read_rows(_rows(text, name), name)
    name_by_scene(sheet)
    return sheet


def _has_too_many_cells(text: str, delimiter: str) -> bool:
    """Return whether a text has more cells and rows than are read; what is in quotes is one cell."""
    if text.count(delimiter) + text.count("\n") + text.count("\r") <= MOST_VALUES:
        return False
    end = re.escape(delimiter) + "\r\n"
    cell = re.compile(rf'(?:"(?:[^"]++|"")*+"?)?+[^{end}]*+(?:[{end}]|\Z)')
    return any(True for _ in islice(cell.finditer(text), MOST_VALUES, None))


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with their numbers; skip ``sep=;``, which Excel writes for itself."""
    delimiter = delimiter_of(text, FIRST_ROWS) or ","
    if text[:4].lower() == "sep=" and text[5:6] in ("\r", "\n"):
        delimiter, text = text[4], text[5:].removeprefix("\r").removeprefix("\n")
    if _has_too_many_cells(text, delimiter):
        raise too_many_values(name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            stripped = [cell.strip() for cell in row]
            if any(stripped):
                yield number, stripped
    except csv.Error as error:
        place = f"row {number + 1} (line {reader.line_num} of the file)"
        remedy = "this is not valid CSV: a quote is not closed, or a quote inside a cell is not doubled"
        raise fault(name, place, remedy, value=str(error)) from error
