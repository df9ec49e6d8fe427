"""Turn a screenplay into a list in the store, and send the event that has it rendered."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import State

from flows.script_to_shots import script_to_shots
from flows.storyboard import storyboard
from previs.errors import FixTheInput, ShotListFaults
from previs.notifications.events import ShotListReady
from previs.shots import read_shot_list
from previs.store import FolderStore, S3Settings, S3Store, Store
from tests.conftest import Serve
from tests.flows.conftest import artifacts_of
from tests.flows.runs import picture
from tests.flows.test_storyboard import SETTINGS, s3_block

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPT = "Title: 渔港\n\n内景 渔港 - 夜\n\n灯在桌子上方慢慢地摇晃着。 [[reference: lamp.png]]\n\n@老李\n回家吧！\n"


@pytest.fixture
def board() -> str:
    """Return a name that no other test uses, as they share a server."""
    return f"渔港 {uuid.uuid4()}"


async def run(script: str, **parameters: Any) -> State[Any]:
    state: State[Any] = await script_to_shots(script, **parameters, return_state=True)
    return state


@pytest.fixture
async def events(prefect_api: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=prefect_api) as client:
        yield client


async def payloads(events: httpx.AsyncClient, board: str, *, count: int) -> list[dict[str, Any]]:
    """Wait until so many events were sent for a board; return their payloads."""
    wanted = {"filter": {"event": {"name": ["shot-list.ready"]}}, "limit": 50}
    for _ in range(60):
        answer = (await events.post("/events/filter", json=wanted)).raise_for_status().json()
        found = [event["payload"] for event in answer["events"] if event["payload"].get("board") == board]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.25)
    pytest.fail(f"no event for {board} within 15 s")


async def lists_in(store: Store) -> list[str]:
    return sorted(key for key in await store.entries("") if key.startswith("lists/"))


async def test_a_script_in_s3_becomes_a_list_beside_it_and_an_event(
    settings: S3Settings, s3_store: S3Store, board: str, events: httpx.AsyncClient
) -> None:
    await s3_store.put("scripts/渔港.fountain", SCRIPT.encode(), media_type="text/plain")
    state = await run(s3_store.uri("scripts/渔港.fountain"), board=board, workflow=SETTINGS, store=s3_block(settings))
    assert state.is_completed(), state.message
    [key] = await lists_in(s3_store)
    place = await state.aresult()
    assert place == s3_store.uri(key)
    kept = read_shot_list(await s3_store.get(key) or b"")
    assert [shot.label for shot in kept.shots] == ["SQ010_SH010", "SQ010_SH020", "SQ010_SH030"]
    [payload] = await payloads(events, board, count=1)
    assert payload == {"schema": "previs.shot-list-ready/1", "shot_list": place, "board": board, "workflow": SETTINGS}
    assert ShotListReady.model_validate(payload).board == board


async def test_the_same_script_gives_the_same_list_and_another_one_another(tmp_path: Path, board: str) -> None:
    store = FolderStore(tmp_path)
    for script in (SCRIPT, SCRIPT, SCRIPT.replace("夜", "晨")):
        assert (await run(script, board=board, store=str(tmp_path), send=False)).is_completed()
    assert len(await lists_in(store)) == 2


async def test_a_run_shows_its_shots_and_is_named_by_them(tmp_path: Path, events: httpx.AsyncClient) -> None:
    state = await run(str(EXAMPLES / "harbour.fountain"), store=str(tmp_path))
    [(key, table)] = (await artifacts_of(state.state_details.flow_run_id)).items()
    assert key.endswith("-shot-list")
    rows = json.loads(table)
    assert (rows[0]["#"], rows[0]["shot"], rows[0]["seconds"]) == (1, "SQ1_SH010", "3")
    assert len(rows) == 15
    async with get_client() as client:
        assert state.state_details.flow_run_id is not None
        flow_run = await client.read_flow_run(state.state_details.flow_run_id)
    assert flow_run.name == "The Last Ferry · 15 shots"
    assert flow_run.state is not None
    assert await flow_run.state.aresult() == await state.aresult()
    [payload] = await payloads(events, "The Last Ferry", count=1)
    assert payload["workflow"] is None


async def test_of_a_very_long_list_the_first_shots_are_shown_and_the_place_has_them_all(
    tmp_path: Path, board: str
) -> None:
    state = await run(".A\n\n" * 501, board=board, store=str(tmp_path), send=False)
    store = FolderStore(tmp_path)
    [key] = await lists_in(store)
    assert len(read_shot_list(await store.get(key) or b"").shots) == 501
    async with get_client() as client:
        of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id]))
        [table] = [each for each in await client.read_artifacts(artifact_filter=of_run) if each.key]
    assert [row["#"] for row in json.loads(str(table.data))] == list(range(1, 501))
    assert table.description == f"501 shots, 1503 s, of which the first 500 are shown: `{store.uri(key)}`"


async def test_the_board_of_a_script_without_a_title_page_has_the_name_of_its_file(tmp_path: Path) -> None:
    script = tmp_path / "渔港 终稿.fountain"
    script.write_text("INT. HARBOUR - NIGHT\n", encoding="utf-8")
    state = await run(str(script), store=str(tmp_path / "store"), send=False)
    assert state.is_completed()
    assert state.state_details.flow_run_id is not None
    async with get_client() as client:
        assert (await client.read_flow_run(state.state_details.flow_run_id)).name == "渔港 终稿 · 1 shot"
    [key] = await lists_in(FolderStore(tmp_path / "store"))
    assert json.loads(await FolderStore(tmp_path / "store").get(key) or b"")["title"] == "渔港 终稿"


async def test_a_script_with_faults_fails_the_run_with_all_of_them_and_nothing_is_kept(tmp_path: Path) -> None:
    state = await run("INT. A\n\n[[duration: long]]\n\n[[prompt:]]\n", store=str(tmp_path))
    assert state.is_failed()
    faults = await state.aresult(raise_on_failure=False)
    assert isinstance(faults, ShotListFaults)
    assert [fault.place for fault in faults.faults] == ["line 3", "line 5"]
    assert "the script has 2 faults" in (state.message or "")
    assert await lists_in(FolderStore(tmp_path)) == []


@pytest.mark.parametrize("script", ["", "no-such.fountain", "ftp://a/b", "INT. HARBOUR - NIGHT"])
async def test_what_is_no_script_fails_the_run_with_a_sentence(tmp_path: Path, script: str) -> None:
    state = await run(script, store=str(tmp_path), send=False)
    assert state.is_failed()
    assert isinstance(await state.aresult(raise_on_failure=False), FixTheInput)


async def test_the_list_is_rendered_with_references_from_the_store(simulate: Serve, tmp_path: Path, board: str) -> None:
    simulator, url = await simulate()
    await FolderStore(tmp_path).put("references/lamp.png", picture("red"), media_type="image/png")
    place = await (await run(SCRIPT, board=board, store=str(tmp_path), send=False)).aresult()
    state: State[Any] = await storyboard(
        shots=place,
        workflow=SETTINGS,
        farm=[url],
        store=str(tmp_path),
        board=board,
        return_state=True,
    )
    assert state.is_completed(), state.message
    assert len(simulator.started) == 3
