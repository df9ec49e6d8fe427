"""Read an editor's cut of a board back, and write the list that it is."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from previs.boards.runs import load_manifest, name_of
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error
from previs.command.shots import write_list
from previs.editorial.conform import Conformed, as_list, conform
from previs.editorial.files import read_timeline
from previs.publishing.board_sheet import shots_of
from previs.publishing.views.timecode import exact_fps
from previs.publishing.views.wording import one_line, plural
from previs.records.manifest import Manifest
from previs.shots import read_shot_list

_MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class ConformOrder:
    """Hold the options of ``previs conform``; see its help."""

    store: str | None
    board: str
    cut: Path
    run: str | None = None
    write: Path | None = None
    every: bool = False


async def conform_cut(order: ConformOrder) -> int:
    """Print how the cut differs from the board, write its list if that is asked for, and return the exit code.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest cannot be used.
        ShotListFaults: The cut cannot be read or has no shot of the board, or the list cannot be written.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    async with await option_store(order.store) as store:
        manifest, _ = await load_manifest(store, await name_of(store, order.board), order.run)
    cut = await asyncio.to_thread(read_timeline, order.cut, manifest.fps)
    found = conform(manifest, cut, float(exact_fps(manifest.fps)))
    notices = [*found.notices]
    if order.write is not None:
        notices += await asyncio.to_thread(_write, manifest, found, order.write)
    _print(manifest, found, every=order.every)
    for notice in notices:
        write_error(f"note: {notice}")
    return 0


def _write(manifest: Manifest, found: Conformed, path: Path) -> list[str]:
    listed, notices = shots_of(manifest, str(path))
    made = read_shot_list(as_list(found, listed.given(), float(exact_fps(manifest.fps))), name=str(path))
    return [*notices, *write_list(made, str(path), path)]


def _print(manifest: Manifest, found: Conformed, *, every: bool) -> None:
    table = Table()
    for heading in ("#", "shot", "on the board", "in the cut"):
        table.add_column(heading, overflow="fold", justify="left" if heading == "shot" else "right")
    places = {str(entry.shot_id): place for place, entry in enumerate(manifest.shots, 1)}
    shown = found.uses if every else found.uses[:_MOST_ROWS]
    for place, use in enumerate(shown, 1):
        was = f"#{places[str(use.entry.shot_id)]}, {plural(use.was, 'frame')}"
        same = "the same" if use.was == use.frames else plural(use.frames, "frame")
        table.add_row(str(place), Text(one_line(str(use.shot_id))), was, same)
    printed = console()
    printed.print(table)
    if more := len(found.uses) - len(shown):
        printed.print(f"and {more} more: --all shows them")
    for what, names in (("omitted", found.omitted), ("not on the board", found.unknown)):
        if names:
            printed.print(Text(f"{what}: {', '.join(map(one_line, names))}"), soft_wrap=True)
