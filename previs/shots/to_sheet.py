"""Write a list as a sheet that spreadsheet programs edit, and that is read back as the same list."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from previs.errors import MOST_FAULTS, Fault, ShotListFaults
from previs.shots.columns import field_of, misspelled_column, overridden
from previs.shots.exact_cells import LONGEST_CELL, cell_of, is_formula, same, survives, utf16_length
from previs.shots.exact_rows import LIST_HEADER, MARK, OTHER, REPORTS
from previs.shots.models import ShotList
from previs.shots.parts import Camera
from previs.shots.reading import read_shot_list
from previs.shots.rules import has_breaks
from previs.shots.text import fault
from previs.shots.to_xlsx import Beside, Row, write_workbook
from previs.shots.unused import FLAT_CAMERA, known_field
from previs.text.visible import shortened

_COLUMNS: Final = (
    *("shot_id", "sequence", "scene", "description", "dialogue", "size", "angle", "movement", "lens", "location"),
    *("time_of_day", "sound", "transition", "duration", "prompt", "negative_prompt", "references", "seed", "takes"),
    *("qc", "width", "height", "overrides", "notes"),
)
_KNOWN: Final = frozenset((*_COLUMNS, "camera"))
_SHOWN: Final = ("title", "fps", "prompt_template")
_MOST_UNKNOWN: Final = 50  # columns
_LONGEST_NAME: Final = 60
_INSTEAD: Final = "write the list as .yaml or .json"


def write_xlsx(shot_list: ShotList, name: str, beside: Beside | None = None) -> bytes:
    """Return a list as a workbook.

    Args:
        shot_list: List to write.
        name: Name of the workbook in faults.
        beside: What a board reports of the shots.

    Raises:
        ShotListFaults: A value is too long for a cell, or the list would not be read back as it is.
    """
    given = shot_list.given()
    rows = _shot_rows(given["shots"], formulas=True)
    listed = [dict(zip(LIST_HEADER, row, strict=True)) for row in _list_rows(given)]
    _check_lengths([*_places(rows), *(("the list", row) for row in listed)], name)
    return _checked(write_workbook(_columns(rows), rows, listed, beside), given, name)


def write_csv(shot_list: ShotList, name: str) -> bytes:
    """Return the shots of a list as CSV; the list's own fields have no place in it.

    Raises:
        ShotListFaults: A value is too long for a cell, or the list would not be read back as it is.
    """
    shots = shot_list.given()["shots"]
    rows = _shot_rows(shots, formulas=False)
    _check_lengths(_places(rows), name)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, _columns(rows), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return _checked(text.getvalue().encode("utf-8-sig"), {"shots": shots}, name)


def _shot_rows(shots: Sequence[dict[str, Any]], *, formulas: bool) -> list[Row]:
    """Return the cells of each shot by column."""
    names = Counter(name for shot in shots for name in shot if name not in _KNOWN)
    own = (name for name, _ in names.most_common() if _has_column(name))
    columns = _KNOWN.union(islice(own, _MOST_UNKNOWN))
    return [_row(shot, columns, formulas=formulas) for shot in shots]


def _row(shot: dict[str, Any], columns: frozenset[str], *, formulas: bool) -> Row:
    given, camera = dict(shot), shot.get("camera")
    if camera and camera.keys() <= Camera.model_fields.keys() and FLAT_CAMERA.keys().isdisjoint(shot):
        given |= given.pop("camera")
    cells = {field: cell_of(field, value, formulas=formulas) for field, value in given.items() if field in columns}
    others = {field: value for field, value in given.items() if field not in columns}
    return cells | ({MARK: cell_of(OTHER, others)} if others else {})


def _columns(rows: Iterable[Row]) -> list[str]:
    found = dict.fromkeys(name for row in rows for name in row if name not in _COLUMNS and name != MARK)
    return [*_COLUMNS, *found, MARK]


def _has_column(name: str) -> bool:
    """Return whether a column with the name of an unknown field is read as that field."""
    known = field_of(name) or overridden(name) or misspelled_column(name) or known_field("shot", name)
    return not known and name not in FLAT_CAMERA and not is_formula(name) and _is_name(name)


def _is_name(name: str) -> bool:
    return (
        survives(name) and len(name) <= _LONGEST_NAME and not has_breaks(name) and not name.startswith((OTHER, REPORTS))
    )


def _list_rows(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    fields = dict.fromkeys(_SHOWN) | {field: value for field, value in given.items() if field != "shots"}
    for field, value in fields.items():
        if _is_name(field):
            yield field, cell_of(field, value) if field in given else ""
    if others := {field: value for field, value in fields.items() if not _is_name(field)}:
        yield OTHER, cell_of(OTHER, others)


def _places(rows: Sequence[Row]) -> Iterator[tuple[str, Row]]:
    return ((f"shot {number} (shot_id {shortened(row['shot_id'])})", row) for number, row in enumerate(rows, 1))


def _check_lengths(rows: Iterable[tuple[str, Row]], name: str) -> None:
    remedy = f"a cell of a spreadsheet holds {LONGEST_CELL:,} characters: shorten it, or {_INSTEAD}"
    faults = [
        Fault(place, field, f"{utf16_length(cell):,} characters", remedy)
        for place, row in rows
        for field, cell in row.items()
        if utf16_length(cell) > LONGEST_CELL
    ]
    if faults:
        raise ShotListFaults(name, tuple(faults[:MOST_FAULTS]), len(faults[MOST_FAULTS:]))


def _checked(content: bytes, given: Mapping[str, Any], name: str) -> bytes:
    """Return the content of a file if it is read back as the list that was given."""
    try:
        read = read_shot_list(content, name=name).given()
    except ShotListFaults as error:
        raise fault(name, "the file", f"it would not be read back: {_INSTEAD}", value=str(error.faults[0])) from error
    if not same(read, given):
        raise fault(name, "the file", f"it would not be read back as the same list: {_INSTEAD}")
    return content
