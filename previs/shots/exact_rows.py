"""Read the rows of a sheet that previs wrote: each cell as its field has it, without guesses."""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from previs.errors import Fault
from previs.shots.columns import field_of, overridden
from previs.shots.exact_cells import FIELDS, JSON, value_of
from previs.shots.fields import MOST_SHOTS
from previs.shots.remedies import FORMULA
from previs.shots.sheet_rows import FORMULA_ERRORS, Header, Rows, Sheet
from previs.shots.text import MOST_VALUES, fault, too_many_shots, too_many_values
from previs.shots.workbook import Table
from previs.text.listing import first_of
from previs.text.visible import shortened

OTHER: Final = "other fields"
MARK: Final = f"{OTHER} (previs.sheet/1)"
"""Name of the column by which such a sheet is known; it holds the fields that have no column, as JSON."""

LIST_TABLE: Final = "list"
"""Name of the workbook's sheet that holds the fields of the list."""

LIST_HEADER: Final = ("field", "value")
REPORTS: Final = "board: "
"""Begins the names of columns that report on a board, and are no fields of the list."""

PICK: Final = f"{REPORTS}pick"
PICKED: Final = f"{REPORTS}picked"
BOARD: Final = f"{REPORTS}name"
_KIND: Final = MARK.removesuffix("1)")
_NAMED: Final = 20


def is_exact(names: list[str], name: str, place: str) -> bool:
    """Return whether columns with these names are those of a sheet that previs wrote.

    Raises:
        ShotListFaults: A later version of previs wrote it.
    """
    marks = [each for each in names if each.startswith(_KIND)]
    if marks and MARK not in marks:
        raise fault(name, place, "a later version of previs wrote this sheet: read it with that", value=marks[0][:60])
    return bool(marks)


def exact_header(names: list[str]) -> Header:
    """Return the header for the names of the columns, those that a person added included."""
    known = {index: field for index, each in enumerate(names) if (field := _field(each))}
    overrides = {index: slot for index, each in enumerate(names) if (slot := overridden(each))}
    return Header(names, known, overrides, {field: index for index, field in known.items()})


def _field(name: str) -> str | None:
    if name in FIELDS:
        return name
    found = field_of(name)
    return found if found in FIELDS else None


def add_exact_shots(sheet: Sheet, rows: Rows, header: Header, name: str, where: str) -> None:
    """Add the shots of the rows, and what the columns of the board say of them.

    Raises:
        ShotListFaults: There are too many shots or cells.
    """
    values = 0
    for number, row in rows:
        place = f"row {number}{where}"
        shot = {} if row[: len(header.names)] == header.names else _shot(sheet, row, header, place)
        if not shot:
            sheet.skipped.append(number)
            continue
        if len(sheet.shots) == MOST_SHOTS:
            raise too_many_shots(name)
        sheet.shots.append(shot)
        sheet.rows.append(f"{number}{where}")
        if PICK in header.names:
            cells = dict(zip_longest(header.names, row, fillvalue=""))
            sheet.picks[str(shot.get("shot_id", ""))] = cells[PICK], cells.get(PICKED, "")
        values += len(row) + sum(sum(map(cell.count, ",[{")) for cell in row if cell.startswith(JSON))
        if values > MOST_VALUES:
            raise too_many_values(name)
    if changed := [label for label, (now, before) in sheet.picks.items() if now != before]:
        shots = first_of(changed, _NAMED)
        sheet.notices.append(f"the picks of {shots} are changed in the sheet: previs pick --from takes them in")


def _shot(sheet: Sheet, row: list[str], header: Header, place: str) -> dict[str, Any]:
    shot: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    others: Any = {}
    for index, cell in enumerate(row):
        column = header.names[index] if index < len(header.names) else ""
        if not cell or column.startswith(REPORTS):
            continue
        field = header.known.get(index, column or f"column {index + 1}")
        if cell in FORMULA_ERRORS:
            sheet.faults.append(Fault(place, column, f'"{cell}"', FORMULA))
            continue
        try:
            value = value_of(field, cell)
        except ValueError:
            sheet.faults.append(_no_json(place, column, cell))
            continue
        if column == MARK:
            others = value
        elif slot := header.overrides.get(index):
            inputs[slot] = value
        else:
            shot[field] = value
    sheet.faults.extend(_add_others(shot, others, place))
    if inputs and isinstance(given := shot.get("overrides", {}), dict):
        shot["overrides"] = given | inputs
    sheet.names |= others.keys() if isinstance(others, dict) else set()
    return shot


def _add_others(fields: dict[str, Any], value: object, place: str) -> Iterator[Fault]:
    """Add fields that have no column or row of their own."""
    if not isinstance(value, dict):
        yield _no_json(place, OTHER, str(value))
        return
    for twice in value.keys() & fields.keys():
        yield Fault(place, OTHER, f'"{shortened(twice)}"', "this field also has a cell of its own: remove one")
    fields |= value


def _no_json(place: str, column: str, cell: str) -> Fault:
    remedy = f'behind {JSON} a cell has valid JSON, such as {JSON}"a text", and in {OTHER} an object'
    return Fault(place, shortened(column), f'"{shortened(cell)}"', remedy)


def add_list_fields(sheet: Sheet, table: Table) -> None:
    """Add what the sheet of the list's fields holds to the sheet of its shots."""
    for number, row in sorted(table.rows.items()):
        field, cell = [*row, "", ""][:2]
        place = f"row {number} of sheet {table.name}"
        if len(row) > len(LIST_HEADER):
            sheet.notices.append(f"{place}: cells behind the second are not read")
        if not cell or tuple(row) == LIST_HEADER:
            continue
        if field.startswith(REPORTS):
            sheet.board = cell if field == BOARD else sheet.board
            continue
        if cell in FORMULA_ERRORS:
            sheet.faults.append(Fault(place, field, f'"{cell}"', FORMULA))
            continue
        try:
            value = value_of(field, cell)
        except ValueError:
            sheet.faults.append(_no_json(place, field, cell))
            continue
        others = value if field == OTHER else {field: value}
        sheet.faults.extend(_add_others(sheet.fields, others, place))
