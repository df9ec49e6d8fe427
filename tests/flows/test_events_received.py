"""Receive events whose lists are not run: each becomes a run's parameters as it was sent, and the run a report."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State

from flows.storyboard import storyboard
from tests.flows.conftest import prefect_settings
from tests.flows.deployed import HOSTILE, next_run, post, runs_of, send
from tests.flows.test_storyboard import SETTINGS

pytestmark = [
    pytest.mark.usefixtures("no_worker", "deployed"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]
BY_EVENT = "storyboard/by-event"


@pytest.fixture
def environment(deployed_environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """Have flows that this process runs use the server of the deployments."""
    with prefect_settings(deployed_environment):
        yield deployed_environment


async def received(environment: dict[str, str], given: object, board: str) -> FlowRun:
    """Send an event; return the run that it starts, which no worker takes."""
    async with get_client() as client:
        before = await runs_of(client, BY_EVENT)
        await send(environment, given, board, SETTINGS)
        run = await next_run(client, BY_EVENT, before)
        await client.delete_flow_run(run.id)
    return run


async def failure(run: FlowRun, folder: Path) -> str:
    """Run the flow with the parameters of a run; return the message of its state."""
    where = {"farm": ["http://127.0.0.1:9"], "store": str(folder)}
    state: State[Any] = await storyboard(**run.parameters, **where, return_state=True)
    assert state.name == "Failed"
    return state.message or ""


async def test_an_events_list_arrives_as_it_was_sent(environment: dict[str, str]) -> None:
    given = [{"shot_id": number, "prompt": text, "duration": 2} for number, text in enumerate(HOSTILE)]
    run = await received(environment, given, "{{ board }} 两次")
    payload = json.loads(run.parameters["shots"])
    assert (payload["shot_list"], payload["board"]) == (given, "{{ board }} 两次")


async def test_objects_of_prefects_in_an_event_are_not_evaluated_at_any_depth(
    environment: dict[str, str], tmp_path: Path
) -> None:
    variable = {"__prefect_kind": "workspace_variable", "variable_name": "studio_secret"}
    given = [
        {"shot_id": 1, "prompt": variable, "duration": 1},
        {"shot_id": 2, "prompt": "x", "duration": 1, "notes": {"a": [{"b": variable}]}},
        {"shot_id": 3, "prompt": {"__prefect_kind": "json", "value": json.dumps("leaked")}, "duration": 1},
        {"shot_id": 4, "prompt": {"__prefect_kind": "jinja", "template": "{{ 'leaked' }}"}, "duration": 1},
        {"shot_id": 5, "prompt": {"$ref": {"block_document_id": str(uuid.uuid4())}}, "duration": 1},
        {"__prefect_kind": "none", "value": {"shot_id": 6, "prompt": "leaked", "duration": 1}},
    ]
    await post(environment["PREFECT_API_URL"], "/variables/", {"name": "studio_secret", "value": "leaked"})
    run = await received(environment, given, "kinds")
    assert json.loads(run.parameters["shots"])["shot_list"] == given
    message = await failure(run, tmp_path)
    assert all(f"shot {n} (shot_id {n}), prompt" in message for n in (1, 3, 4, 5))
    assert "the event shot-list.ready has" in message


async def test_an_event_that_is_too_large_for_a_run_is_a_failed_run_that_says_so(
    environment: dict[str, str], tmp_path: Path
) -> None:
    large = [{"shot_id": n, "prompt": "雨" * 400, "duration": 1} for n in range(250)]
    message = await failure(await received(environment, large, "large"), tmp_path)
    assert "store the list and send its path or URL" in message
