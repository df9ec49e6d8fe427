"""A Prefect server of the tests' own, and what a run left there."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, FlowRunFilter, FlowRunFilterId
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, PREFECT_LOGGING_TO_API_ENABLED, temporary_settings


@pytest.fixture
def prefect_api(prefect_environment: dict[str, str]) -> Iterator[str]:
    """Has flows that this process runs use the server."""
    url = prefect_environment["PREFECT_API_URL"]
    home = Path(prefect_environment["PREFECT_HOME"])
    # Logs are sent from a thread that would wait for a server that is gone when the tests end.
    quiet = {PREFECT_API_URL: url, PREFECT_HOME: home, PREFECT_LOGGING_TO_API_ENABLED: False}
    with temporary_settings(quiet):
        yield url


@pytest.fixture(scope="module", autouse=True)
def no_threads_left() -> Iterator[None]:
    """Ends Prefect's threads, whose sockets draw from the ``random`` module while other tests do so, too."""
    yield
    EventsWorker.drain_all(timeout=30)
    # What they leave open is seen here, where it is known to be theirs, and not in the midst of another test.
    gc.collect()


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
