"""Read CSV, as spreadsheets export it, into plain values."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from previs.errors import Fault
from previs.shots import cells
from previs.shots.columns import delimiter_of, known_columns, misspelled_column, overridden
from previs.shots.models import MOST_SHOTS, Camera
from previs.shots.text import MOST_VALUES, fault, too_many_shots, too_many_values

_MOST_COLUMNS = 16_384  # Excel's own limit
_LONGEST_VALUE = 60
_IN_REFERENCE = 3  # values: the reference, its url and its reference_id
_NEEDED = {"shot_id": "镜号", "prompt": "提示词", "duration": "时长"}
# Columns of a part of a shot: the part, and its field there.
_PARTS = {
    **{name: ("camera", name) for name in Camera.model_fields},
    "reference_strength": ("reference", "strength"),
    "reference_role": ("reference", "role"),
}
_READERS: dict[str, Callable[[str], Any]] = {
    "shot_id": cells.shot_id,
    "duration": cells.seconds,
    "seed": cells.whole,
    "takes": cells.whole,
    "width": cells.whole,
    "height": cells.whole,
}


@dataclass(frozen=True)
class Sheet:
    """Hold a sheet's shots and their rows.

    Attributes:
        shots: One mapping a row, like a shot of a JSON file.
        rows: Row number of each shot, as the spreadsheet shows it.
        headers: Column name of each field that has a column.
        missing: Required fields without a column.
        names: Names of the columns.
        faults: Faults of the sheet itself.
    """

    shots: list[dict[str, Any]]
    rows: list[int]
    headers: dict[str, str]
    missing: frozenset[str]
    names: frozenset[str]
    faults: list[Fault]


@dataclass(frozen=True)
class _Header:
    """Hold the names of the columns, with the field or the overridden input of each that has one, by index."""

    names: list[str]
    known: Mapping[int, str]
    overrides: Mapping[int, str]

    @classmethod
    def of(cls, names: list[str]) -> "_Header":
        """Return the header for the names of a sheet's columns."""
        found = ((index, overridden(name)) for index, name in enumerate(names))
        return cls(names, known_columns(names), {index: slot for index, slot in found if slot})


def read_csv(text: str, name: str) -> Sheet:
    """Read a text with commas, semicolons or tabs between its cells.

    The first row that is not blank holds the names. Empty cells count as absent, blank rows are skipped, unknown
    columns are kept as text.

    Raises:
        ShotListFaults: The text is not CSV, is empty, or has too many columns, rows or cells.
    """
    rows = _rows(text, name)
    first, names = next(rows, (0, []))
    if not names:
        remedy = "it is empty: the first row must name the columns, such as shot_id, prompt, duration"
        raise fault(name, "the sheet", remedy)
    if len(names) > _MOST_COLUMNS:
        remedy = f"a sheet has at most {_MOST_COLUMNS:,}: remove those that no shot needs"
        raise fault(name, f"row {first}", remedy, value=f"{len(names):,} columns")
    header = _Header.of(names)
    known = set(header.known.values())
    missing = frozenset(_NEEDED) - known - ({"prompt"} if "description" in known else frozenset())
    faults = [*_missing(first, missing, names), *_repeated(first, header), *_misspelled(first, header)]
    headers = {field: names[index] for index, field in header.known.items()}
    sheet = Sheet([], [], headers, missing, frozenset(names), faults)
    _add_shots(sheet, rows, header, name)
    return sheet


def _add_shots(sheet: Sheet, rows: Iterator[tuple[int, list[str]]], header: _Header, name: str) -> None:
    values = 0
    for number, row in rows:
        if len(sheet.shots) == MOST_SHOTS:
            raise too_many_shots(name)
        sheet.faults.extend(_too_wide(number, row, header.names))
        sheet.shots.append(_shot(row, header))
        sheet.rows.append(number)
        values += len(row) + _IN_REFERENCE * len(sheet.shots[-1].get("references", ()))
        if values > MOST_VALUES:
            raise too_many_values(name)


def _has_too_many_cells(text: str, delimiter: str) -> bool:
    """Return whether a text has more cells and rows than are read; what is in quotes is one cell."""
    if text.count(delimiter) + text.count("\n") + text.count("\r") <= MOST_VALUES:
        return False
    end = re.escape(delimiter) + "\r\n"
    cell = re.compile(rf'(?:"(?:[^"]++|"")*+"?)?+[^{end}]*+(?:[{end}]|\Z)')
    return any(True for _ in islice(cell.finditer(text), MOST_VALUES, None))


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with their numbers; skip ``sep=;``, which Excel writes for itself."""
    delimiter = delimiter_of(text) or ","
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


def _missing(row: int, fields: frozenset[str], header: list[str]) -> Iterator[Fault]:
    for field in sorted(fields):
        value = "columns are " + ", ".join(cell for cell in header if cell)[:60]
        yield Fault(f"row {row}", field, value, f"add a column named {field} or {_NEEDED[field]}")


def _repeated(row: int, header: _Header) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(header.names):
        means = header.known.get(index, name)
        if means in seen and means not in ("references", ""):
            shown = f'"{name[:_LONGEST_VALUE]}"'
            yield Fault(f"row {row}", means[:_LONGEST_VALUE], shown, "two columns have this name: rename or remove one")
        seen.add(means)


def _misspelled(row: int, header: _Header) -> Iterator[Fault]:
    for index, name in enumerate(header.names):
        if index not in header.known and (meant := misspelled_column(name)):
            yield Fault(f"row {row}", name, "", f"not a known column: did you mean {meant}?")


def _too_wide(number: int, row: list[str], header: list[str]) -> Iterator[Fault]:
    extra = [cell for cell in row[len(header) :] if cell]
    if extra:
        remedy = f"{len(row)} cells, but only {len(header)} columns have names: put text that contains commas in quotes"
        yield Fault(f"row {number}", "", f'"{extra[0][:_LONGEST_VALUE]}"', remedy)


def _shot(row: list[str], header: _Header) -> dict[str, Any]:
    shot: dict[str, Any] = {}
    pictures: list[str] = []
    parts: dict[str, dict[str, Any]] = {"overrides": {}, "camera": {}, "reference": {}}
    for index, cell in enumerate(row[: len(header.names)]):
        field = header.known.get(index)
        if field == "references":
            pictures.append(cell)
        elif not cell:
            continue
        elif field in _PARTS:
            owner, name = _PARTS[field]
            parts[owner][name] = cells.strength(cell) if name == "strength" else cell
        elif slot := header.overrides.get(index):
            parts["overrides"][slot] = cells.value(cell)
        else:
            shot[field or header.names[index] or f"column {index + 1}"] = _READERS.get(field or "", str)(cell)
    for_all = parts.pop("reference")
    if references := cells.references(pictures):
        shot["references"] = [{**reference, **for_all} for reference in references]
    return shot | {owner: given for owner, given in parts.items() if given}
