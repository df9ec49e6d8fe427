"""Bring a run of a board down into a folder."""

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from previs.command.output import printable
from previs.command.places import store_of
from previs.publishing.pull import Pulled, pull
from previs.publishing.views.wording import plural

_TOLD = 20


@dataclass(frozen=True, slots=True)
class PullOrder:
    """What a person asked for; see the command's help."""

    store: str | None
    board: str
    folder: Path
    run: str | None = None


async def pull_board(order: PullOrder) -> int:
    """Bring what is missing, and say what was done.

    Returns:
        What the command exits with: 0, or 1 if a frame could not be brought.

    Raises:
        NotInStore: there is no such board or run.
        RecordUnreadable: its manifest cannot be used.
        StoreRefused, StoreTrouble: the store cannot be read, or the folder not written to.
    """
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        bar = shown.add_task("", total=None)
        async with await store_of(order.store) as store:
            done = await pull(
                store,
                order.board,
                order.folder.expanduser(),
                run=order.run,
                tell=lambda number, of: shown.update(bar, completed=number, total=of),
            )
    _say(done, order.folder)
    return 1 if done.failed else 0


def _say(done: Pulled, folder: Path) -> None:
    brought = f"{plural(len(done.fetched), 'frame')} brought ({decimal(sum(done.fetched.values()))})"
    there = f"{len(done.kept)} there already"
    failed = f", {len(done.failed)} missing" if done.failed else ""
    sys.stdout.write(printable(f"run {done.run}: {brought}, {there}{failed}: {folder / 'index.html'}") + "\n")
    for sentence in list(done.failed.values())[:_TOLD]:
        sys.stderr.write(printable(sentence) + "\n")
    if len(done.failed) > _TOLD:
        sys.stderr.write(f"and {len(done.failed) - _TOLD} more\n")
