"""Find runs whose process was lost with its machine or worker, and restart them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger
from prefect.states import AwaitingRetry

from blocks.asking import prefect_client
from tasks.retries import step

_HEARTBEAT: Final = "prefect.flow-run.heartbeat"
_POLL_EVERY: Final = 5
_UNDER_WAY: Final = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
# A run sends no heartbeat while its container starts, which may take minutes.
_LONGEST_START: Final = timedelta(minutes=10)
_PAGE: Final = 200


@step("restart lost runs")
async def restart_lost_runs(flow: str, seconds: float) -> list[str]:
    """Watch the runs of a flow, restart those that neither change state nor send a heartbeat, and return their names.

    Three kinds of runs are left alone: those without a deployment, which no worker would restart; those that never
    sent a heartbeat; and suspended ones.

    Args:
        flow: Name of the flow.
        seconds: How long to watch; longer than the interval of heartbeats.
    """
    logger, loop = get_run_logger(), asyncio.get_running_loop()
    async with prefect_client() as client:
        silent = {run.id: (run, heartbeat) async for run, heartbeat in _candidates(client, flow)}
        until = loop.time() + seconds
        while silent and loop.time() < until:
            await asyncio.sleep(_POLL_EVERY)
            for run, heartbeat in tuple(silent.values()):
                if await _is_alive(client, run, heartbeat):
                    del silent[run.id]
        restarted = [run.name for run, _ in silent.values() if await _restart(client, run, seconds)]
    for name in restarted:
        logger.warning("%s sent no heartbeat any more and is restarted", name)
    return restarted


async def _candidates(client: PrefectClient, flow: str) -> AsyncIterator[tuple[FlowRun, UUID | None]]:
    """Yield unfinished runs that may have lost their process, each with its last heartbeat."""
    of_flow = FlowFilter(name=FlowFilterName(any_=[flow]))
    under_way = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(is_null_=False),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)),
    )
    found: list[FlowRun] = []
    while page := await client.read_flow_runs(
        flow_filter=of_flow, flow_run_filter=under_way, limit=_PAGE, offset=len(found)
    ):
        found += page
    for run in found:
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


async def _restart(client: PrefectClient, run: FlowRun, seconds: float) -> bool:
    reason = f"its process was lost: it sent no heartbeat for {seconds:g} s"
    return (await client.set_flow_run_state(run.id, AwaitingRetry(message=reason))).status is SetStateStatus.ACCEPT
