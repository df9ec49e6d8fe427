"""A Prefect server of the tests' own, and what a run left there."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings

PREFECT_STARTS = 120


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Runs a Prefect server on a database of its own; the environment of a process that uses it."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
        "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            _wait_for(f"{environment['PREFECT_API_URL']}/health", server, home / "server.log")
            yield environment
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PREFECT_STARTS
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"Prefect's server did not start:\n{log.read_text()[-4000:]}")


@pytest.fixture
def prefect_api(prefect_environment: dict[str, str]) -> Iterator[str]:
    """Has flows that this process runs use the server."""
    url = prefect_environment["PREFECT_API_URL"]
    home = Path(prefect_environment["PREFECT_HOME"])
    # Logs are sent from a thread that would wait for a server that is gone when the tests end.
    quiet = {PREFECT_API_URL: url, PREFECT_HOME: home, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(quiet):
        yield url


async def artifacts_of(flow_run_id: UUID | None) -> dict[str, Any]:
    assert flow_run_id is not None
    async with get_client() as client:
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        found = await client.read_artifacts(artifact_filter=of_run)
    # A persisted result is an artifact without a key.
    return {artifact.key: artifact.data for artifact in found if artifact.key}


async def task_states_of(flow_run_id: UUID | None, count: int) -> dict[str, tuple[str, str]]:
    """The name and message of each task run's state, by the run's name, once so many have ended there."""
    assert flow_run_id is not None
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    async with get_client() as client:
        for _ in range(100):
            runs = await client.read_task_runs(flow_run_filter=of_run)
            ended = {run.name: run.state for run in runs if run.state is not None and run.state.is_final()}
            if len(ended) >= count:
                return {name: (state.name, state.message or "") for name, state in ended.items()}
            await asyncio.sleep(0.1)
    pytest.fail(f"only {sorted(ended)} have ended on the server")
