"""Read what another flow hands over; without a list the run fails and says what is missing."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State

from flows.storyboard import storyboard
from previs.errors import ShotListFaults, SourceNotFound
from previs.store import FolderStore
from tasks.starter import Starter
from tasks.upstream import resolve_request
from tests.conftest import Serve
from tests.flows.test_storyboard import SETTINGS, manifest_of, shots

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


@flow(name="returns", persist_result=True)
async def returns(result: Any) -> Any:
    return result


@flow(name="keeps nothing", persist_result=False)
async def keeps_nothing(result: Any) -> Any:
    return result


@flow(name="breaks")
async def breaks() -> None:
    raise RuntimeError


async def ran(state: State[Any]) -> str:
    """Return what Prefect's events call the run."""
    assert isinstance(state.state_details.flow_run_id, UUID)
    return f"prefect.flow-run.{state.state_details.flow_run_id}"


async def render(handed_over: object, url: str, folder: Path, **parameters: Any) -> State[Any]:
    state: State[Any] = await storyboard(
        shots=handed_over, farm=[url], store=str(folder), return_state=True, **({"workflow": SETTINGS} | parameters)
    )
    return state


async def test_a_payload_names_list_board_and_workflow_and_goes_before_the_runs_own(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    payload = {
        "schema": "previs.shot-list-ready/1",
        "shot_list": {"title": "not this", "shots": shots(2)},
        "board": "雨夜",
        "workflow": SETTINGS | {"steps": 3},
        "director": "陈",
    }
    state = await render(payload, url, tmp_path, board="another")
    assert state.is_completed(), state.message
    manifest = await manifest_of(FolderStore(tmp_path), "雨夜")
    assert len(simulator.started) == 2
    assert manifest.workflow["steps"] == 3
    assert manifest.title == "not this"
    assert manifest.problems == ("the event shot-list.ready has keys that are not used: director",)


async def test_a_payload_that_leaves_them_out_gets_those_of_the_run(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    payload = {"schema": "previs.shot-list-ready/1", "shot_list": shots(1), "board": "", "workflow": None}
    state = await render(payload, url, tmp_path, board="by the run")
    assert state.is_completed(), state.message
    assert (await manifest_of(FolderStore(tmp_path), "by the run")).workflow["steps"] == 4


async def test_a_malformed_payload_fails_a_run_that_has_the_boards_name_and_the_lists_faults(tmp_path: Path) -> None:
    faulty = [{"shot_id": "A", "duration": -1}, {"prompt": "x", "duration": 1}]
    payload = {"schema": "previs.shot-list-ready/1", "shot_list": faulty, "board": "malformed"}
    state = await render(payload, "http://127.0.0.1:1", tmp_path)
    assert state.name == "Failed"
    message = state.message or ""
    assert all(fault in message for fault in ("shot 1 (shot_id A)", "prompt", "duration", "shot 2", "shot_id"))
    assert state.state_details.flow_run_id is not None
    async with get_client() as client:
        assert (await client.read_flow_run(state.state_details.flow_run_id)).name == "malformed"


async def test_the_result_of_a_flow_run_is_a_list_a_payload_or_a_place(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    for result in (shots(1), str(tmp_path / "shots.yaml")):
        name = await ran(await returns(result, return_state=True))
        request = await resolve_request(name, SETTINGS, "", Starter())
        assert (request.shots, request.workflow, request.fallback) == (result, SETTINGS, "returns")
    payload = {"schema": "previs.shot-list-ready/1", "shot_list": shots(1)}
    name = await ran(await returns(payload, return_state=True))
    state = await render(name, url, tmp_path / "store")
    assert state.is_completed(), state.message
    # The list has no title: its board has the name of the flow that made it.
    assert [shot.shot_id for shot in (await manifest_of(FolderStore(tmp_path / "store"), "returns")).shots] == ["SH01"]


async def test_a_flow_run_without_a_list_to_read_is_named_with_the_reason(tmp_path: Path) -> None:
    nothing = await ran(await keeps_nothing(shots(1), return_state=True))
    for name, reason in (
        ("prefect.flow-run.7", "this is not the id of a flow run"),
        (f"prefect.flow-run.{uuid4()}", "Prefect has no such flow run"),
        (nothing, "its flow needs persist_result=True"),
    ):
        with pytest.raises(SourceNotFound, match=reason):
            await resolve_request(name, SETTINGS, "", Starter())
    broken = await ran(await breaks(return_state=True))
    seven = await ran(await returns(7, return_state=True))
    for name, kind, reason in (
        (broken, SourceNotFound, "is Failed: only one that completed has a shot list"),
        (seven, ShotListFaults, "shots"),
    ):
        state = await render(name, "http://127.0.0.1:1", tmp_path)
        assert state.is_failed()
        error = await state.aresult(raise_on_failure=False)
        assert isinstance(error, kind)
        assert reason in str(error)
