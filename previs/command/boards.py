"""List the boards and runs of a store."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from typing import Any, Final

from rich.filesize import decimal
from rich.table import Column, Table
from rich.text import Text

from previs.boards.runs import BoardSummary, RunSummary, boards
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_json, write_line
from previs.text.visible import visible

SCHEMA = "previs.boards/1"
_RUN_NAME = len("20261124-040330-fe64c624")
_PLAIN: Final[dict[str, Any]] = {"box": None, "pad_edge": False}
_OUTCOMES = ("rendered", "joined", "cached", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class BoardsOrder:
    """Hold the options of ``previs boards``; see its help."""

    store: str | None
    board: str | None = None
    as_json: bool = False


async def show_boards(order: BoardsOrder) -> int:
    """Print the boards of a store, or the runs of one board, and return the exit code: 1 if a manifest is unreadable.

    Raises:
        NotInStore: The store has no such board.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    async with await option_store(order.store) as store:
        found = await boards(store, order.board)
        name = store.name
    if order.as_json:
        write_json({"schema": SCHEMA, "store": name, "boards": [_as_json(board) for board in found]})
    elif order.board is None:
        _print_boards(found, name)
    else:
        _print_runs(found[0])
    return 1 if any(run.fault for board in found for run in board.runs) else 0


def _as_json(board: BoardSummary) -> dict[str, Any]:
    runs = [asdict(run) | {"finished": run.finished.isoformat() if run.finished else None} for run in board.runs]
    return {"name": board.name, "latest": board.latest, "runs": runs}


def _print_boards(found: Sequence[BoardSummary], store: str) -> None:
    if not found:
        write_line(f"{store} has no board yet")
        return
    table = Table(
        "board", _number("runs"), _whole("latest run"), "finished (UTC)", _number("shots"), _number("size"), **_PLAIN
    )
    for board in found:
        latest = next(run for run in board.runs if run.run == board.latest)
        shots = f"{latest.shots}, {latest.failed} failed" if latest.failed else str(latest.shots)
        _add(table, board.name, str(len(board.runs)), latest.run, _finished(latest), shots, decimal(latest.size))
    console().print(table)
    _print_faults(run for board in found for run in board.runs)


def _print_runs(board: BoardSummary) -> None:
    table = Table(_whole("run"), "finished (UTC)", _number("shots"), _number("size"), "takes", "", **_PLAIN)
    for run in board.runs:
        takes = ", ".join(f"{count} {name}" for name in _OUTCOMES if (count := getattr(run, name)))
        latest = "latest" if run.run == board.latest else ""
        _add(table, run.run, _finished(run), str(run.shots), decimal(run.size), takes, latest)
    console().print(table)
    _print_faults(board.runs)


def _whole(name: str) -> Column:
    """Return a column for names that people copy, so they are never shortened."""
    return Column(name, no_wrap=True, min_width=_RUN_NAME)


def _number(name: str) -> Column:
    return Column(name, justify="right")


def _add(table: Table, *words: str) -> None:
    table.add_row(*(Text(visible(word)) for word in words))


def _finished(run: RunSummary) -> str:
    return "unreadable" if run.finished is None else f"{run.finished.astimezone(UTC):%Y-%m-%d %H:%M}"


def _print_faults(runs: Iterable[RunSummary]) -> None:
    for run in runs:
        if run.fault:
            write_error(f"{run.manifest} cannot be used: {run.fault}")
