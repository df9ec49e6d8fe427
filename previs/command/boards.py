"""List the boards and runs of a store."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from previs.boards import BoardFacts, RunFacts, boards
from previs.command.output import write_json
from previs.command.places import store_of

SCHEMA = "previs.boards/1"
_COUNTS = ("shots", "rendered", "cached", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class BoardsOrder:
    """What a person asked for; see the command's help."""

    store: str | None
    board: str | None = None
    as_json: bool = False


async def show_boards(order: BoardsOrder) -> int:
    """Print the boards of a store, or the runs of one board.

    Returns:
        What the command exits with: 0, or 1 if a manifest cannot be read.

    Raises:
        NotInStore: there is no such board.
        StoreRefused, StoreTrouble: the store cannot be read.
    """
    async with await store_of(order.store) as store:
        found = await boards(store, order.board)
        name = store.name
    if order.as_json:
        write_json({"schema": SCHEMA, "store": name, "boards": [_as_json(board) for board in found]})
    elif order.board is None:
        _print_boards(found, name)
    else:
        _print_runs(found)
    return 1 if any(run.fault for board in found for run in board.runs) else 0


def printable(text: str) -> str:
    """A text that does nothing to a terminal but write on it."""
    return "".join(c if c.isprintable() else " " for c in text)


def _as_json(board: BoardFacts) -> dict[str, Any]:
    runs = [asdict(run) | {"finished": run.finished.isoformat() if run.finished else None} for run in board.runs]
    return {"name": board.name, "latest": board.latest, "runs": runs}


def _print_boards(found: Sequence[BoardFacts], store: str) -> None:
    if not found:
        Console(highlight=False).print(Text(printable(f"{store} has no board yet")), soft_wrap=True)
        return
    rows = []
    for board in found:
        latest = next(run for run in board.runs if run.run == board.latest)
        rows.append([board.name, str(len(board.runs)), latest.run, *_of_run(latest)])
    _print(["board", "runs", "latest run", "finished", *_COUNTS, "frames"], rows, {1, *range(4, 10)})
    _print_faults(run for board in found for run in board.runs)


def _print_runs(found: Sequence[BoardFacts]) -> None:
    for board in found:
        rows = [[f"{run.run} (latest)" if run.run == board.latest else run.run, *_of_run(run)] for run in board.runs]
        _print(["run", "finished", *_COUNTS, "frames"], rows, set(range(2, 8)))
        _print_faults(board.runs)


def _of_run(run: RunFacts) -> list[str]:
    if run.finished is None:
        return ["unreadable", *("" for _ in _COUNTS), ""]
    counts = [run.shots, run.rendered, run.cached, run.failed, run.skipped]
    return [_moment(run.finished), *map(str, counts), decimal(run.size)]


def _moment(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _print(head: Sequence[str], rows: Iterable[Sequence[str]], right: set[int]) -> None:
    table = Table(box=None, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(word)) for word in row))
    Console(highlight=False).print(table)


def _print_faults(runs: Iterable[RunFacts]) -> None:
    for run in runs:
        if run.fault:
            told = printable(f"{run.manifest} cannot be used: {run.fault}")
            Console(highlight=False, stderr=True).print(Text(told), soft_wrap=True)
