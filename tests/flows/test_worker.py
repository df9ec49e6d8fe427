"""Cancel a run of a process worker, and lose the worker with its run or without it."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from blocks import AllowedSources
from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.simulator import Simulator
from tests.conftest import Serve
from tests.flows.deployed import Worker, until_final
from tests.flows.test_storyboard import SETTINGS, shots
from tests.previs.comfyui.graphs import graph

pytestmark = [
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


# A worker and a run start first, which takes a busy machine long.
STARTS_WITHIN = 120


async def start(client: PrefectClient, **parameters: Any) -> FlowRun:
    await AllowedSources(trust_run_parameters=True).save("default", overwrite=True)
    deployment = await client.read_deployment_by_name("storyboard/by-hand")
    return await client.create_flow_run_from_deployment(deployment.id, parameters={"workflow": SETTINGS} | parameters)


def in_queue(simulator: Simulator) -> list[str]:
    running = [simulator.queue.running] if simulator.queue.running else []
    return [prompt.prompt_id for prompt in [*running, *simulator.queue.pending]]


def recorded(store: Path) -> int:
    """Count the takes that a store has a record of."""
    return len([*store.glob("takes/*.json")])


async def messages_of(client: PrefectClient, run: FlowRun, last: str) -> list[str]:
    """Return the log of a run once it has a message that begins so."""
    of_run = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    async with asyncio.timeout(30):
        while True:
            messages = [log.message for log in await client.read_logs(of_run)]
            if any(message.startswith(last) for message in messages):
                return messages
            await asyncio.sleep(0.5)


def processes_of(run: FlowRun) -> list[int]:
    """Find the processes that a run has on this machine."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if f"FLOW_RUN_ID={run.id}".encode() in environment.read_bytes():
                found.append(int(environment.parent.name))
    return found


@pytest.mark.usefixtures("worker")
async def test_a_run_with_unknown_and_missing_parameters_says_so_as_its_state_and_logs_no_traceback() -> None:
    async with get_client() as client:
        deployment = await client.read_deployment_by_name("storyboard/by-hand")
        run = await client.create_flow_run_from_deployment(deployment.id, parameters={"taks": 2})
        ended = await until_final(client, run, STARTS_WITHIN)
        messages = await messages_of(client, run, "Finished in state Failed")
    assert ended.state is not None
    assert ended.state.name == "Failed"
    assert "  - taks: not a parameter: did you mean takes?\n  - shots: missing" in (ended.state.message or "")
    assert [message for message in messages if "Traceback" in message] == []


@pytest.mark.usefixtures("worker")
async def test_a_run_that_is_cancelled_in_the_ui_frees_the_servers_of_its_prompts_alone(
    simulate: Serve, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    simulator, url = await simulate(seconds=0.5)
    simulator.faults.stall_on = "坏"
    async with get_client() as client, Server(Address(url)) as somebody:
        run = await start(client, shots=shots(4, SH03="坏"), farm=[url], store=str(tmp_path))
        async with asyncio.timeout(STARTS_WITHIN):
            # Of two slots the third shot gets one when a take has settled. It stalls; the fourth waits behind it.
            while simulator.queue.remaining < 2 or recorded(tmp_path) < 2:
                await asyncio.sleep(0.05)
        theirs = str(uuid.uuid4())
        await somebody.submit(graph(), theirs)
        cancelled_at = time.monotonic()
        await client.set_flow_run_state(run.id, Cancelling())
        async with asyncio.timeout(30):
            while set(in_queue(simulator)) - {theirs}:
                await asyncio.sleep(0.02)
        freed_after = time.monotonic() - cancelled_at
        record_property("seconds_until_freed", round(freed_after, 2))
        assert freed_after < 5
        assert len((await somebody.follow(theirs, Limits())).files) == 1
        assert simulator.queue.remaining == 0
        ended = await until_final(client, run, STARTS_WITHIN)
        assert ended.state is not None
        assert ended.state.is_cancelled()
    assert theirs not in [*simulator.interrupted, *simulator.deleted]
    assert recorded(tmp_path) == 2


async def test_a_run_outlives_its_worker(simulate: Serve, tmp_path: Path, worker: Worker, deployed: str) -> None:
    assert "runs outlive their worker, and their logs are on their pages (stream_output: false)\n" in deployed
    assert "warning: no store is saved as default: events and nightly boards that name none use the folder" in deployed
    simulator, url = await simulate(seconds=0.2)
    async with get_client() as client:
        run = await start(client, shots=shots(6), farm=[url], store=str(tmp_path))
        async with asyncio.timeout(STARTS_WITHIN):
            while not recorded(tmp_path):
                await asyncio.sleep(0.05)
        worker.kill()
        assert recorded(tmp_path) < 6
        ended = await until_final(client, run, STARTS_WITHIN)
        assert ended.state is not None
        assert ended.state.is_completed(), ended.state.message
        logs = await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id])))
    assert ended.run_count == 1
    assert len(simulator.started) == recorded(tmp_path) == 6
    assert sum(", prompt " in log.message for log in logs) == 6


async def test_a_run_that_was_lost_with_its_worker_starts_again_when_one_is_there_and_pays_for_nothing_twice(
    simulate: Serve, tmp_path: Path, worker: Worker
) -> None:
    simulator, url = await simulate(seconds=0.5)
    async with get_client() as client:
        looks = await client.read_deployment_by_name("lost-runs/automatic")
        await client.update_deployment(looks.id, DeploymentUpdate(parameters={"watch_seconds": 3}))
        # What was there before the run is rendered again, what it rendered itself before it was lost is not.
        run = await start(client, shots=shots(8), farm=[url], store=str(tmp_path), refresh=True)
        async with asyncio.timeout(STARTS_WITHIN):
            while len(simulator.started) < 3 or not recorded(tmp_path):
                await asyncio.sleep(0.05)
        worker.kill()
        of_run = processes_of(run)
        for process in of_run:
            os.kill(process, signal.SIGKILL)
        assert of_run
        state = (await client.read_flow_run(run.id)).state
        assert state is not None
        assert state.is_running()
        # The servers lost their power, too.
        simulator.restart()
        before, kept = len(simulator.started), recorded(tmp_path)
        worker.start()
        ended = await until_final(client, run, STARTS_WITHIN)
        await client.update_deployment(looks.id, DeploymentUpdate(parameters={}))
    assert ended.state is not None
    assert ended.state.is_completed(), ended.state.message
    assert ended.run_count == 2
    assert kept >= 1
    assert len(simulator.started) - before == 8 - kept
