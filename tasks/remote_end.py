"""Stop this process when its run was cancelled, or started elsewhere, while no worker was there to end it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled

_POLL_EVERY: Final = 15
# A worker stops a cancelled run within seconds.
_WORKERS_TURN: Final = timedelta(seconds=40)


@contextlib.asynccontextmanager
async def ending_with_its_run() -> AsyncIterator[None]:
    """Watch this run's states in Prefect; end the process if the run was cancelled or restarted without it.

    A run that outlives its worker has nobody who stops it. Cancelled, it stops as a worker would stop it. Restarted by
    ``lost-runs``, it leaves its prompts to the new process.
    """
    run = asyncio.current_task()
    if run is None or deployment.id is None:
        yield
        return
    watch = asyncio.create_task(_watch(UUID(flow_run.id), run))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.wait([watch])


async def _watch(identity: UUID, run: asyncio.Task[Any]) -> None:
    starts: int | None = None
    async with get_client() as client:
        while True:
            await asyncio.sleep(_POLL_EVERY)
            with contextlib.suppress(httpx.TransportError, PrefectHTTPStatusError, ObjectNotFound):
                states = await client.read_flow_run_states(identity)
                scheduled = sum(state.is_scheduled() for state in states)
                starts = scheduled if starts is None else starts
                if scheduled > starts:
                    await _leave()
                if await _is_cancelled(client, identity, max(states, key=lambda state: state.timestamp)):
                    get_run_logger().warning(
                        "this run was cancelled, and no worker was there to stop it: it stops itself"
                    )
                    run.cancel()
                    return


async def _leave() -> None:
    """Leave the process at once; the exit code is 0, because Prefect's worker would report another one as a crash."""
    get_run_logger().warning("this run has started again elsewhere: this process ends, and leaves its prompts there")
    await APILogHandler.aflush()
    os._exit(0)


async def _is_cancelled(client: PrefectClient, identity: UUID, state: State[None]) -> bool:
    """Return whether the run was cancelled and no worker stops it; let Prefect know that it ends."""
    if state.is_cancelling() and state.timestamp < datetime.now(UTC) - _WORKERS_TURN:
        # What is final stays: the crash that Prefect's engine makes of a cancelled task is refused.
        await client.set_flow_run_state(identity, Cancelled(message="stopped by itself: no worker was there to do it"))
        return True
    return state.is_cancelled()
