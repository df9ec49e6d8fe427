"""Runs that give no sign of life any more are told from those that live, end or never gave one."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.states import Completed, Failed, Paused, Pending, Running, Suspended

from tasks import lost_runs
from tests.flows.deployed import deploy, next_run, runs_of

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

# The server writes events down every five seconds.
WATCH = 12


async def sign(api: str, run: uuid.UUID) -> None:
    """A sign of life, as Prefect's engine sends it."""
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
    async with httpx.AsyncClient(base_url=api) as client:
        (await client.post("/events", json=[event])).raise_for_status()


async def run_in(client: PrefectClient, state: State[Any]) -> FlowRun:
    """A run of the deployed flow, of a process that is not there."""
    deployment = await client.read_deployment_by_name("storyboard/by-hand")
    run = await client.create_flow_run_from_deployment(deployment.id, name=f"{state.name} {uuid.uuid4()}")
    await client.set_flow_run_state(run.id, state, force=True)
    return run


async def started_again(during: Callable[[], Awaitable[object]]) -> set[str]:
    """Whom a look starts again while something happens."""

    @flow
    async def look() -> list[str]:
        return await lost_runs.start_lost_runs("storyboard", WATCH)

    looking = asyncio.create_task(look())
    await asyncio.sleep(1)
    await during()
    return set(await looking)


async def test_only_runs_that_stay_silent_start_again(
    prefect_environment: dict[str, str], prefect_api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_runs, "_LONGEST_START", timedelta(seconds=5))
    await deploy(prefect_environment)
    lost = {"silent", "waits for a review", "never began"}
    hour = datetime.now(UTC) + timedelta(hours=1)
    async with get_client() as client:
        states = {
            "silent": Running(),
            "waits for a review": Paused(pause_expiration_time=hour),
            "alive": Running(),
            "ends": Running(),
            "failed": Failed(),
            "suspended": Suspended(pause_expiration_time=hour),
            "never began": Pending(),
        }
        runs = {name: await run_in(client, state) for name, state in states.items()}
        unheard = await run_in(client, Running())
        for run in runs.values():
            await sign(prefect_api, run.id)
        # Until they are written down.
        await asyncio.sleep(7)
        runs["starting"] = await run_in(client, Pending())

        async def meanwhile() -> None:
            await sign(prefect_api, runs["alive"].id)
            await client.set_flow_run_state(runs["ends"].id, Completed(), force=True)

        again = await started_again(meanwhile)
        now = {name: await client.read_flow_run(run.id) for name, run in {**runs, "unheard": unheard}.items()}
        for run in now.values():
            await client.delete_flow_run(run.id)
    assert {name for name, run in now.items() if run.name in again} == lost
    assert {name for name, run in now.items() if run.state_name == "AwaitingRetry"} == lost


async def test_silence_and_a_workers_start_are_looked_after(
    prefect_environment: dict[str, str], prefect_api: str
) -> None:
    await deploy(prefect_environment)
    async with get_client() as client:
        [silence] = await client.read_automations_by_name("previs · a run gives no sign of life")
        assert isinstance(silence.trigger, EventTrigger)
        sooner = silence.trigger.model_copy(update={"within": timedelta(seconds=10)})
        wanted = AutomationCore(name=silence.name, trigger=sooner, actions=silence.actions)
        await client.update_automation(silence.id, wanted)
        before = await runs_of(client, "lost-runs/automatic")
        await sign(prefect_api, uuid.uuid4())
        look = await next_run(client, "lost-runs/automatic", before, 60)
        assert look.state_type is StateType.SCHEDULED
        await client.delete_flow_run(look.id)
        [started] = await client.read_automations_by_name("previs · a worker has started")
        assert isinstance(started.trigger, EventTrigger)
        assert started.trigger.expect == {"prefect.worker.started"}
    await deploy(prefect_environment)
