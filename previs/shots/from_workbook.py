"""Read the shots of a workbook from its sheet or sheets."""

import re
from typing import Any, Final

from previs.errors import Fault, ShotListFaults
from previs.shots.columns import known_columns
from previs.shots.durations import seconds_of
from previs.shots.exact_rows import LIST_HEADER, LIST_TABLE, add_list_fields
from previs.shots.from_ods import read_ods
from previs.shots.from_xlsx import read_xlsx
from previs.shots.sheet import joined, name_by_scene, read_rows
from previs.shots.sheet_rows import FIRST_ROWS, Sheet, header_row
from previs.shots.text import LARGEST, fault, too_large
from previs.shots.workbook import Archive, Budget, Table
from previs.text.listing import first_of
from previs.text.visible import shortened, visible

WORKBOOK: Final = b"PK\x03\x04"
OLD_WORKBOOK: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ODS: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?: [\d:]+)?")
_NAMED: Final = 20
_MINUTE: Final = 60


def read_workbook(content: bytes, name: str) -> Sheet | None:
    """Read every visible sheet of an ``.xlsx`` or ``.ods`` workbook that has a column for shots and one for durations.

    Returns:
        The shots of these sheets, in their order; None if the file is no workbook.

    Raises:
        ShotListFaults: The workbook is damaged, protected, empty or too large.
    """
    if content.startswith(OLD_WORKBOOK):
        remedy = "save it as .xlsx, without a password, or as CSV"
        raise fault(name, "the file", remedy, value="an old or protected workbook")
    if len(content) > LARGEST:
        raise too_large(name)
    archive = Archive(content, Budget(name))
    if "xl/workbook.xml" in archive.names:
        tables = read_xlsx(archive)
    elif archive.read("mimetype").startswith(_ODS):
        tables = read_ods(archive)
    else:
        return None
    return _of_tables(tables, name)


def _of_tables(tables: list[Table], name: str) -> Sheet:
    fields = {id(table): _fields(table) for table in tables if table.rows}
    open_ones = (table for table in tables if not table.hidden and table.rows.get(1) != list(LIST_HEADER))
    chosen = [table for table in open_ones if _has_shots(fields.get(id(table), frozenset()))]
    if not chosen:
        chosen = sorted((table for table in tables if table.rows), key=lambda table: -len(fields[id(table)]))[:1]
    if not chosen:
        raise fault(name, "the workbook", "it is empty: a sheet needs columns such as shot_id, prompt, duration")
    sheets = [_read(table, name, f" of sheet {_shown(table)}" if len(chosen) > 1 else "") for table in chosen]
    sheet = joined(sheets)
    name_by_scene(sheet)
    for table in tables if sheet.exact else ():
        if table.name == LIST_TABLE and table not in chosen:
            chosen.append(table)
            add_list_fields(sheet, table)
    if others := [table for table in tables if table.rows and table not in chosen]:
        shown = first_of(list(map(_shown, others)), _NAMED)
        sheet.notices.append(f"sheets that are hidden or have no shots are not read: {shown}")
    _add_minutes(sheet)
    return sheet


def _read(table: Table, name: str, where: str) -> Sheet:
    sheet = read_rows(iter(sorted(table.rows.items())), name, where)
    sheet.faults.extend(_dates(sheet))
    if where and not sheet.exact:
        for shot in sheet.shots:
            shot.setdefault("sequence", table.name)
    return sheet


def _fields(table: Table) -> frozenset[str]:
    first = sorted(table.rows.items())[:FIRST_ROWS]
    return frozenset(known_columns(first[header_row(first)][1]).values())


def _has_shots(fields: frozenset[str]) -> bool:
    return "shot_id" in fields and not fields.isdisjoint({"duration", "frames"})


def _dates(sheet: Sheet) -> list[Fault]:
    """Return a fault for each number of a shot of which the spreadsheet made a date."""
    remedy = 'a spreadsheet makes dates of numbers such as 1-2: format the column as text, and write "1-2" again'
    places = zip(sheet.rows, (shot.get("shot_id") for shot in sheet.shots), strict=True)
    return [
        Fault(f"row {row}", sheet.headers.get("shot_id", "shot_id"), str(shot_id), remedy)
        for row, shot_id in places
        if isinstance(shot_id, str) and _DATE.fullmatch(shot_id)
    ]


def _add_minutes(sheet: Sheet) -> None:
    durations: list[Any] = [shot.get("duration") for shot in sheet.shots]
    if sheet.exact:  # where people wrote clocks, cells are still texts
        durations = [seconds_of(each) for each in durations if isinstance(each, str) and ":" in each]
    seconds = [each for each in durations if isinstance(each, float)]
    if seconds and max(seconds) >= _MINUTE and not any(each % _MINUTE for each in seconds):
        sheet.notices.append(
            f"all durations are whole minutes, such as {seconds[0]:g} s: to a spreadsheet 0:04 is four minutes; "
            "write 4 or 0:00:04 for four seconds"
        )


def _shown(table: Table) -> str:
    return visible(shortened(table.name))


def no_workbook(name: str) -> ShotListFaults:
    """Return the fault for a zip file that is no workbook."""
    return fault(
        name, "the file", "use a workbook (.xlsx, .ods), or CSV, JSON or YAML", value="another kind of zip file"
    )
