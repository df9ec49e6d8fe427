"""Run the flow while Prefect's server is away."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from previs.rendering.progress import BoardPublished
from tests.conftest import Serve
from tests.flows.test_process import flow_process
from tests.flows.test_storyboard import shots
from tests.previs.store.fault_schedule import faulty_proxy


@pytest.fixture
def log(tmp_path: Path) -> Iterator[IO[bytes]]:
    with (tmp_path / "flow.log").open("w+b") as file:
        yield file


async def test_a_board_is_published_once_a_server_of_prefect_that_was_away_is_back(
    simulate: Serve, tmp_path: Path, prefect_environment: dict[str, str], log: IO[bytes]
) -> None:
    simulator, url = await simulate(seconds=0.6)
    order = {"shots": shots(2), "farm": [url], "store": str(tmp_path / "store")}
    async with faulty_proxy(prefect_environment["PREFECT_API_URL"], share=0) as proxy:
        # Without retries of Prefect's client, which take a minute.
        environment = prefect_environment | {"PREFECT_API_URL": f"{proxy.url}/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}
        async with flow_process(environment, log=log, **order) as flow:
            await flow.until_settled(1)
            await proxy.stop()
            async with asyncio.timeout(60):
                while b"Retry 1/5" not in os.pread(log.fileno(), 1 << 20, 0):
                    await asyncio.sleep(0.1)
            await proxy.start()
            assert await flow.ended() == 0
    assert len(simulator.started) == 2
    assert len([event for event in flow.reported if isinstance(event, BoardPublished)]) == 1
