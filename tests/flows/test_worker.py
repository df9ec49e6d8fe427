"""Cancel a run of a process worker, and lose the worker with its run or without it."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentUpdate
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelling

from blocks import AllowedSources
from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.simulator import Simulator, serve
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.conftest import artifacts_of, prefect_settings
from tests.flows.deployed import Worker, until_final
from tests.flows.test_storyboard import SETTINGS, manifest_of, shots
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


@dataclass
class Lost:
    """Hold what became of three runs of a queue that lets two work at once, whose worker was lost.

    Attributes:
        farm: Servers of the run that outlived the worker.
        folder: Its store.
        outlived: The run that outlived it, as it was before there was another worker.
        waiting: State of the run with wrong parameters while the two others were at work.
        refused: The run with wrong parameters.
        restarted: The run that was lost with the worker, at its end.
        lost: State of that run between the two workers.
        kept: Number of takes that it had recorded.
        prompts: Number of prompts that its second start sent.
    """

    farm: list[Simulator]
    folder: Path
    outlived: FlowRun
    waiting: State[Any] | None
    refused: FlowRun
    restarted: FlowRun
    lost: State[Any] | None
    kept: int
    prompts: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lost(
    deployed_environment: dict[str, str], started_worker: Worker, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lost]:
    """Start three runs, lose the worker with one of them, and start another worker."""
    own, others = (tmp_path_factory.mktemp(name) for name in ("own", "others"))
    with prefect_settings(deployed_environment):
        async with AsyncExitStack() as running:
            farm = [Simulator(seconds=0.2, draw=False, previews=False) for _ in range(3)]
            *urls, other = [await running.enter_async_context(serve(simulator)) for simulator in farm]
            *house, powerless = farm
            for simulator in farm:
                simulator.faults.silent_for = 600
            # Of two slots the third shot gets one when a take has settled; the fifth waits behind the fourth.
            powerless.faults.silent_on = "坏"
            client = await running.enter_async_context(get_client())
            started_worker.start()
            looks = await client.read_deployment_by_name("lost-runs/automatic")
            await client.update_deployment(looks.id, DeploymentUpdate(parameters={"watch_seconds": 3}))
            given = {"shots": shots(3), "takes": 2, "board": "夜城", "farm": urls, "store": str(own)}
            outlives = await start(client, **given)
            # What was there before the run is rendered again, what it rendered itself before it was lost is not.
            given = {"shots": shots(8, SH04="坏"), "farm": [other], "store": str(others), "refresh": True}
            loses = await start(client, **given)
            refused = await start(client, taks=2)
            async with asyncio.timeout(STARTS_WITHIN):
                while sum(simulator.queue.remaining for simulator in house) < 4 or recorded(others) < 3:
                    await asyncio.sleep(0.05)
            waiting = (await client.read_flow_run(refused.id)).state
            started_worker.kill()
            of_run = processes_of(loses)
            for process in of_run:
                os.kill(process, signal.SIGKILL)
            assert of_run
            # The servers lost their power, too.
            powerless.restart()
            before, kept = len(powerless.started), recorded(others)
            for simulator in farm:
                simulator.faults.heal()
                simulator.end_silence()
            outlived = await until_final(client, outlives, STARTS_WITHIN)
            state = (await client.read_flow_run(loses.id)).state
            started_worker.start()
            ended = [await until_final(client, run, STARTS_WITHIN) for run in (refused, loses)]
            await client.update_deployment(looks.id, DeploymentUpdate(parameters={}))
            prompts = len(powerless.started) - before
            yield Lost(house, own, outlived, waiting, ended[0], ended[1], state, kept, prompts)


@pytest.mark.asyncio(loop_scope="module")
async def test_no_more_runs_work_at_once_than_their_queue_lets(lost: Lost) -> None:
    # Two others were at work.
    assert lost.waiting is not None
    assert lost.waiting.is_scheduled()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_with_unknown_and_missing_parameters_says_so_as_its_state_and_logs_no_traceback(lost: Lost) -> None:
    async with get_client() as client:
        messages = await messages_of(client, lost.refused, "Finished in state Failed")
    assert lost.refused.state is not None
    assert lost.refused.state.name == "Failed"
    assert "  - taks: not a parameter: did you mean takes?\n  - shots: missing" in (lost.refused.state.message or "")
    assert [message for message in messages if "Traceback" in message] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_outlives_its_worker_and_makes_its_board(lost: Lost, deployed: str) -> None:
    assert "runs outlive their worker, and their logs are on their pages (stream_output: false)\n" in deployed
    assert "warning: no store is saved as default: events and nightly boards that name none use the folder" in deployed
    run = lost.outlived
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert (run.name, run.run_count) == ("夜城 · 3 shots · #1", 1)
    assert len(await artifacts_of(run.id)) == 3
    manifest = await manifest_of(FolderStore(lost.folder), "夜城")
    assert [len(shot.takes) for shot in manifest.shots] == [2, 2, 2]
    takes = [take.prompt_id for shot in manifest.shots for take in shot.takes]
    started = [prompt for simulator in lost.farm for prompt in simulator.started]
    assert len(started) == recorded(lost.folder) == 6
    assert {*takes} == {*started}
    async with get_client() as client:
        messages = await messages_of(client, run, "Finished in state Completed")
    assert sum(", prompt " in message for message in messages) == 6
    for take in takes:
        assert [message for message in messages if f", prompt {take}" in message]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_run_that_was_lost_with_its_worker_starts_again_when_one_is_there_and_pays_for_nothing_twice(
    lost: Lost,
) -> None:
    assert lost.lost is not None
    assert lost.lost.is_running()
    run = lost.restarted
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert run.run_count == 2
    assert lost.kept >= 1
    assert lost.prompts == 8 - lost.kept


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
