"""The deployed flow under a real process worker."""

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling

from previs.comfyui.address import Address
from previs.comfyui.deadlines import Limits
from previs.comfyui.server import Server
from previs.simulator import Simulator
from tests.conftest import Serve
from tests.flows.deployed import deploy, until_final, worker
from tests.flows.test_storyboard import SETTINGS, shots
from tests.previs.comfyui.graphs import graph

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


async def start(client: PrefectClient, **parameters: Any) -> FlowRun:
    deployment = await client.read_deployment_by_name("storyboard/by-hand")
    return await client.create_flow_run_from_deployment(deployment.id, parameters={"workflow": SETTINGS} | parameters)


def in_queue(simulator: Simulator) -> list[str]:
    running = [simulator.queue.running] if simulator.queue.running else []
    return [prompt.prompt_id for prompt in [*running, *simulator.queue.pending]]


async def test_a_deployed_run_completes_and_one_cancelled_in_the_ui_frees_the_servers_of_its_prompts_alone(
    simulate: Serve,
    tmp_path: Path,
    prefect_environment: dict[str, str],
    record_property: Callable[[str, object], None],
) -> None:
    simulator, url = await simulate(seconds=1.0)
    simulator.faults.stall_on = "坏"
    await deploy(prefect_environment)
    async with worker(prefect_environment), get_client() as client, Server(Address(url)) as somebody:
        place = {"farm": [url], "store": str(tmp_path)}
        completed = await until_final(client, await start(client, shots=shots(1), **place))
        assert completed.state is not None
        assert completed.state.is_completed(), completed.state.message

        run = await start(client, shots=shots(4, SH02="坏"), **place)
        async with asyncio.timeout(60):
            # The second shot stalls; the third waits behind it.
            while simulator.queue.remaining < 2:
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
        ended = await until_final(client, run)
        assert ended.state is not None
        assert ended.state.is_cancelled()
    assert theirs not in [*simulator.interrupted, *simulator.deleted]
    assert len(list((tmp_path / "takes").iterdir())) == 1
