"""Write rows into an ``.xlsx`` workbook, with pictures beside them; pure."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from previs.shots.exact_cells import is_formula, number_in
from previs.shots.exact_rows import LIST_HEADER, LIST_TABLE, MARK, PICK, REPORTS

Row = dict[str, str]
"""Texts of a row's cells, by column."""

PICTURE: Final = f"{REPORTS}picture"
_FIRST: Final = (PICTURE, "shot_id", PICK, "notes")
_WIDTHS: Final = {
    **dict.fromkeys(("prompt", "description", "dialogue"), 44),
    **dict.fromkeys(("negative_prompt", "references", "notes", "value", f"{REPORTS}frame", f"{REPORTS}error"), 32),
    **dict.fromkeys(("sound", "location", "overrides", "seed", f"{REPORTS}seed"), 22),
    **dict.fromkeys(("shot_id", "field"), 18),
    **dict.fromkeys((PICK, "duration", "takes", "qc", "width", "height"), 9),
    MARK: 30,
}
_WIDTH: Final = 14  # characters
_AS_TEXT: Final = ("shot_id", "scene", "sequence")  # spreadsheets make dates of 1-2
_LINE: Final = 15  # points
_HIGHEST: Final = 240  # points; Excel's limit is 409
_PICTURE: Final = (192, 108)  # pixels
_MARGIN: Final = 4  # pixels
_POINTS: Final = 0.75  # of a pixel
_LONGEST_URL: Final = 2_079
_MOST_URLS: Final = 65_000  # Excel's limit is 65,530
_HIGHEST_TAKE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Picture:
    """Hold a picture that stands in a row: its file, its size in pixels, and what it shows."""

    content: bytes
    width: int
    height: int
    shows: str


@dataclass(frozen=True, slots=True)
class Beside:
    """Hold what a board reports beside the shots; the names of all its columns and fields begin with ``board: ``.

    Attributes:
        columns: Names of the columns.
        rows: Cells of each shot.
        pictures: Picture of each shot.
        fields: What is reported of the board itself.
    """

    columns: Sequence[str]
    rows: Sequence[Mapping[str, str]]
    pictures: Sequence[Picture | None]
    fields: Mapping[str, str]


class _Formats:
    def __init__(self, book: xlsxwriter.Workbook) -> None:
        usual = {"text_wrap": True, "valign": "top"}
        self.usual: Format = book.add_format(usual)
        self.text: Format = book.add_format(usual | {"num_format": "@"})
        # Excel keeps a text that begins with = a text, also when a person edits the cell.
        self.quoted: Format = book.add_format(usual | {"quote_prefix": True})
        self.reported: Format = book.add_format(usual | {"font_color": "#666666"})
        self.link: Format = book.add_format(usual | {"font_color": "#0563C1", "underline": 1})
        self.head: Format = book.add_format({"bold": True, "valign": "top", "text_wrap": True, "bg_color": "#E8E8E8"})

    def of(self, column: str, cell: str) -> Format:
        if is_formula(cell):
            return self.quoted
        if column in _AS_TEXT:
            return self.text
        return self.reported if column.startswith(REPORTS) and column != PICK else self.usual


def write_workbook(columns: Sequence[str], rows: Sequence[Row], listed: Sequence[Row], beside: Beside | None) -> bytes:
    """Return a workbook with a sheet of the shots and a sheet of the list's own fields.

    Args:
        columns: Names of the shots' columns.
        rows: Cells of the shots.
        listed: Name and cell of each field of the list.
        beside: What a board reports of the shots.
    """
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"constant_memory": True}) as book:
        formats = _Formats(book)
        if beside:
            every = [*columns[:-1], *beside.columns, columns[-1]]
            columns = [*(name for name in _FIRST if name in every), *(name for name in every if name not in _FIRST)]
            rows = [{**row, **reported} for row, reported in zip(rows, beside.rows, strict=True)]
            listed = [*listed, *(dict(zip(LIST_HEADER, field, strict=True)) for field in beside.fields.items())]
        sheet = book.add_worksheet("shots")
        _write(sheet, columns, rows, formats, beside)
        sheet.freeze_panes(1, columns.index("shot_id") + 1)
        sheet.autofilter(0, 0, len(rows), len(columns) - 1)
        sheet.repeat_rows(0)
        _write(book.add_worksheet(LIST_TABLE), LIST_HEADER, listed, formats, None)
    return content.getvalue()


def _write(
    sheet: Worksheet, columns: Sequence[str], rows: Sequence[Row], formats: _Formats, beside: Beside | None
) -> None:
    for index, column in enumerate(columns):
        width = _PICTURE[0] / 7 + 1 if column == PICTURE else _WIDTHS.get(column, _WIDTH)
        sheet.set_column(index, index, width, formats.of(column, ""))
        sheet.write_string(0, index, column, formats.head)
    sheet.set_row(0, 2 * _LINE)
    sheet.ignore_errors({"number_stored_as_text": f"A2:XFD{len(rows) + 1}"})
    urls = 0
    for number, row in enumerate(rows, 1):
        picture = beside.pictures[number - 1] if beside else None
        sheet.set_row(number, _height(row, picture))
        for index, column in enumerate(columns):
            cell = row.get(column, "")
            if not cell:
                continue
            value = number_in(row.get("field", column), cell) if column != "field" else None
            if value is not None:
                sheet.write_number(number, index, value, formats.of(column, cell))
            elif _is_link(column, cell) and urls < _MOST_URLS:
                urls += 1
                sheet.write_url(number, index, cell, formats.link, cell)
            else:
                sheet.write_string(number, index, cell, formats.of(column, cell))
        if picture:
            _insert(sheet, number, columns.index(PICTURE), picture)
    if PICK in columns:
        _limit_picks(sheet, columns.index(PICK), len(rows))


def _is_link(column: str, cell: str) -> bool:
    return column.startswith(REPORTS) and cell.startswith(("http://", "https://")) and len(cell) <= _LONGEST_URL


def _height(row: Row, picture: Picture | None) -> float:
    """Return the height of a row in points: that of its picture, or of its longest text, within reason."""
    lines = (
        sum(1 + _width(line) // _WIDTHS.get(column, _WIDTH) for line in cell.split("\n"))
        for column, cell in row.items()
        if column not in (MARK, "references", "overrides")
    )
    of_picture = (_PICTURE[1] + 2 * _MARGIN) * _POINTS if picture else 0
    return max(of_picture, min(_LINE * max(lines, default=1), _HIGHEST))


def _width(line: str) -> int:
    """Return the width of a line in characters; those of East Asia are twice as wide."""
    return len(line) + sum(character >= "\u1100" for character in line)


def _insert(sheet: Worksheet, row: int, column: int, picture: Picture) -> None:
    scale = min(_PICTURE[0] / picture.width, _PICTURE[1] / picture.height)
    options = {
        "image_data": io.BytesIO(picture.content),
        "x_scale": scale,
        "y_scale": scale,
        "x_offset": _MARGIN,
        "y_offset": _MARGIN,
        "object_position": 1,  # it moves with its row when a person sorts
        "description": picture.shows,
    }
    sheet.insert_image(row, column, f"{row}.jpg", options)


def _limit_picks(sheet: Worksheet, column: int, rows: int) -> None:
    limits = {
        "validate": "integer",
        "criteria": "between",
        "minimum": 1,
        "maximum": _HIGHEST_TAKE,
        "input_title": "Pick",
        "input_message": "Number of the take that the board shows; empty for none.",
        "error_message": "Write the number of a take, or nothing.",
    }
    sheet.data_validation(1, column, rows, column, limits)
