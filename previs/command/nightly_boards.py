"""Say which boards are rendered each night."""

import asyncio
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cyclopts import App
from rich.console import Console
from rich.table import Table
from rich.text import Text

from previs.boards.nightly import NO_BOARDS, NightlyBoard, add_nightly, nightly_boards, remove_nightly
from previs.comfyui.protocol.classes import NodeClass
from previs.command.options import Count, Flag, Overrides
from previs.command.output import printable, write_json
from previs.command.overrides import overrides_in
from previs.command.places import store_of_runs
from previs.errors import RecordUnreadable
from previs.ingest.load import DEFAULT_WORKFLOW, load_inputs
from previs.ingest.reader import SourceReader, shown
from previs.pictures import workflow_in
from previs.publishing.views.wording import plural
from previs.store import S3Store
from previs.store.addresses import kind_of
from previs.workflow import open_workflow

SCHEMA: Final = "previs.nightly-boards/1"

nightly = App(name="nightly", help="Say which boards are rendered each night, by the deployment nightly/nightly.")


@dataclass(frozen=True, slots=True)
class AddOrder:
    """What a person asked for; see the command's help."""

    store: str | None
    shots: str
    board: str = ""
    workflow: str | None = None
    takes: int = 1
    overrides: Mapping[str, Any] = field(default_factory=dict)


@nightly.command
def add(
    shots: str,
    /,
    *,
    board: str = "",
    workflow: str | None = None,
    takes: Count = 1,
    override: Overrides = None,
    store: str | None = None,
) -> int:
    """Have a board rendered each night; what has not changed since is not rendered again.

    The list and the workflow are checked now, and read again each night: edit them where they are. A board that is
    rendered each night already is changed.

    Parameters
    ----------
    shots
        A JSON, YAML or CSV file: a path that every worker can read, s3:// or https://.
    board
        The name under which runs gather. Default: the list's title.
    workflow
        As for previs run, where every worker can read it. Default: what the deployment renders with.
    takes
        As for previs run.
    override
        As for previs run.
    store
        s3://bucket/prefix, a folder, or block:NAME: that of the deployment. Default: as for its runs, the block named
        default, or the folder storyboards.
    """
    return asyncio.run(add_board(AddOrder(store, shots, board, workflow, takes, overrides_in(override or ()))))


@nightly.command(name="list")
def list_(*, json: Flag = False, store: str | None = None) -> int:
    """List the boards that are rendered each night.

    Parameters
    ----------
    json
        Write JSON instead of a table.
    store
        As for previs nightly add.
    """
    return asyncio.run(list_boards(store, as_json=json))


@nightly.command
def remove(board: str, /, *, store: str | None = None) -> int:
    """Have a board no longer rendered each night; what was rendered stays.

    Parameters
    ----------
    board
        Its name; previs nightly list tells it.
    store
        As for previs nightly add.
    """
    return asyncio.run(remove_board(store, board))


async def add_board(order: AddOrder) -> int:
    """Check what the board is made from, write it down, and say so; what the command exits with.

    Raises:
        ShotListFaults, WorkflowFaults, SourceNotFound, SourceTrouble: the list, its pictures or the workflow cannot
            be used.
        StoreRefused, StoreTrouble: the store cannot be read or written to.
    """
    shots = _absolute(order.shots)
    workflow = None if order.workflow is None else _absolute(order.workflow)
    async with await store_of_runs(order.store) as store:
        async with SourceReader(store.settings if isinstance(store, S3Store) else None) as sources:
            given = await load_inputs(shots, DEFAULT_WORKFLOW, sources, store, _no_server)
            if workflow is not None:
                await _check_workflow(workflow, sources)
        entry = NightlyBoard(
            board=order.board or given.name,
            shots=shots,
            workflow=workflow,
            takes=order.takes,
            overrides=dict(order.overrides),
            added=datetime.now(UTC),
        )
        changed = await add_nightly(store, entry)
    count = plural(len(given.shot_list.shots), "shot")
    _say(f"{entry.board} is rendered each night from {shown(shots)} ({count}){', changed' if changed else ''}")
    _say(f"kept in {store.name}: the deployment nightly/nightly must use this store")
    _say(f"every worker must be able to read {' and '.join(map(shown, entry.places))}")
    return 0


async def list_boards(store: str | None, *, as_json: bool = False) -> int:
    """Print the boards that are rendered each night; what the command exits with: 1 if an entry cannot be read."""
    async with await store_of_runs(store) as kept:
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
    """Take a board out of the night, and say so; what the command exits with.

    Raises:
        NotInStore: it is not rendered each night.
    """
    async with await store_of_runs(store) as kept:
        await remove_nightly(kept, board)
    _say(f"{board} is no longer rendered each night; what was rendered stays")
    return 0


async def _check_workflow(place: str, sources: SourceReader) -> None:
    """Refuse what is no workflow; what only servers know of it is left to the night's run."""
    name = shown(place)
    opened = open_workflow(workflow_in(await sources.read(place), name=name), name=name)
    if not opened.classes:
        opened.read({})


async def _no_server(
    names: Collection[str],  # noqa: ARG001 - no server is asked
    *,
    needed: bool,  # noqa: ARG001 - likewise
) -> Mapping[str, Mapping[str, NodeClass | None]]:
    """What is learnt of node classes where no server is asked."""
    return {}


def _absolute(place: str) -> str:
    return str(Path(place).expanduser().absolute()) if kind_of(place) == "path" else place


def _say(sentence: str) -> None:
    sys.stdout.write(printable(sentence) + "\n")


def _print(boards: Sequence[NightlyBoard], faults: Sequence[str], store: str) -> None:
    if not boards and not faults:
        _say(f"{store}: {NO_BOARDS}")
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
