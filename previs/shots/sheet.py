"""Read the rows of a sheet, from a CSV file or a workbook, into plain values."""

from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from previs.errors import Fault
from previs.shots import cells
from previs.shots.camera import camera_of
from previs.shots.columns import misspelled_column, unit_of
from previs.shots.durations import in_frames
from previs.shots.exact_rows import add_exact_shots, exact_header, is_exact
from previs.shots.fields import MOST_SHOTS
from previs.shots.parts import Camera
from previs.shots.rules import same_name
from previs.shots.sheet_rows import FIRST_ROWS, Header, Rows, Sheet, header_row
from previs.shots.text import MOST_COLUMNS, MOST_VALUES, fault, too_many_shots, too_many_values
from previs.text.listing import first_of

_LONGEST_VALUE = 60
_NUMBERED = 20
_IN_REFERENCE = 3  # values: the reference, its url and its reference_id
_NEEDED = {"shot_id": "镜号", "prompt": "提示词", "duration": "时长"}
_INSTEAD = {"prompt": "description", "duration": "frames"}
_FILLED_DOWN = ("scene", "sequence")
# Columns of a part of a shot: the part, and its field there.
_PARTS = {
    **{name: ("camera", name) for name in Camera.model_fields},
    "reference_strength": ("reference", "strength"),
    "reference_role": ("reference", "role"),
}
_READERS: dict[str, Callable[[str], Any]] = {
    "shot_id": cells.shot_id,
    "seed": cells.whole,
    "takes": cells.whole,
    "width": cells.whole,
    "height": cells.whole,
}


def read_rows(rows: Rows, name: str, where: str = "") -> Sheet:
    """Read rows that are not blank, with their numbers.

    One of the first rows holds the names. Empty cells count as absent, unknown columns are kept as text.

    Args:
        rows: Numbers and cells.
        name: Name of the list in faults.
        where: What to write behind the number of a row, if the list has several sheets.

    Raises:
        ShotListFaults: There are no rows, or too many columns, rows or cells.
    """
    first_rows = list(islice(rows, FIRST_ROWS))
    if not first_rows:
        remedy = "it is empty: the first row must name the columns, such as shot_id, prompt, duration"
        raise fault(name, "the sheet", remedy)
    at = header_row(first_rows)
    first, names = first_rows[at]
    if len(names) > MOST_COLUMNS:
        remedy = f"a sheet has at most {MOST_COLUMNS:,}: remove those that no shot needs"
        raise fault(name, f"row {first}{where}", remedy, value=f"{len(names):,} columns")
    exact = is_exact(names, name, f"row {first}{where}")
    header = exact_header(names) if exact else Header.of(names)
    known = set(header.known.values())
    missing = frozenset(each for each in _NEEDED if not known & {each, _INSTEAD.get(each, each)})
    place = f"row {first}{where}"
    faults = [*_missing(place, missing, names), *_repeated(place, header), *_misspelled(place, header)]
    headers = {known: names[index] for index, known in header.known.items()}
    skipped = [number for number, _ in first_rows[:at]]
    sheet = Sheet([], [], headers, missing, set(names), faults, skipped, exact=exact)
    add_shots = add_exact_shots if exact else _add_shots
    add_shots(sheet, chain(first_rows[at + 1 :], rows), header, name, where)
    _add_notices(sheet, where)
    return sheet


def joined(sheets: list[Sheet]) -> Sheet:
    """Return the shots of several sheets as one; where columns of one field have several names, the first counts."""
    whole = sheets[0]
    for sheet in sheets[1:]:
        whole.shots += sheet.shots
        whole.rows += sheet.rows
        whole.headers = sheet.headers | whole.headers
        whole.missing |= sheet.missing
        whole.names |= sheet.names
        whole.faults += sheet.faults
        whole.rates |= sheet.rates
        whole.notices += sheet.notices
        whole.picks |= sheet.picks
        whole.exact &= sheet.exact
    return whole


def _add_shots(sheet: Sheet, rows: Rows, header: Header, name: str, where: str) -> None:
    values = 0
    above: dict[str, Any] = {}
    for number, row in rows:
        kind = header.kind_of(row)
        if kind == "section":
            above = _section(row, header)
        elif kind != "shot":
            sheet.skipped.append(number)
        if kind != "shot":
            continue
        if len(sheet.shots) == MOST_SHOTS:
            raise too_many_shots(name)
        sheet.faults.extend(_too_wide(f"row {number}{where}", row, header.names))
        timing, rate = _timing(row, header)
        shot = _shot(row, header, timing)
        sheet.rates |= {rate} if rate else set()
        above |= {each: shot[each] for each in _FILLED_DOWN if each in shot}
        sheet.shots.append(shot | {each: value for each, value in above.items() if each not in shot})
        sheet.rows.append(f"{number}{where}")
        values += len(row) + _IN_REFERENCE * len(shot.get("references", ()))
        if values > MOST_VALUES:
            raise too_many_values(name)


def _section(row: list[str], header: Header) -> dict[str, Any]:
    """Return what a section's row says of the shots below it."""
    [(index, cell)] = ((index, cell) for index, cell in enumerate(row) if cell)
    return {"sequence": cell} | ({"scene": cell} if header.known.get(index) == "scene" else {})


def _missing(place: str, fields: frozenset[str], header: list[str]) -> Iterator[Fault]:
    for each in sorted(fields):
        value = "columns are " + ", ".join(cell for cell in header if cell)[:60]
        yield Fault(place, each, value, f"add a column named {each} or {_NEEDED[each]}")


def _repeated(place: str, header: Header) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, name in enumerate(header.names):
        means = header.known.get(index, name)
        if means in seen and means not in ("references", ""):
            shown = f'"{name[:_LONGEST_VALUE]}"'
            yield Fault(place, means[:_LONGEST_VALUE], shown, "two columns have this name: rename or remove one")
        seen.add(means)


def _misspelled(place: str, header: Header) -> Iterator[Fault]:
    for index, name in enumerate(header.names):
        if index not in header.known and (meant := misspelled_column(name)):
            yield Fault(place, name, "", f"not a known column: did you mean {meant}?")


def _too_wide(place: str, row: list[str], header: list[str]) -> Iterator[Fault]:
    extra = [cell for cell in row[len(header) :] if cell]
    if extra:
        remedy = f"{len(row)} cells, but only {len(header)} columns have names: put text that contains commas in quotes"
        yield Fault(place, "", f'"{extra[0][:_LONGEST_VALUE]}"', remedy)


def _shot(row: list[str], header: Header, timing: dict[str, Any]) -> dict[str, Any]:
    shot: dict[str, Any] = {}
    pictures: list[str] = []
    parts: dict[str, dict[str, Any]] = {"overrides": {}, "camera": {}, "reference": {}}
    for index, cell in enumerate(row[: len(header.names)]):
        known = header.known.get(index)
        if known == "references":
            pictures.append(cell)
        elif not cell:
            continue
        elif known in _PARTS:
            owner, name = _PARTS[known]
            parts[owner][name] = cells.strength(cell) if name == "strength" else cell
        elif slot := header.overrides.get(index):
            parts["overrides"][slot] = cells.value(cell)
        elif known not in ("duration", "frames", "fps"):
            shot[known or header.names[index] or f"column {index + 1}"] = _READERS.get(known or "", str)(cell)
    for_all = parts.pop("reference")
    if references := cells.references(pictures):
        shot["references"] = [{**reference, **for_all} for reference in references]
    if (words := shot.get("camera")) and parts["camera"]:
        recognized: dict[str, Any] | None = camera_of(words)
        parts["camera"] = (recognized or {}) | parts["camera"]
        if recognized is None:
            shot["camera text"] = words
    return shot | timing | {owner: given for owner, given in parts.items() if given}


def _timing(row: list[str], header: Header) -> tuple[dict[str, Any], float | None]:
    """Return the duration, with the columns that it did not need, and the frame rate by which it was read."""
    duration, frames, given = (header.cell(row, each) for each in ("duration", "frames", "fps"))
    fps = cells.decimal(given, "")
    rate = fps if isinstance(fps, float) else None
    unused = {"frames": frames, "fps": given}
    found: dict[str, Any] = {}
    if duration:
        found["duration"] = cells.timed(duration, rate, unit_of(header.names[header.places["duration"]]))
    elif frames:
        found["duration"] = cells.frames(frames, rate)
        del unused["frames"]
    if rate is not None and (in_frames(duration) if duration else frames):
        del unused["fps"]
    else:
        rate = None
    return found | {header.names[header.places[each]]: cell for each, cell in unused.items() if cell}, rate


def name_by_scene(sheet: Sheet) -> None:
    """Name shots ``SCENE-SHOT`` if their numbers restart in each scene, or else in each sequence."""
    for group in () if sheet.exact else ("scene", "sequence"):
        first: dict[str, object] = {}
        groups = ((same_name(shot.get("shot_id", "")), shot.get(group)) for shot in sheet.shots)
        if any(first.setdefault(label, value) != value and label and value for label, value in groups):
            break
    else:
        return
    named = [shot for shot in sheet.shots if shot.get(group) and "shot_id" in shot]
    for shot in named:
        shot["shot_id"] = f"{shot[group]}-{shot['shot_id']}"
    sheet.notices.append(
        f"shot numbers restart in each {group}, so shots are named by {group} and number, such as {named[0]['shot_id']}"
    )


def _add_notices(sheet: Sheet, where: str) -> None:
    takes = [shot["takes"] for shot in sheet.shots if isinstance(shot.get("takes"), int)]
    if "scene" in sheet.headers and not sheet.exact and any(number > 1 for number in takes):
        count = f"{sum(takes):,} in all"
        column = f'the column "{sheet.headers["takes"]}"{where}'
        sheet.notices.append(f"{column} is read as takes to render: {count}; rename it if it counts recorded takes")
    if skipped := len(sheet.skipped):
        rows = "1 row without a shot is" if skipped == 1 else f"{skipped:,} rows without a shot are"
        sheet.notices.append(f"{rows} skipped: {first_of(list(map(str, sheet.skipped)), _NUMBERED)}{where}")
