"""Stop this process when its run was cancelled, or started elsewhere, while no worker was there to end it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.logging.handlers import APILogHandler
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled

_POLL_EVERY: Final = 15
# A worker stops a cancelled run within seconds.
_WORKERS_TURN: Final = timedelta(seconds=40)
_AWAY: Final = (httpx.TransportError, PrefectHTTPStatusError, ObjectNotFound)


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
    identity = UUID(flow_run.id)
    watch = asyncio.create_task(_watch(identity, run))
    try:
        yield
    except asyncio.CancelledError:
        if watch.done():
            await _leave_cancelled(identity)
        raise
    finally:
        watch.cancel()
        await asyncio.wait([watch])


async def _watch(identity: UUID, run: asyncio.Task[Any]) -> None:
    starts: int | None = None
    async with get_client() as client:
        while True:
            await asyncio.sleep(_POLL_EVERY)
            with contextlib.suppress(*_AWAY):
                states = await client.read_flow_run_states(identity)
                scheduled = sum(state.is_scheduled() for state in states)
                starts = scheduled if starts is None else starts
                if scheduled > starts:
                    await _leave(
                        "this run has started again elsewhere: this process ends, and leaves its prompts there"
                    )
                if _is_cancelled(max(states, key=lambda state: state.timestamp)):
                    run.cancel()
                    return


def _is_cancelled(state: State[None]) -> bool:
    """Return whether the run was cancelled, and no worker stops it."""
    return state.is_cancelled() or (state.is_cancelling() and state.timestamp < datetime.now(UTC) - _WORKERS_TURN)


async def _leave_cancelled(identity: UUID) -> None:
    """Leave as cancelled; Prefect's engine would call a cancelled task a crash."""
    with contextlib.suppress(*_AWAY):
        async with get_client() as client:
            await client.set_flow_run_state(identity, Cancelled(message="it stopped itself: its worker was gone"))
    await _leave("this run was cancelled, and no worker was there to stop it: it stopped itself")


async def _leave(sentence: str) -> None:
    """Leave the process at once; the exit code is 0, because Prefect's worker would report another one as a crash."""
    get_run_logger().warning(sentence)
    await APILogHandler.aflush()
    os._exit(0)
