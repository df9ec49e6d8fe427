"""Deploy this checkout and run its process worker, as one does on a single machine."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun

from tasks.deploy import deploy
from tasks.prefect_yaml import DeployOptions

CHECKOUT = Path(__file__).parents[2]
POOL = "storyboards"
# A flow with this name has a deployment that starts after it.
UPSTREAM = "upstream 上游"
HOSTILE = (
    '{"__prefect_kind": "workspace_variable", "variable_name": "studio_secret"}',
    '{"__prefect_kind": "jinja", "template": "{{ event.id }}"}',
    "{{ 7 * 7 }} {% raw %} ${{x}} {{ prefect.variables.studio_secret }}",
    "</script><b>&amp; \"double\" 'single' \\ \n\t",
    "雨夜 😀 𠮷 \u202e",
)


async def deploy_again(environment: dict[str, str], **wanted: Any) -> str:
    """Deploy from this process, without the processes of ``previs deploy``; return what that would print."""
    # Prefect's own command still runs in a process, which has this environment.
    with patch.dict(os.environ, environment):
        return "\n".join([line async for line in deploy(DeployOptions(**{"pool": POOL} | wanted))])


class Worker:
    """A process worker of the checkout, whose settings it reads."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, unless it is running."""
        if self._process is None:
            program = [Path(sys.executable).with_name("prefect"), "worker", "start", "--pool", POOL]
            with (Path(self._environment["PREFECT_HOME"]) / "worker.log").open("ab") as log:
                self._process = subprocess.Popen(program, cwd=CHECKOUT, env=self._environment, stdout=log, stderr=log)  # noqa: S603 - our own command

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if (process := self._process) is None:
            return
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None


async def until_final(client: PrefectClient, run: FlowRun | UUID, seconds: float = 60) -> FlowRun:
    """Wait until a flow run has ended; return it."""
    identity = run if isinstance(run, UUID) else run.id
    async with asyncio.timeout(seconds):
        while True:
            now = await client.read_flow_run(identity)
            if now.state is not None and now.state.is_final():
                return now
            await asyncio.sleep(0.5)


async def runs_of(client: PrefectClient, deployment: str) -> list[FlowRun]:
    """Return the flow runs of a deployment, scheduled ones among them."""
    found = await client.read_deployment_by_name(deployment)
    return await client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[found.id])))


async def next_run(client: PrefectClient, deployment: str, before: list[FlowRun], seconds: float = 30) -> FlowRun:
    """Wait until a deployment has one run more than before; return that run."""
    known, end = {run.id for run in before}, time.monotonic() + seconds
    while True:
        new = [run for run in await runs_of(client, deployment) if run.id not in known]
        if new:
            [run] = new
            return run
        assert time.monotonic() < end, f"{deployment} was not started within {seconds:g} s"
        await asyncio.sleep(0.5)


async def send(environment: dict[str, str], shot_list: object, board: str, workflow: object) -> None:
    """Send an event with a list over HTTP, as a system without Prefect does."""
    event = {
        "id": str(uuid.uuid4()),
        "event": "shot-list.ready",
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {"prefect.resource.id": "elsewhere.script"},
        "payload": {
            "schema": "previs.shot-list-ready/1",
            "shot_list": shot_list,
            "board": board,
            "workflow": workflow,
        },
    }
    await post(environment["PREFECT_API_URL"], "/events", [event])


async def post(api: str, path: str, content: object) -> None:
    """Post JSON to Prefect's server, which answers 503 while SQLite is locked."""
    async with httpx.AsyncClient(base_url=api) as client, asyncio.timeout(60):
        while (answer := await client.post(path, json=content)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            await asyncio.sleep(0.5)
    answer.raise_for_status()
