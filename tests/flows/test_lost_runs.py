"""Tell runs that lost their process from those that live, have ended or have not begun."""

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from prefect import flow
from prefect._internal.infrastructure_exit_codes import get_infrastructure_exit_info
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.exceptions import TerminationSignal
from prefect.states import (
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Paused,
    Pending,
    Running,
    Suspended,
    exception_to_crashed_state,
)

from tasks import lost_runs
from tests.flows.conftest import prefect_settings
from tests.flows.deployed import post, runs_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("no_worker", "deployed_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

LOOKS = "lost-runs/automatic"
# The server takes seconds to write down a sign of life if it has much else to do.
WATCH = 8
# Between a run's creation and a look at it, on a machine with much else to do.
STARTS_WITHIN = 5


async def sign(api: str, run: uuid.UUID) -> None:
    """Send a sign of life, as Prefect's engine does."""
    event = {
        "id": str(uuid.uuid4()),
        "event": "prefect.flow-run.heartbeat",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run}"},
        "related": [
            {
                "prefect.resource.id": f"prefect.flow.{run}",
                "prefect.resource.role": "flow",
                "prefect.resource.name": "storyboard",
            }
        ],
    }
    await post(api, "/events", [event])


async def run_in(client: PrefectClient, *states: State[Any], key: str | None = None) -> FlowRun:
    """Create a run of the deployed flow that has no process, and that had these states."""
    deployment = await client.read_deployment_by_name("storyboard/by-hand")
    name = f"{states[-1].name} {uuid.uuid4()}"
    run = await client.create_flow_run_from_deployment(deployment.id, name=name, idempotency_key=key)
    for state in states:
        await client.set_flow_run_state(run.id, state, force=True)
    return await client.read_flow_run(run.id)


def exited(code: int) -> State[Any]:
    """Return the state that a worker reports for a process that has exited."""
    explanation = get_infrastructure_exit_info(code).explanation
    return Crashed(message=f"Process exited with status code: {code}. {explanation}")


async def crashed_by(error: BaseException) -> State[Any]:
    """Return the state that a flow's own process reports."""
    return Crashed(message=(await exception_to_crashed_state(error)).message)


async def until_signed(client: PrefectClient, *runs: FlowRun) -> None:
    """Wait until the server has written down a sign of life of each run."""
    async with asyncio.timeout(30):
        for run in runs:
            while await lost_runs._last_heartbeat(client, run.id) is None:
                await asyncio.sleep(0.25)


@pytest.fixture
def deployed_api(deployed_environment: dict[str, str], silent_run: set[uuid.UUID]) -> Iterator[str]:  # noqa: ARG001 - it has begun
    """Have flows that this process runs use the server of the deployments."""
    with prefect_settings(deployed_environment):
        yield deployed_environment["PREFECT_API_URL"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def silent_run(deployed: str, deployed_environment: dict[str, str]) -> AsyncIterator[set[uuid.UUID]]:
    """Have silence noticed after ten seconds, Prefect's least, and let a run fall silent; yield the looks before."""
    assert deployed
    with prefect_settings(deployed_environment):
        async with get_client() as client:
            [silence] = await client.read_automations_by_name("previs · a run gives no sign of life")
            assert isinstance(silence.trigger, EventTrigger)
            registered = AutomationCore(name=silence.name, trigger=silence.trigger, actions=silence.actions)
            sooner = silence.trigger.model_copy(update={"within": timedelta(seconds=10)})
            await client.update_automation(silence.id, registered.model_copy(update={"trigger": sooner}))
            before = {run.id for run in await runs_of(client, LOOKS)}
            await sign(deployed_environment["PREFECT_API_URL"], uuid.uuid4())
            yield before
            await client.update_automation(silence.id, registered)
            for run in await runs_of(client, LOOKS):
                if run.id not in before:
                    await client.delete_flow_run(run.id)


# Silence is noticed while the first test goes on.
async def test_only_runs_that_stay_silent_start_again(deployed_api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_runs, "_LONGEST_START", timedelta(seconds=STARTS_WITHIN))
    monkeypatch.setattr(lost_runs, "_POLL_EVERY", 0.5)
    lost = {"silent", "waits for a review", "never began"}
    hour = datetime.now(UTC) + timedelta(hours=1)
    async with get_client() as client:
        states = {
            "never began": Pending(),
            "silent": Running(),
            "waits for a review": Paused(pause_expiration_time=hour),
            "alive": Running(),
            "ends": Running(),
            "failed": Failed(),
            "suspended": Suspended(pause_expiration_time=hour),
        }
        runs = {name: await run_in(client, state) for name, state in states.items()}
        begun = asyncio.get_running_loop().time()
        unheard = await run_in(client, Running())
        for run in runs.values():
            await sign(deployed_api, run.id)
        await until_signed(client, *runs.values())
        await asyncio.sleep(begun + STARTS_WITHIN - asyncio.get_running_loop().time())

        @flow
        async def look() -> lost_runs.LostRuns:
            runs["starting"] = await run_in(client, Pending())
            looking = asyncio.create_task(lost_runs.restart_lost_runs("storyboard", WATCH))
            await asyncio.sleep(1)
            await sign(deployed_api, runs["alive"].id)
            await client.set_flow_run_state(runs["ends"].id, Completed(), force=True)
            return await looking

        again = await look()
        now = {name: await client.read_flow_run(run.id) for name, run in {**runs, "unheard": unheard}.items()}
        for run in now.values():
            await client.delete_flow_run(run.id)
    assert {name for name, run in now.items() if run.name in again.restarted} == lost
    assert {name for name, run in now.items() if run.state_name == "AwaitingRetry"} == lost


async def test_crashed_runs_start_again_at_once_if_their_process_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_runs, "_MOST_STARTS", 2)
    async with get_client() as client:
        states = {
            "killed": [Pending(), Running(), exited(-9)],
            "out of memory": [Running(), exited(137)],
            "pipe cut": [Running(), await crashed_by(asyncio.CancelledError())],
            "terminated": [Running(), await crashed_by(TerminationSignal(15))],
            "cancelled once": [Pending(), Cancelling(), Pending(), Running(), exited(-9)],
            "own fault": [Running(), exited(1)],
            "interrupted": [Running(), await crashed_by(KeyboardInterrupt())],
            "cancelled": [Pending(), Running(), Cancelling(), exited(-9)],
            "set by hand": [Running(), Crashed(message="no longer needed")],
            "too often": [Running(), Running(), exited(-9)],
        }
        runs = {name: await run_in(client, *of_run) for name, of_run in states.items()}
        # The run whose board it is renders the rest.
        runs["a part"] = await run_in(client, Running(), exited(-9), key=f"part {uuid.uuid4()} 2 2")

        @flow
        async def look() -> lost_runs.LostRuns:
            return await lost_runs.restart_lost_runs("storyboard", 0)

        first, second = await look(), await look()
        now = {name: await client.read_flow_run(run.id) for name, run in runs.items()}
        for run in now.values():
            await client.delete_flow_run(run.id)
    lost = {"killed", "out of memory", "pipe cut", "terminated", "cancelled once"}
    assert {name for name, run in now.items() if run.state_name == "AwaitingRetry"} == lost
    assert {name for name, run in now.items() if run.name in first.restarted} == lost
    assert first.given_up == [now["too often"].name]
    assert second == lost_runs.LostRuns([], [])
    messages = {name: (run.state and run.state.message) or "" for name, run in now.items()}
    assert messages["killed"] == (
        "its process was lost, start 2 of at most 2 follows: 'Process exited with status code: -9'"
    )
    assert messages["too often"].startswith("its process was lost in 2 starts, and it is not started again: 'Process")


async def test_silence_crashes_and_a_workers_start_are_looked_after(
    deployed_api: str, silent_run: set[uuid.UUID]
) -> None:
    missing = {"previs · a run gives no sign of life", "previs · a run has crashed"}
    async with get_client() as client, asyncio.timeout(120):
        for tries in itertools.count(1):
            looks = [run for run in await runs_of(client, LOOKS) if run.id not in silent_run]
            missing -= {run.created_by.display_value for run in looks if run.created_by}
            if not missing:
                break
            if tries % 20 == 0:
                # The server may have read the first sign of life before the automation's new period, and on a busy
                # machine SQLite may have refused what the first crash triggered.
                await sign(deployed_api, uuid.uuid4())
                await client.delete_flow_run((await run_in(client, Running(), exited(-9))).id)
            await asyncio.sleep(0.25)
        [started] = await client.read_automations_by_name("previs · a worker has started")
        assert isinstance(started.trigger, EventTrigger)
        assert started.trigger.expect == {"prefect.worker.started"}
