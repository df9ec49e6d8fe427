"""What a technical director does on one machine: deploy this checkout, and run a process worker."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun

CHECKOUT = Path(__file__).parents[2]
POOL = "storyboards"


async def command(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of this environment in the checkout; what it wrote."""
    name, *options = arguments
    process = await asyncio.create_subprocess_exec(
        *[Path(sys.executable).with_name(name), *options],
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), 120)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def deploy(environment: dict[str, str], *options: str) -> str:
    """``previs deploy``, which may be done again and again; what it said."""
    return await command(environment, "previs", "deploy", *options)


@contextlib.asynccontextmanager
async def worker(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process worker of the checkout, whose settings it reads."""
    process = await asyncio.create_subprocess_exec(
        *[Path(sys.executable).with_name("prefect"), "worker", "start", "--pool", POOL],
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 30)
        except TimeoutError:
            process.kill()
            await process.wait()


async def until_final(client: PrefectClient, run: FlowRun | UUID, seconds: float = 60) -> FlowRun:
    """The flow run once it has ended."""
    identity = run if isinstance(run, UUID) else run.id
    async with asyncio.timeout(seconds):
        while True:
            now = await client.read_flow_run(identity)
            if now.state is not None and now.state.is_final():
                return now
            await asyncio.sleep(0.1)


async def runs_of(client: PrefectClient, deployment: str) -> list[FlowRun]:
    """The flow runs of a deployment, scheduled ones among them."""
    found = await client.read_deployment_by_name(deployment)
    return await client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])))


async def next_run(client: PrefectClient, deployment: str, before: list[FlowRun], seconds: float = 30) -> FlowRun:
    """The run that a deployment has beyond those before, once there is one."""
    known, end = {run.id for run in before}, time.monotonic() + seconds
    while True:
        new = [run for run in await runs_of(client, deployment) if run.id not in known]
        if new:
            [run] = new
            return run
        assert time.monotonic() < end, f"{deployment} was not started within {seconds:g} s"
        await asyncio.sleep(0.1)
