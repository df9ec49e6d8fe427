"""CSV, a spreadsheet's export: the rows to plain values."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from previs.errors import Fault
from previs.shots import cells
from previs.shots.columns import delimiter_of, known_columns, overridden
from previs.shots.text import fault

_NEEDED = {"shot_id": "镜号", "prompt": "提示词", "duration": "时长"}
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
    """A sheet's shots, and where they stand.

    Attributes:
        shots: one mapping a row, as a shot of a file would be.
        rows: for each shot, the number of its row as the spreadsheet shows it.
        headers: for each field that has a column, what the sheet calls it.
        missing: fields that every shot needs and no column has.
        faults: of the sheet itself.
    """

    shots: list[dict[str, Any]]
    rows: list[int]
    headers: dict[str, str]
    missing: frozenset[str]
    faults: list[Fault]


def read_csv(text: str, name: str) -> Sheet:
    """The sheet of a text with commas, semicolons or tabs between its cells.

    The first row that is not blank holds the names. Empty cells are not given, blank rows are skipped, unknown columns
    are kept as text.

    Raises:
        ShotListFaults: it is no CSV, or empty.
    """
    lines = list(_rows(text, name))
    if not lines:
        raise fault(
            name, "the sheet", "it is empty: the first row names the columns, such as shot_id, prompt, duration"
        )
    (first, header), *body = lines
    known = known_columns(header)
    missing = frozenset(_NEEDED) - set(known.values())
    faults = [*_missing(first, missing, header), *_twice(first, header, known)]
    faults += [found for number, row in body for found in _too_wide(number, row, header)]
    headers = {field: header[index] for index, field in known.items()}
    shots = [_shot(row, header, known) for _, row in body]
    return Sheet(shots, [number for number, _ in body], headers, missing, faults)


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with their numbers; ``sep=;``, which Excel takes for itself, is no row."""
    delimiter = delimiter_of(text) or ","
    if text[:4].lower() == "sep=" and text[5:6] in ("\r", "\n"):
        delimiter, text = text[4], text[5:].removeprefix("\r").removeprefix("\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            stripped = [cell.strip() for cell in row]
            if any(stripped):
                yield number, stripped
    except csv.Error as error:
        place = f"row {number + 1} (line {reader.line_num} of the file)"
        remedy = "no valid CSV here: a quote was opened and not closed, or stands inside a cell without being doubled"
        raise fault(name, place, remedy, value=str(error)) from error


def _missing(row: int, fields: frozenset[str], header: list[str]) -> Iterator[Fault]:
    for field in sorted(fields):
        value = "columns are " + ", ".join(cell for cell in header if cell)[:120]
        yield Fault(f"row {row}", field, value, f"add a column named {field} or {_NEEDED[field]}")


def _twice(row: int, header: list[str], known: dict[int, str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(header):
        means = known.get(index, name)
        if means in seen and means not in ("references", ""):
            yield Fault(f"row {row}", means, f'"{name}"', "two columns have this name: rename or remove one")
        seen.add(means)


def _too_wide(number: int, row: list[str], header: list[str]) -> Iterator[Fault]:
    beyond = [cell for cell in row[len(header) :] if cell]
    if beyond:
        remedy = f"{len(row)} cells, but only {len(header)} columns have names: put text that holds commas in quotes"
        yield Fault(f"row {number}", "", f'"{beyond[0][:60]}"', remedy)


def _shot(row: list[str], header: list[str], known: dict[int, str]) -> dict[str, Any]:
    shot: dict[str, Any] = {}
    pictures: list[str] = []
    of_references: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for index, cell in enumerate(row[: len(header)]):
        field = known.get(index)
        if field == "references":
            pictures.append(cell)
        elif field == "reference_strength" and cell:
            of_references["strength"] = cells.strength(cell)
        elif field == "reference_role" and cell:
            of_references["role"] = cell
        elif cell and (place := overridden(header[index])):
            overrides[place] = cells.value(cell)
        elif cell:
            shot[field or header[index] or f"column {index + 1}"] = _READERS.get(field or "", str)(cell)
    if references := cells.references(pictures):
        shot["references"] = [{**reference, **of_references} for reference in references]
    if overrides:
        shot["overrides"] = overrides
    return shot
