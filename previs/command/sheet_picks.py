"""Take in the picks of the sheet of a board."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from previs.boards.picks import pick_several, picks
from previs.boards.runs import load_manifest, name_of, only_board
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_line
from previs.errors import Fault, ShotListFaults
from previs.ingest.lists import read_list_at
from previs.ingest.reader import SourceReader
from previs.publishing.board_sheet import shots_of
from previs.publishing.views.wording import plural
from previs.records.manifest import Manifest
from previs.shots import ShotList
from previs.shots.exact_cells import same
from previs.shots.exact_rows import PICK
from previs.store.addresses import shown
from previs.text.listing import first_of
from previs.text.visible import shortened

_NAMED = 20


@dataclass(frozen=True, slots=True)
class SheetPicksOrder:
    """Hold the options of ``previs pick --from``; see its help."""

    store: str | None
    sheet: str
    board: str | None = None


async def pick_from_sheet(order: SheetPicksOrder) -> int:
    """Record the picks that were changed in a sheet, report what is not taken in, and return the exit code.

    Raises:
        ShotListFaults: The sheet has faults, or a pick was changed both there and on the board.
        NotInStore: The store has no such board, shot or take; no pick is changed then.
        RecordUnreadable: The board's latest manifest cannot be used.
        SourceNotFound, SourceUnavailable: The sheet cannot be read.
        StoreRefused, StoreUnavailable: The store cannot be read or written to.
    """
    async with SourceReader() as sources:
        shot_list = await read_list_at(order.sheet, sources)
    name = shown(order.sheet)
    wanted = _wanted(shot_list, name)
    async with await option_store(order.store) as store:
        board = await name_of(store, order.board or shot_list.picks.board or await only_board(store))
        manifest, _ = await load_manifest(store, board)
        now = {shot: pick.take for shot, pick in (await picks(store, board, warn=write_error)).items()}
        if faults := tuple(_conflicts(shot_list, wanted, now)):
            raise ShotListFaults(name, faults)
        changed = {shot: take for shot, take in wanted.items() if now.get(shot) != take}
        await pick_several(store, board, changed)
    for shot, take in changed.items():
        write_line(f"shot {shot}: {'no take' if take is None else f'take {take}'} is picked")
    write_line(f"{plural(len(changed), 'pick')} changed: the next run of {board} shows them")
    if other := _not_taken(shot_list, manifest, name):
        write_error(f"note: not taken in, because they belong to the list: {other}; previs run {name} renders it")
    return 0


def _wanted(shot_list: ShotList, name: str) -> dict[str, int | None]:
    """Return the picks that differ from what previs wrote, by shot_id as text."""
    if not shot_list.picks.cells:
        remedy = f'it has no column "{PICK}": previs sheet BOARD FILE writes one that has it'
        raise ShotListFaults(name, (Fault("the sheet", PICK, "", remedy),))
    faults, wanted = [], dict[str, int | None]()
    for shot, (cell, before) in shot_list.picks.cells.items():
        if cell == before:
            continue
        if cell and not (cell.isascii() and cell.isdigit() and int(cell[:9])):
            remedy = "write the number of a take, from 1, or nothing for no pick"
            faults.append(Fault(f"shot {shortened(shot)}", PICK, f'"{shortened(cell)}"', remedy))
        else:
            wanted[shot] = int(cell[:9]) if cell else None
    if faults:
        raise ShotListFaults(name, tuple(faults))
    return wanted


def _conflicts(shot_list: ShotList, wanted: Mapping[str, int | None], now: Mapping[str, int | None]) -> Iterator[Fault]:
    """Yield a fault for each pick that somebody else has changed since the sheet was written."""
    for shot, take in wanted.items():
        cell, before = shot_list.picks.cells[shot]
        current = now.get(shot)
        if current != take and str(current or "") != before:
            others = f"take {current}" if current else "no take"
            remedy = (
                f"on the board {others} was picked since the sheet was written: write {current or 'nothing'} here to "
                "keep that, or write a new sheet"
            )
            yield Fault(f"shot {shortened(shot)}", PICK, cell or "empty", remedy)


def _not_taken(shot_list: ShotList, manifest: Manifest, name: str) -> str:
    """Return which fields of which shots differ from the latest run; empty without any."""
    made, _ = shots_of(manifest, name)
    before = {shot.label: shot.given() for shot in made.shots}
    now = {shot.label: shot.given() for shot in shot_list.shots}
    found = [f"new shot {shortened(shot)}" for shot in now.keys() - before.keys()]
    found += [f"removed shot {shortened(shot)}" for shot in before.keys() - now.keys()]
    for shot in now.keys() & before.keys():
        names = [
            each for each in sorted(now[shot] | before[shot]) if not same(now[shot].get(each), before[shot].get(each))
        ]
        found += [f"{', '.join(map(shortened, names))} of {shortened(shot)}"] if names else []
    return first_of(sorted(found), _NAMED)
