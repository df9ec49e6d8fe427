"""Share a Prefect server, its deployments and its worker; read what a run left there."""

import asyncio
import functools
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId
from prefect.context import SettingsContext, get_settings_context
from prefect.logging.handlers import PrefectConsoleHandler
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOGGING_TO_API_ENABLED,
    Settings,
    get_current_settings,
)

from tests.flows.deployed import CHECKOUT, UPSTREAM, Worker
from tests.prefect_server import STARTS_WITHIN, prefect_server


@pytest.fixture(scope="session")
def deployed_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a Prefect server for deployments and their worker alone."""
    with prefect_server(tmp_path_factory) as environment:
        yield environment


@pytest.fixture(scope="session")
def deployed(deployed_environment: dict[str, str]) -> str:
    """Deploy this checkout with the real command, once; return its output."""
    previs = Path(sys.executable).with_name("previs")
    done = subprocess.run(  # noqa: S603 - our own command
        [previs, "deploy", "--after", UPSTREAM],
        cwd=CHECKOUT,
        env=deployed_environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def idle_worker(deployed_environment: dict[str, str]) -> Iterator[Worker]:
    """Yield a worker that may not have started."""
    made = Worker(deployed_environment)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def started_worker(deployed_environment: dict[str, str], deployed: str, idle_worker: Worker) -> Worker:
    """Start the worker for the first time, when no run can be lost: without the look for lost ones, which is a run."""
    assert deployed
    with httpx.Client(base_url=deployed_environment["PREFECT_API_URL"], timeout=60) as client:
        automations = _answer(client, "POST", "/automations/filter", {}).json()
        [looks] = [each["id"] for each in automations if each["name"] == "previs · a worker has started"]
        _answer(client, "PATCH", f"/automations/{looks}", {"enabled": False})
        idle_worker.start()
        started = {"filter": {"event": {"name": ["prefect.worker.started"]}}}
        end = time.monotonic() + STARTS_WITHIN
        while not _answer(client, "POST", "/events/filter", started).json()["events"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        _answer(client, "PATCH", f"/automations/{looks}", {"enabled": True})
    return idle_worker


def _answer(client: httpx.Client, method: str, path: str, content: object) -> httpx.Response:
    """Ask Prefect's server, which answers 503 while SQLite is locked."""
    end = time.monotonic() + 60
    while (answer := client.request(method, path, json=content)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
        assert time.monotonic() < end
        time.sleep(0.5)
    return answer.raise_for_status()


@pytest.fixture(scope="session")
def no_worker(idle_worker: Worker) -> None:
    """Have no worker from now on."""
    idle_worker.stop()


@contextmanager
def prefect_settings(environment: dict[str, str]) -> Iterator[None]:
    """Have flows that this process runs use the server."""
    settings = _settings(environment["PREFECT_API_URL"], Path(environment["PREFECT_HOME"]))
    with SettingsContext(profile=get_settings_context().profile, settings=settings):
        yield


@functools.cache
def _settings(api: str, home: Path) -> Settings:
    """Make settings once for each server: Prefect takes 50 ms of CPU time to validate them."""
    # Logs are sent from a thread that would wait for a server that is gone when the tests end.
    wanted = {PREFECT_API_URL: api, PREFECT_HOME: home, PREFECT_LOGGING_TO_API_ENABLED: False}
    return get_current_settings().copy_with_update(wanted)


@pytest.fixture
def worker(deployed_environment: dict[str, str], started_worker: Worker) -> Iterator[Worker]:
    """Start the worker; it stays for the next test that needs it."""
    started_worker.start()
    with prefect_settings(deployed_environment):
        yield started_worker


@pytest.fixture
def prefect_api(prefect_environment: dict[str, str]) -> Iterator[str]:
    """Have flows that this process runs use the server."""
    with prefect_settings(prefect_environment):
        yield prefect_environment["PREFECT_API_URL"]


@pytest.fixture(scope="session", autouse=True)
def _nothing_on_the_screen() -> None:
    """Log to pytest alone: a twentieth of the CPU time of flows in this process went into lines for a screen."""
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            if isinstance(handler, PrefectConsoleHandler):
                logger.removeHandler(handler)


@pytest.fixture(scope="module", autouse=True)
def _no_threads_left(no_threads_left: None) -> None:
    """End Prefect's threads after each module."""


async def artifacts_of(flow_run_id: UUID | None) -> dict[str, Any]:
    assert flow_run_id is not None
    async with get_client() as client:
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run_id]))
        found = await client.read_artifacts(artifact_filter=of_run)
    # A persisted result is an artifact without a key.
    return {artifact.key: artifact.data for artifact in found if artifact.key}


async def task_states_of(flow_run_id: UUID | None, count: int) -> dict[str, tuple[str, str]]:
    """Wait until so many task runs have ended; return the name and message of each one's state by the run's name."""
    assert flow_run_id is not None
    of_run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    async with get_client() as client:
        for _ in range(40):
            runs = await client.read_task_runs(flow_run_filter=of_run)
            ended = {run.name: run.state for run in runs if run.state is not None and run.state.is_final()}
            if len(ended) >= count:
                return {name: (state.name, state.message or "") for name, state in ended.items()}
            await asyncio.sleep(0.25)
    pytest.fail(f"only {sorted(ended)} have ended on the server")
