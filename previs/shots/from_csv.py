"""Read CSV, as spreadsheets export it, into plain values."""

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
    """Hold a sheet's shots and their rows.

    Attributes:
        shots: One mapping a row, like a shot of a JSON file.
        rows: Row number of each shot, as the spreadsheet shows it.
        headers: Column name of each field that has a column.
        missing: Required fields without a column.
        faults: Faults of the sheet itself.
    """

    shots: list[dict[str, Any]]
    rows: list[int]
    headers: dict[str, str]
    missing: frozenset[str]
    faults: list[Fault]


def read_csv(text: str, name: str) -> Sheet:
    """Read a text with commas, semicolons or tabs between its cells.

    The first row that is not blank holds the names. Empty cells count as absent, blank rows are skipped, unknown
    columns are kept as text.

    Raises:
        ShotListFaults: The text is not CSV, or is empty.
    """
    lines = list(_rows(text, name))
    if not lines:
        remedy = "it is empty: the first row must name the columns, such as shot_id, prompt, duration"
        raise fault(name, "the sheet", remedy)
    (first, header), *body = lines
    known = known_columns(header)
    missing = frozenset(_NEEDED) - set(known.values())
    faults = [*_missing(first, missing, header), *_repeated(first, header, known)]
    faults += [found for number, row in body for found in _too_wide(number, row, header)]
    headers = {field: header[index] for index, field in known.items()}
    shots = [_shot(row, header, known) for _, row in body]
    return Sheet(shots, [number for number, _ in body], headers, missing, faults)


def _rows(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with their numbers; skip ``sep=;``, which Excel writes for itself."""
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
        remedy = "this is not valid CSV: a quote is not closed, or a quote inside a cell is not doubled"
        raise fault(name, place, remedy, value=str(error)) from error


def _missing(row: int, fields: frozenset[str], header: list[str]) -> Iterator[Fault]:
    for field in sorted(fields):
        value = "columns are " + ", ".join(cell for cell in header if cell)[:60]
        yield Fault(f"row {row}", field, value, f"add a column named {field} or {_NEEDED[field]}")


def _repeated(row: int, header: list[str], known: dict[int, str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(header):
        means = known.get(index, name)
        if means in seen and means not in ("references", ""):
            yield Fault(f"row {row}", means, f'"{name}"', "two columns have this name: rename or remove one")
        seen.add(means)


def _too_wide(number: int, row: list[str], header: list[str]) -> Iterator[Fault]:
    extra = [cell for cell in row[len(header) :] if cell]
    if extra:
        remedy = f"{len(row)} cells, but only {len(header)} columns have names: put text that contains commas in quotes"
        yield Fault(f"row {number}", "", f'"{extra[0][:60]}"', remedy)


def _shot(row: list[str], header: list[str], known: dict[int, str]) -> dict[str, Any]:
    shot: dict[str, Any] = {}
    pictures: list[str] = []
    for_all: dict[str, Any] = {}
    overrides: dict[str, Any] = {}
    for index, cell in enumerate(row[: len(header)]):
        field = known.get(index)
        if field == "references":
            pictures.append(cell)
        elif field == "reference_strength" and cell:
            for_all["strength"] = cells.strength(cell)
        elif field == "reference_role" and cell:
            for_all["role"] = cell
        elif cell and (slot := overridden(header[index])):
            overrides[slot] = cells.value(cell)
        elif cell:
            shot[field or header[index] or f"column {index + 1}"] = _READERS.get(field or "", str)(cell)
    if references := cells.references(pictures):
        shot["references"] = [{**reference, **for_all} for reference in references]
    if overrides:
        shot["overrides"] = overrides
    return shot
