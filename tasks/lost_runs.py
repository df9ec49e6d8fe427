"""Lost runs: find runs whose process is gone with its machine or worker, and start them again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
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

from tasks.retries import step

_SIGN: Final = "prefect.flow-run.heartbeat"
_LOOK_EVERY: Final = 5
_UNDER_WAY: Final = [StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
# A run has given no sign of life yet while its container is made, which may take long.
_LONGEST_START: Final = timedelta(minutes=10)
_PAGE: Final = 200


@step("watch runs")
async def start_lost_runs(flow: str, seconds: float) -> list[str]:
    """Watch the runs of a flow, and start those again that neither change their state nor give a sign of life.

    Runs without a deployment are left alone, as nobody is there who would start them; so are those that never gave a
    sign, and those that somebody suspended.

    Args:
        flow: its name.
        seconds: to watch; more than lie between two signs of life.

    Returns:
        The names of the runs that start again.
    """
    logger, loop = get_run_logger(), asyncio.get_running_loop()
    async with get_client() as client:
        silent = {run.id: (run, sign) async for run, sign in _may_be_lost(client, flow)}
        until = loop.time() + seconds
        while silent and loop.time() < until:
            await asyncio.sleep(_LOOK_EVERY)
            for run, sign in tuple(silent.values()):
                if await _has_moved(client, run, sign):
                    del silent[run.id]
        again = [run.name for run, _ in silent.values() if await _starts_again(client, run, seconds)]
    for name in again:
        logger.warning("%s gave no sign of life any more, and starts again", name)
    return again


async def _may_be_lost(client: PrefectClient, flow: str) -> AsyncIterator[tuple[FlowRun, UUID | None]]:
    """Runs under way that may have no process any more, each with its last sign of life."""
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
        sign, state = await _last_sign(client, run.id), run.state
        if state is None or state.state_details.pause_reschedule:
            continue
        if state.timestamp < datetime.now(UTC) - _LONGEST_START if state.is_pending() else sign is not None:
            yield run, sign


async def _last_sign(client: PrefectClient, run: UUID) -> UUID | None:
    """The last sign of life that the server has of a run, whatever the clock of its machine says."""
    signs = EventFilter(
        event=EventNameFilter(name=[_SIGN]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]),
        occurred=EventOccurredFilter(until=datetime.now(UTC) + timedelta(days=1)),
    )
    events = (await client.read_events(signs, limit=1)).events
    return events[0].id if events else None


async def _has_moved(client: PrefectClient, run: FlowRun, sign: UUID | None) -> bool:
    """Whether a run is gone, has another state, or has given another sign of life than it had."""
    try:
        now = await client.read_flow_run(run.id)
    except ObjectNotFound:
        return True
    return now.state_id != run.state_id or await _last_sign(client, run.id) != sign


async def _starts_again(client: PrefectClient, run: FlowRun, seconds: float) -> bool:
    why = f"its process was lost: it gave no sign of life while it was watched for {seconds:g} s"
    return (await client.set_flow_run_state(run.id, AwaitingRetry(message=why))).status is SetStateStatus.ACCEPT
