"""Stop a run's process when the run was cancelled or restarted and no worker ends it."""

import asyncio
import os
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.states import AwaitingRetry, Cancelling, Pending, Running

from tasks import remote_end
from tests.flows.conftest import prefect_settings
from tests.flows.test_lost_runs import run_in

pytestmark = [
    pytest.mark.usefixtures("no_worker", "deployed"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


class Left(BaseException):
    """The process has ended."""


@pytest.fixture(autouse=True)
def _often(deployed_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(remote_end, "_POLL_EVERY", 0.05)
    with prefect_settings(deployed_environment):
        yield


async def test_a_cancelled_run_gives_a_worker_time_and_then_stops_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    rendering = asyncio.create_task(asyncio.Event().wait())

    @flow
    async def watch() -> None:
        async with get_client() as client:
            run = await run_in(client, Pending(), Running(), Cancelling())
            watching = asyncio.create_task(remote_end._watch(run.id, rendering))
            await asyncio.sleep(0.3)
            assert not rendering.done()
            monkeypatch.setattr(remote_end, "_WORKERS_TURN", timedelta(0))
            await asyncio.wait([rendering], timeout=30)
            assert rendering.cancelled()
            await watching
            with pytest.raises(Left, match="0"):
                await remote_end._leave_cancelled(run.id)
            state = (await client.read_flow_run(run.id)).state
            await client.delete_flow_run(run.id)
        assert state is not None
        assert state.is_cancelled()
        assert "its worker was gone" in (state.message or "")

    await watch()


async def test_a_process_whose_run_started_elsewhere_leaves_without_a_word() -> None:
    @flow
    async def watch() -> None:
        async with get_client() as client:
            run = await run_in(client, Pending(), Running())
            this = asyncio.current_task()
            assert this is not None
            watching = asyncio.create_task(remote_end._watch(run.id, this))
            await asyncio.sleep(0.3)
            assert not watching.done()
            for state in (AwaitingRetry(), Pending(), Running()):
                await client.set_flow_run_state(run.id, state, force=True)
            with pytest.raises(Left, match="0"):
                await watching
            state = (await client.read_flow_run(run.id)).state
            await client.delete_flow_run(run.id)
        assert state is not None
        assert state.is_running()

    await watch()
