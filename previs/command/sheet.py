"""Write the sheet of a board."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from previs.boards.picks import picks
from previs.boards.runs import load_manifest, name_of
from previs.command.farm_and_store import option_store
from previs.command.output import not_written, write_error, write_new
from previs.publishing.board_sheet import board_sheet


@dataclass(frozen=True, slots=True)
class SheetOrder:
    """Hold the options of ``previs sheet``; see its help."""

    store: str | None
    board: str
    path: Path
    run: str | None = None


async def write_sheet(order: SheetOrder) -> int:
    """Write the sheet and return the exit code.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest cannot be used.
        ShotListFaults: The file exists, or the shots do not fit into a sheet.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    if order.path.suffix.lower() != ".xlsx":
        raise not_written(order.path, "the sheet of a board is written as .xlsx")
    async with await option_store(order.store) as store:
        board = await name_of(store, order.board)
        manifest, _ = await load_manifest(store, board, order.run)
        chosen = await picks(store, board, warn=write_error)
    taken = {shot: pick.take for shot, pick in chosen.items() if pick.take is not None}
    content, notices = await asyncio.to_thread(board_sheet, manifest, taken, str(order.path))
    write_new(order.path, content)
    for notice in (*notices, f'run it with --board "{manifest.board}", or another run makes another board'):
        write_error(f"note: {notice}")
    return 0
