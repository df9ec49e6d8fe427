"""Recognize the rows of a sheet: titles, names of columns, shots, sections, sums, and rows without a shot; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from previs.errors import Fault
from previs.shots.column_names import TOTALS
from previs.shots.columns import count_known, known_columns, overridden, plain_name

Rows = Iterator[tuple[int, list[str]]]
RowKind = Literal["shot", "section", "sum", "header", "none"]

FIRST_ROWS: Final = 30
"""Rows, besides blank ones, among which the names of the columns are looked for."""

_SURE: Final = 3
_MOST_NAMES: Final = 20_000  # cells among which names are looked for
_FIRST_CELLS: Final = 20
_SAYS_WHAT: Final = ("prompt", "description")
_GROUPS: Final = ("scene", "sequence", "location")
_FIGURES: Final = re.compile(r"[\s\d.,:;]+(?:s|sec|秒|分|min|[初초])?$", re.IGNORECASE)
_LIKE_AN_ID: Final = re.compile(r"[A-Za-z]{0,6}[\-_.]?\d[\w.\-/]*")
_LONGEST_WORD: Final = 40
_TOTALS: Final = frozenset(map(plain_name, TOTALS.split()))
_ERRORS: Final = """
#N/A #REF! #NAME? #VALUE! #DIV/0! #NULL! #NUM! #SPILL! #CALC! #FIELD! #BLOCKED! #UNKNOWN! #CONNECT! #BUSY!
#ERROR! #GETTING_DATA #NV #BEZUG! #WERT! #ZAHL! #N/D #NOM? #VALEUR! #NOMBRE! #¡REF! #¿NOMBRE? #¡VALOR!
#¡NUM! #¡DIV/0! #RIF! #NOME? #VALORE! #ССЫЛКА! #ИМЯ? #ЗНАЧ! #Н/Д #ЧИСЛО! #ДЕЛ/0! Err:502 Err:504 Err:508
Err:509 Err:511 Err:519 Err:520 Err:522
"""
FORMULA_ERRORS: Final = frozenset(_ERRORS.split())
"""What spreadsheets write for a formula without a value."""


@dataclass(frozen=True)
class Header:
    """Hold the names of the columns.

    Attributes:
        names: Name of each column.
        known: Field of each column that has one, by index.
        overrides: Overridden input of each column that has one, by index.
        places: Index of each field's column, the last of several.
    """

    names: list[str]
    known: Mapping[int, str]
    overrides: Mapping[int, str]
    places: Mapping[str, int]

    @classmethod
    def of(cls, names: list[str]) -> "Header":
        """Return the header for the names of a sheet's columns."""
        found = ((index, overridden(name)) for index, name in enumerate(names))
        known = known_columns(names)
        places = {field: index for index, field in known.items()}
        return cls(names, known, {index: slot for index, slot in found if slot}, places)

    def cell(self, row: list[str], field: str) -> str:
        """Return the cell of a row that a field has; empty without one."""
        index = self.places.get(field, len(row))
        return row[index] if index < len(row) else ""

    def kind_of(self, row: list[str]) -> RowKind:
        """Return what a row is that is not blank."""
        if row[: len(self.names)] == self.names:
            return "header"
        shot_id, says_what = self.cell(row, "shot_id"), any(self.cell(row, name) for name in _SAYS_WHAT)
        if shot_id and says_what:
            return "shot"
        filled = [(index, cell) for index, cell in enumerate(row) if cell]
        if any(_sums_up(cell) for _, cell in filled[:_FIRST_CELLS]):
            return "sum"
        if len(filled) == 1 and self._is_section(*filled[0]):
            return "section"
        return "shot" if shot_id or says_what else "none"

    def _is_section(self, index: int, cell: str) -> bool:
        field = self.known.get(index)
        if field == "shot_id":
            return _LIKE_AN_ID.fullmatch(cell) is None
        return field in _GROUPS or (index == 0 and len(self.names) > 1)


@dataclass
class Sheet:
    """Hold a sheet's shots and their rows.

    Attributes:
        shots: One mapping a row, like a shot of a JSON file.
        rows: Row number of each shot, as the spreadsheet shows it, and its sheet if there are several.
        headers: Column name of each field that has a column.
        missing: Required fields without a column.
        names: Names of the columns.
        faults: Faults of the sheet itself.
        skipped: Row numbers of those that are neither blank nor a shot or a section.
        rates: Frame rates by which durations were read, from a column of the sheet.
        notices: Sentences on how the sheet was read.
        exact: Whether previs wrote the sheet, so that its cells are read without guesses.
        fields: Fields of the list itself.
        picks: Number of the pick in each shot's row, as it is and as previs wrote it, by shot_id as text.
        board: Name of the board of which the sheet is; empty without one.
    """

    shots: list[dict[str, Any]]
    rows: list[str]
    headers: dict[str, str]
    missing: frozenset[str]
    names: set[str]
    faults: list[Fault]
    skipped: list[int] = field(default_factory=list)
    rates: set[float] = field(default_factory=set)
    notices: list[str] = field(default_factory=list)
    exact: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    picks: dict[str, tuple[str, str]] = field(default_factory=dict)
    board: str = ""

    def document(self) -> dict[str, Any]:
        """Return the list as an object, with the frame rate of the sheet if durations were read by one."""
        if len(self.rates) != 1:
            return self.fields | {"shots": self.shots}
        [rate] = self.rates
        return {"fps": int(rate) if rate.is_integer() else rate, "shots": self.shots}


def header_row(rows: list[tuple[int, list[str]]]) -> int:
    """Return the index of the row with the names of the columns: the first that has enough known ones."""
    left, counts = _MOST_NAMES, list[int]()
    for _, row in rows:
        left -= len(row)
        counts.append(count_known(row) if left >= 0 else 0)
    sure = (index for index, count in enumerate(counts) if count >= _SURE)
    likely = (index for index, count in enumerate(counts) if count > 1)
    return next(sure, next(likely, 0)) if counts and counts[0] <= 1 else 0


@lru_cache
def _sums_up(cell: str) -> bool:
    if len(cell) > _LONGEST_WORD:
        return False
    return plain_name(_FIGURES.sub("", cell)) in _TOTALS
