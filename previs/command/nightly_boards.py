"""Choose the boards that are rendered every night."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from previs.boards.nightly import NO_BOARDS, NightlyBoard, add_nightly, nightly_boards, remove_nightly
from previs.command.farm_and_store import deployment_store
from previs.command.input_check import ask_no_server, check_workflow
from previs.command.output import printable, write_json
from previs.errors import RecordUnreadable
from previs.ingest.load import DEFAULT_WORKFLOW, load_inputs
from previs.ingest.reader import SourceReader
from previs.publishing.views.wording import plural
from previs.store.addresses import kind_of, shown
from previs.store.credentials import refuse_credentials

SCHEMA: Final = "previs.nightly-boards/1"


@dataclass(frozen=True, slots=True)
class AddOrder:
    """Hold the options of ``previs nightly add``; see its help."""

    store: str | None
    shots: str
    board: str = ""
    workflow: str | None = None
    takes: int = 1
    overrides: Mapping[str, Any] = field(default_factory=dict)
    render_seconds: float | None = None


async def add_board(order: AddOrder) -> int:
    """Check what the board is made from, write it down, and say so; what the command exits with.

    Raises:
        ShotListFaults, WorkflowFaults, SourceNotFound, SourceUnavailable: the list, its pictures or the workflow cannot
            be used.
        StoreRefused, StoreUnavailable: the store cannot be read or written to.
    """
    # Prefect keeps the parameters of each night's runs.
    refuse_credentials(order.shots)
    refuse_credentials(order.workflow)
    shots = _absolute(order.shots)
    workflow = None if order.workflow is None else _absolute(order.workflow)
    async with await deployment_store(order.store) as store:
        async with SourceReader.for_store(store) as sources:
            inputs = await load_inputs(shots, DEFAULT_WORKFLOW, sources, store, ask_no_server)
            if workflow is not None:
                await check_workflow(workflow, sources)
        entry = NightlyBoard(
            board=order.board or inputs.name,
            shots=shots,
            workflow=workflow,
            takes=order.takes,
            overrides=dict(order.overrides),
            render_seconds=order.render_seconds,
            added=datetime.now(UTC),
        )
        changed = await add_nightly(store, entry)
    count = plural(len(inputs.shot_list.shots), "shot")
    _write(f"{entry.board} is rendered every night from {shown(shots)} ({count}){', changed' if changed else ''}")
    _write(f"kept in {store.name}: the deployment nightly/nightly must use this store")
    _write(f"every worker must be able to read {' and '.join(map(shown, entry.input_uris))}")
    return 0


async def list_boards(store: str | None, *, as_json: bool = False) -> int:
    """Print the nightly boards and return the exit code: 1 if an entry cannot be read."""
    async with await deployment_store(store) as kept:
        found = (await nightly_boards(kept)).values()
    boards = [each for each in found if isinstance(each, NightlyBoard)]
    faults = [str(each) for each in found if isinstance(each, RecordUnreadable)]
    if as_json:
        entries = [each.model_dump(mode="json", by_alias=True) for each in boards]
        write_json({"schema": SCHEMA, "store": kept.name, "boards": entries, "unreadable": faults})
    else:
        _print(boards, faults, kept.name)
    return 1 if faults else 0


async def remove_board(store: str | None, board: str) -> int:
    """Remove a nightly board, print it and return the exit code.

    Raises:
        NotInStore: The board is not a nightly one.
    """
    async with await deployment_store(store) as kept:
        await remove_nightly(kept, board)
    _write(f"{board} is no longer rendered every night; rendered frames stay")
    return 0


def _absolute(path_or_url: str) -> str:
    return str(Path(path_or_url).expanduser().absolute()) if kind_of(path_or_url) == "path" else path_or_url


def _write(sentence: str) -> None:
    sys.stdout.write(printable(sentence) + "\n")


def _print(boards: Sequence[NightlyBoard], faults: Sequence[str], store: str) -> None:
    if not boards and not faults:
        _write(f"{store}: {NO_BOARDS}")
    if boards:
        table = Table(box=None, pad_edge=False)
        for heading in ("board", "shot list", "workflow"):
            table.add_column(heading, overflow="fold")
        table.add_column("takes", justify="right")
        table.add_column("added (UTC)", no_wrap=True)
        for each in boards:
            words = [each.board, shown(each.shots), _workflow(each), str(each.takes)]
            words.append(f"{each.added.astimezone(UTC):%Y-%m-%d %H:%M}")
            table.add_row(*(Text(printable(word)) for word in words))
        Console(highlight=False).print(table)
    for fault in faults:
        Console(highlight=False, stderr=True).print(Text(printable(fault)), soft_wrap=True)


def _workflow(board: NightlyBoard) -> str:
    if board.workflow is None:
        return "the deployment's"
    return shown(board.workflow) if isinstance(board.workflow, str) else "settings"
