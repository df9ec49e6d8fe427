"""Find runs whose process was lost with its machine or worker, and restart them."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import AwaitingRetry, Crashed

from blocks.asking import prefect_client
from previs.text.visible import visible
from tasks.part import Part
from tasks.retries import step

_HEARTBEAT: Final = "prefect.flow-run.heartbeat"
_POLL_EVERY: Final = 5
_UNDER_WAY: Final = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
# A run sends no heartbeat while its container starts, which may take minutes.
_LONGEST_START: Final = timedelta(minutes=10)
_PAGE: Final = 200
_MOST_STARTS: Final = 5
_CRASHED_WITHIN: Final = timedelta(days=1)
_SHOWN: Final = 60
# What Prefect says of a process that vanished or lost the pipe to its worker, or of a server that was away when a run
# began. Signal 2 is somebody's Ctrl-C, and code 1 a run's own fault.
_LOST: Final = re.compile(
    r"Execution was cancelled by the runtime environment"
    r"|Execution was aborted by (a termination signal|Python system exit call)"
    r"|Process exited with status code: (-(?!2\b)\d+|137|143|247)\b"
    r"|Request to \S+ failed|Request failed while attempting to contact the server"
)


class LostRuns(NamedTuple):
    """Hold the names of runs that lost their process."""

    restarted: list[str]
    given_up: list[str]


@step("restart lost runs")
async def restart_lost_runs(flow: str, seconds: float) -> LostRuns:
    """Restart the runs of a flow whose process is gone, unless they have started too often.

    Those that Prefect knows to have crashed are restarted at once; those under way are watched, and restarted if they
    neither change state nor send a heartbeat. Left alone are runs without a deployment, which no worker would restart;
    those that somebody cancelled; those that never sent a heartbeat; suspended ones; and parts, whose shots another run
    takes.

    Args:
        flow: Name of the flow.
        seconds: How long to watch; longer than the interval of heartbeats.
    """
    lost, loop = LostRuns([], []), asyncio.get_running_loop()
    async with prefect_client() as client:
        for run in await _crashed(client, flow):
            await _restart(client, run, _quoted(run), lost)
        silent = {run.id: (run, heartbeat) async for run, heartbeat in _candidates(client, flow)}
        until = loop.time() + seconds
        while silent and loop.time() < until:
            await asyncio.sleep(_POLL_EVERY)
            for run, heartbeat in tuple(silent.values()):
                if await _is_alive(client, run, heartbeat):
                    del silent[run.id]
        for run, _ in silent.values():
            await _restart(client, run, f"it sent no heartbeat for {seconds:g} s", lost)
    return lost


async def _crashed(client: PrefectClient, flow: str) -> list[FlowRun]:
    """Return crashed runs that lost their process and that nobody had cancelled."""
    recently = FlowRunFilterEndTime(after_=datetime.now(UTC) - _CRASHED_WITHIN)
    return [
        run
        for run in await _deployed_runs(client, flow, [StateType.CRASHED], recently)
        if run.state and _LOST.match(run.state.message or "") and not await _was_cancelled(client, run)
    ]


async def _was_cancelled(client: PrefectClient, run: FlowRun) -> bool:
    """Return whether somebody cancelled the run's last start."""
    states = sorted(await client.read_flow_run_states(run.id), key=lambda state: state.timestamp)
    started = max((number for number, state in enumerate(states) if state.is_pending()), default=0)
    return any(state.is_cancelling() or state.is_cancelled() for state in states[started:])


def _quoted(run: FlowRun) -> str:
    """Return the first sentence of what Prefect says about a run."""
    message = (run.state and run.state.message) or ""
    return f"{visible(message.rstrip('.').partition('. ')[0][:_SHOWN])!r}"


async def _deployed_runs(
    client: PrefectClient, flow: str, types: list[StateType], end_time: FlowRunFilterEndTime | None = None
) -> list[FlowRun]:
    of_flow = FlowFilter(name=FlowFilterName(any_=[flow]))
    wanted = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)),
        end_time=end_time,
    )
    found: list[FlowRun] = []
    while page := await client.read_flow_runs(
        flow_filter=of_flow, flow_run_filter=wanted, limit=_PAGE, offset=len(found)
    ):
        found += page
    return [run for run in found if Part.of_key(run.idempotency_key) is None]


async def _candidates(client: PrefectClient, flow: str) -> AsyncIterator[tuple[FlowRun, UUID | None]]:
    """Yield unfinished runs that may have lost their process, each with its last heartbeat."""
    for run in await _deployed_runs(client, flow, _UNDER_WAY):
        heartbeat, state = await _last_heartbeat(client, run.id), run.state
        if state is None or state.state_details.pause_reschedule:
            continue
        if state.timestamp < datetime.now(UTC) - _LONGEST_START if state.is_pending() else heartbeat is not None:
            yield run, heartbeat


async def _last_heartbeat(client: PrefectClient, run: UUID) -> UUID | None:
    """Return the id of a run's last heartbeat, up to one day ahead: the clock of its machine may be fast."""
    heartbeats = EventFilter(
        event=EventNameFilter(name=[_HEARTBEAT]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]),
        occurred=EventOccurredFilter(until=datetime.now(UTC) + timedelta(days=1)),
    )
    events = (await client.read_events(heartbeats, limit=1)).events
    return events[0].id if events else None


async def _is_alive(client: PrefectClient, run: FlowRun, heartbeat: UUID | None) -> bool:
    """Return whether a run was deleted, changed its state or sent another heartbeat."""
    try:
        now = await client.read_flow_run(run.id)
    except ObjectNotFound:
        return True
    return now.state_id != run.state_id or await _last_heartbeat(client, run.id) != heartbeat


async def _restart(client: PrefectClient, run: FlowRun, reason: str, lost: LostRuns) -> None:
    """Restart a run, or give it up; its history says which, and why."""
    now = await client.read_flow_run(run.id)
    if now.state_id != run.state_id:
        return
    state: State[None]
    if run.run_count >= _MOST_STARTS:
        message = f"its process was lost in {run.run_count} starts, and it is not started again: {reason}"
        state, names = Crashed(message=message), lost.given_up
    else:
        message = f"its process was lost, start {run.run_count + 1} of at most {_MOST_STARTS} follows: {reason}"
        state, names = AwaitingRetry(message=message), lost.restarted
    if (await client.set_flow_run_state(run.id, state, force=state.is_final())).status is SetStateStatus.ACCEPT:
        names.append(run.name)
        get_run_logger().warning("%s: %s", run.name, message)
