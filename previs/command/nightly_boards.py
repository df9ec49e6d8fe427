"""Choose the boards that are rendered every night."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from previs.boards.nightly import NO_BOARDS, NightlyBoard, add_nightly, nightly_boards, remove_nightly
from previs.command.board_schedules import (
    FAILED,
    SchedulesNotReached,
    add_schedule,
)
from previs.command.console import console
from previs.command.farm_and_store import deployment_store
from previs.command.input_check import ask_no_server, check_workflow
from previs.command.output import write_error, write_json, write_line
from previs.errors import NotInStore, RecordUnreadable, ScheduleRefused
from previs.ingest.load import load_inputs
from previs.ingest.reader import SourceReader
from previs.ingest.workflow_files import DEFAULT_WORKFLOW
from previs.publishing.views.wording import plural
from previs.store import Store, keys
from previs.store.addresses import kind_of, shown
from previs.store.credentials import refuse_credentials
from previs.store.opening import store_block
from previs.text.visible import visible

SCHEMA: Final = "previs.nightly-boards/1"
ETC_UTC: Final = "Etc/UTC"

Schedules = list[dict[str, Any]]
Ask = Callable[[], Awaitable[Schedules]]
Remove = Callable[[str], Awaitable[Schedules]]


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
    cron: str | None = None
    timezone: str | None = None


async def add_board(order: AddOrder) -> int:
    """Check what the board is made from, write it down or schedule it, and say so; what the command exits with.

    Raises:
        ScheduleRefused: A time zone is given without a cron line.
        ShotListFaults, WorkflowFaults, SourceNotFound, SourceUnavailable: the list, its pictures or the workflow cannot
            be used.
        StoreRefused, StoreUnavailable: the store cannot be read or written to.
    """
    # Prefect keeps the parameters of each night's runs.
    refuse_credentials(order.shots)
    refuse_credentials(order.workflow)
    if order.timezone is not None and order.cron is None:
        raise ScheduleRefused("a board", f"timezone: {order.timezone!r} is of no use without --cron")
    async with await deployment_store(order.store) as store:
        entry, source = await _checked(order, store)
        if order.cron is not None:
            stored = keys.nightly_key(entry.board) in await nightly_boards(store)
            return await _schedule(entry, order, source, stored=stored)
        changed = await add_nightly(store, entry)
    write_line(f"{entry.board} is rendered every night from {source}{', changed' if changed else ''}")
    write_line(f"kept in {store.name}: the deployment nightly/nightly must use this store")
    write_line(_readable(entry))
    return 0


async def _checked(order: AddOrder, store: Store) -> tuple[NightlyBoard, str]:
    """Read the list and the workflow; return the board's entry, and what it is rendered from in words."""
    shots = _absolute(order.shots)
    workflow = None if order.workflow is None else _absolute(order.workflow)
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
    return entry, f"{shown(shots)} ({plural(len(inputs.shot_list.shots), 'shot')})"


async def _schedule(entry: NightlyBoard, order: AddOrder, source: str, *, stored: bool) -> int:
    """Give the board a schedule in Prefect, say so and return the exit code."""
    store = order.store and (order.store if store_block(order.store) is not None else _absolute(order.store))
    try:
        done = await add_schedule(entry, store, order.cron or "", order.timezone)
    except SchedulesNotReached as error:
        write_error(error.reason)
        return error.code
    before = "".join(f", in place of {_when(each)}" for each in done["replaced"])
    write_line(f"{entry.board} is rendered at {order.cron} ({order.timezone or ETC_UTC}) from {source}{before}")
    write_line("kept in Prefect, as a schedule of the deployment storyboard/by-schedule")
    if done["paused"]:
        write_line("the deployment storyboard/by-schedule is paused: nothing starts until it is resumed")
    if stored:
        write_line(f"{entry.board} is also among the boards of the store, and rendered with them every night")
    write_line(_readable(entry))
    return 0


def _readable(entry: NightlyBoard) -> str:
    return f"every worker must be able to read {' and '.join(map(shown, entry.input_uris))}"


async def list_boards(store: str | None, *, as_json: bool = False, ask: Ask | None = None) -> int:
    """Print the nightly boards and return the exit code: 1 if an entry cannot be read, or Prefect not be asked.

    Args:
        store: Store of the boards.
        as_json: Whether to print JSON.
        ask: Returns the boards with a schedule of their own; None to leave them out.
    """
    faults, scheduled = [], []
    try:
        scheduled = await ask() if ask else []
    except SchedulesNotReached as error:
        faults = [f"schedules of boards cannot be listed: {error.reason}"]
    async with await deployment_store(store) as kept:
        found = (await nightly_boards(kept)).values()
    boards = [each for each in found if isinstance(each, NightlyBoard)]
    faults += [str(each) for each in found if isinstance(each, RecordUnreadable)]
    if as_json:
        entries = [each.model_dump(mode="json", by_alias=True) for each in boards]
        content = {"boards": entries, "scheduled": scheduled, "unreadable": faults}
        write_json({"schema": SCHEMA, "store": kept.name} | content)
    else:
        _print(boards, scheduled, faults, kept.name)
    return 1 if faults else 0


async def remove_board(store: str | None, board: str, remove: Remove | None = None) -> int:
    """Remove a nightly board, its schedule too, print it and return the exit code: 1 if Prefect cannot be asked.

    Args:
        store: Store of the boards.
        board: Name of the board.
        remove: Removes and returns the schedules of a board; None if there are none.

    Raises:
        NotInStore: The board is not a nightly one, and has no schedule.
    """
    fault, schedules = "", []
    try:
        schedules = await remove(board) if remove else []
    except SchedulesNotReached as error:
        fault = error.reason
    for each in schedules:
        write_line(f"{each['board']} is no longer rendered at {_when(each)}; rendered frames stay")
    async with await deployment_store(store) as kept:
        try:
            await remove_nightly(kept, board)
            write_line(f"{board} is no longer rendered every night; rendered frames stay")
        except NotInStore as error:
            if not schedules and not fault:
                error.add_note("no schedule in Prefect has this name either: previs nightly list shows them")
                raise
    if fault:
        write_error(f"a schedule of {board} in Prefect would still start it: {fault}")
    return FAILED if fault else 0


def _absolute(path_or_url: str) -> str:
    return str(Path(path_or_url).expanduser().absolute()) if kind_of(path_or_url) == "path" else path_or_url


def _print(boards: Sequence[NightlyBoard], scheduled: Schedules, faults: Sequence[str], store: str) -> None:
    if not boards and not scheduled and not faults:
        write_line(f"{store}: {NO_BOARDS}")
    rows: list[tuple[str, object, object, int, str, str]] = [
        (each.board, each.shots, each.workflow, each.takes, "every night", each.added.astimezone(UTC).isoformat())
        for each in boards
    ]
    rows += [
        (each["board"], each["shots"], each["workflow"], each["takes"], _when(each), each["updated"])
        for each in scheduled
    ]
    if rows:
        table = Table(box=None, pad_edge=False)
        for heading in ("board", "shot list", "workflow"):
            table.add_column(heading, overflow="fold")
        table.add_column("takes", justify="right")
        table.add_column("when", overflow="fold")
        table.add_column("added (UTC)", no_wrap=True)
        for board, shots, workflow, takes, when, added in rows:
            words = [board, _source(shots), _source(workflow), str(takes), when, added[:16].replace("T", " ")]
            table.add_row(*(Text(visible(word)) for word in words))
        console().print(table)
    for fault in faults:
        write_error(fault)


def _when(schedule: Mapping[str, Any]) -> str:
    off = "" if schedule["active"] else ", switched off"
    return f"{schedule['when']} ({schedule['timezone']}){off}"


def _source(given: object) -> str:
    """Return a list or workflow as a word of the table."""
    if given is None:
        return "the deployment's"
    return shown(given) if isinstance(given, str) else "in the parameters"
