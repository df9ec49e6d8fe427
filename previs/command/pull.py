"""Download a run of a board into a folder."""

from dataclasses import dataclass
from pathlib import Path

from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_line
from previs.publishing.pull import Pulled, pull
from previs.publishing.views.wording import plural

_MOST_FAILURES = 20


@dataclass(frozen=True, slots=True)
class PullOrder:
    """Hold the options of ``previs pull``; see its help."""

    store: str | None
    board: str
    folder: Path
    run: str | None = None
    page_assets: bool = False


async def pull_board(order: PullOrder) -> int:
    """Download what is missing, print a summary and return the exit code: 1 if frames are missing.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be read, or the folder cannot be written to.
    """
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=None)
        async with await option_store(order.store) as store:
            pulled = await pull(
                store,
                order.board,
                order.folder.expanduser(),
                run=order.run,
                beside=order.page_assets,
                report=lambda number, of: progress.update(bar, completed=number, total=of),
            )
    _print(pulled, order.folder)
    return 1 if pulled.failed else 0


def _print(pulled: Pulled, folder: Path) -> None:
    fetched = f"{plural(len(pulled.fetched), 'frame')} downloaded ({decimal(sum(pulled.fetched.values()))})"
    kept = f"{len(pulled.kept)} already there"
    failed = f", {len(pulled.failed)} missing" if pulled.failed else ""
    write_line(f"run {pulled.run}: {fetched}, {kept}{failed}: {folder / 'index.html'}")
    for sentence in list(pulled.failed.values())[:_MOST_FAILURES]:
        write_error(sentence)
    if len(pulled.failed) > _MOST_FAILURES:
        write_error(f"and {len(pulled.failed) - _MOST_FAILURES} more")
