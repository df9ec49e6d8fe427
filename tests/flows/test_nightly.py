"""Start one run for each board of a night; a board that cannot be started costs no other."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.flow_engine import run_flow
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL, temporary_settings
from prefect.states import Scheduled
from pydantic import SecretStr

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from flows.nightly import nightly
from previs.boards.nightly import NightlyBoard, add_nightly
from previs.errors import FarmRefused, StoreRefused, TryAgain
from previs.store import FolderStore, S3Settings, S3Store, Store, keys
from tasks.nightly import start_board
from tests.flows.conftest import artifacts_of, task_states_of
from tests.flows.test_storyboard import s3_block
from tests.ports import free_port

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

ADDED = datetime(2026, 11, 24, tzinfo=UTC)
TOKEN = "token-for-tests-only-4712"  # noqa: S105 - opens nothing
TOO_LARGE = {"text": "x" * 600_000}


@dataclass
class Started:
    """The runs of the deployment."""

    client: PrefectClient
    deployment: UUID

    async def runs(self, before: frozenset[UUID] = frozenset()) -> dict[str, FlowRun]:
        """By board, those of before aside."""
        new = [run for run in await self._all() if run.id not in before]
        by_board = {run.parameters["board"]: run for run in new}
        assert len(by_board) == len(new)
        return by_board

    async def ids(self) -> frozenset[UUID]:
        return frozenset(run.id for run in await self._all())

    async def _all(self) -> list[FlowRun]:
        of_deployment = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment]))
        return await self.client.read_flow_runs(deployment_filter=of_deployment)


@pytest.fixture
async def client(prefect_api: str) -> AsyncIterator[PrefectClient]:
    assert prefect_api
    async with get_client() as opened:
        yield opened


@pytest.fixture
async def started(client: PrefectClient, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Started]:
    """With a deployment of boards that no other test has, and nobody works for."""
    flow = await client.create_flow_from_name("rendered at night")
    deployment = await client.create_deployment(flow, name := f"night {uuid.uuid4()}", enforce_parameter_schema=False)
    monkeypatch.setattr("tasks.nightly.DEPLOYMENT", f"rendered at night/{name}")
    yield Started(client, deployment)
    await client.delete_deployment(deployment)


def entry(board: str, **fields: Any) -> NightlyBoard:
    return NightlyBoard(**({"board": board, "shots": f"s3://film/{board}.csv", "added": ADDED} | fields))


async def add(store: Store, *entries: NightlyBoard) -> None:
    for each in entries:
        await add_nightly(store, each)


async def run(store: object, **parameters: Any) -> State[Any]:
    state: State[Any] = await nightly(store=store, **parameters, return_state=True)  # type: ignore[arg-type, misc]
    return state


def saved_as() -> str:
    """A block's name that no other test uses."""
    return f"night-{uuid.uuid4()}"


async def test_each_board_has_a_run_with_what_it_was_added_with(
    folder_store: FolderStore, started: Started, client: PrefectClient
) -> None:
    settings = {"checkpoint": "模型.safetensors", "steps": 4}
    # Prefect would put a variable of the workspace here, or refuse the run because it has none of this name.
    overrides = {"4.ckpt_name": {"__prefect_kind": "workspace_variable", "variable_name": "studio_secret"}}
    await add(
        folder_store,
        entry("夜城/1"),
        entry("b", workflow=settings, takes=3, overrides=overrides, render_seconds=900),
        entry("c", workflow="/films/graph.json"),
    )
    state = await run(folder_store.name, farm=["http://render-01:8188"], max_age_days=30)
    assert (state.name, state.message) == ("Completed", "3 boards started")
    shared = {"store": folder_store.name, "farm": ["http://render-01:8188"], "max_age_days": 30}
    runs = await started.runs()
    assert {board: each.parameters for board, each in runs.items()} == {
        "夜城/1": {"board": "夜城/1", "shots": "s3://film/夜城/1.csv", "takes": 1} | shared,
        "b": {"board": "b", "shots": "s3://film/b.csv", "takes": 3, "workflow": settings}
        | {"overrides": overrides, "render_seconds": 900}
        | shared,
        "c": {"board": "c", "shots": "s3://film/c.csv", "takes": 1, "workflow": "/films/graph.json"} | shared,
    }
    for board, each in runs.items():
        assert each.name == f"{board} · nightly"
        assert "nightly" in each.tags
        assert each.state is not None
        assert each.state.is_scheduled()
    assert state.state_details.flow_run_id is not None
    assert (await client.read_flow_run(state.state_details.flow_run_id)).name == "nightly · 3 boards"
    assert {"board 3 · 夜城/1", "b", "c"} < set(await task_states_of(state.state_details.flow_run_id, 4))


async def test_what_the_night_was_not_given_is_left_to_the_deployment_of_boards(
    folder_store: FolderStore, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(folder_store.name).parent.parent)
    await add(FolderStore(Path("storyboards")), entry("a"))
    assert (await run(None)).message == "1 board started"
    [(_, started_run)] = (await started.runs()).items()
    assert started_run.parameters == {"board": "a", "shots": "s3://film/a.csv", "takes": 1}


async def test_blocks_are_handed_on_as_references_and_never_with_their_secrets(
    settings: S3Settings, s3_store: S3Store, started: Started
) -> None:
    assert settings.secret_access_key is not None
    name = saved_as()
    farm = ComfyUIFarm(servers=["http://render-01:8188"], token=SecretStr(TOKEN))
    references = {
        "store": {"$ref": {"block_document_id": str(await s3_block(settings).save(name))}},
        "farm": {"$ref": {"block_document_id": str(await farm.save(name))}},
    }
    try:
        await add(s3_store, entry("a"), entry("b"))
        # A worker starts the flow with references, a program with blocks that it loaded.
        loaded = {"store": await S3FrameStore.aload(name), "farm": await ComfyUIFarm.aload(name)}
        for given in (nightly.validate_parameters(references), loaded):
            before = await started.ids()
            state = await run(**given)
            assert state.message == "2 boards started", state.message
            for each in (await started.runs(before)).values():
                assert {name: each.parameters[name] for name in references} == references
                text = each.model_dump_json()
                assert TOKEN not in text
                assert settings.secret_access_key.get_secret_value() not in text
                assert "render-01" not in text
                opened = nightly.validate_parameters({name: each.parameters[name] for name in references})
                assert opened["farm"].token.get_secret_value() == TOKEN
                assert opened["store"].open().name == s3_store.name
    finally:
        await ComfyUIFarm.adelete(name)
        await S3FrameStore.adelete(name)


async def test_a_block_that_is_not_saved_starts_nothing(folder_store: FolderStore, started: Started) -> None:
    await add(folder_store, entry("a"))
    block = FolderFrameStore(folder=folder_store.name)
    state = await run(block)
    assert isinstance(await state.aresult(raise_on_failure=False), StoreRefused)
    assert "not saved in Prefect" in (state.message or "")
    state = await run(folder_store.name, farm=ComfyUIFarm(servers=["http://render-01:8188"]))
    assert isinstance(await state.aresult(raise_on_failure=False), FarmRefused)
    assert await started.runs() == {}


async def test_one_board_that_cannot_be_started_and_one_that_cannot_be_read_cost_no_other(
    folder_store: FolderStore, started: Started
) -> None:
    await add(folder_store, entry("a"), entry("large", overrides=TOO_LARGE), entry("z"))
    await folder_store.put(keys.nightly_key("damaged"), b"{", media_type="application/json")
    state = await run(folder_store.name)
    assert (state.type.value, state.name) == ("FAILED", "PartialFailure")
    head, *lines = (state.message or "").splitlines()
    assert head == "2 of 4 boards could not be started"
    assert lines[0].startswith("damaged: nightly/damaged.json cannot be used: ")
    assert lines[1].startswith("large: nightly/large.json cannot be used: Prefect refuses a run with it (HTTP 4")
    assert set(await started.runs()) == {"a", "z"}
    [rows] = (await artifacts_of(state.state_details.flow_run_id)).values()
    row_of = {row["board"]: row for row in json.loads(rows)}
    assert list(row_of) == ["a", "damaged", "large", "z"]
    assert (row_of["a"]["run"], row_of["a"]["error"]) == ("a · nightly", "")
    assert row_of["large"]["run"] == ""
    assert "Prefect refuses" in row_of["large"]["error"]
    states = await task_states_of(state.state_details.flow_run_id, 4)
    assert {name: states[name][0] for name in ("a", "large", "z")} == {
        "a": "Completed",
        "large": "Failed",
        "z": "Completed",
    }


async def test_a_night_without_any_board_started_has_failed(folder_store: FolderStore, started: Started) -> None:
    await add(folder_store, entry("large", overrides=TOO_LARGE))
    state = await run(folder_store.name)
    assert state.name == "Failed"
    assert await started.runs() == {}


async def test_the_night_shows_each_board_with_a_link_to_its_run(folder_store: FolderStore, started: Started) -> None:
    signed = "https://films.example/shots.csv?X-Amz-Signature=abc"
    await add(folder_store, entry("夜城", shots=signed))
    with temporary_settings({PREFECT_UI_URL: "https://prefect.example"}):
        state = await run(folder_store.name)
    [(key, rows)] = (await artifacts_of(state.state_details.flow_run_id)).items()
    assert key == "nightly"
    [made] = (await started.runs()).values()
    assert json.loads(rows) == [
        {
            "board": "夜城",
            "run": "夜城 · nightly",
            "link": f"[open](https://prefect.example/runs/flow-run/{made.id})",
            "shots": "https：//films.example/shots.csv?…",
            "error": "",
        }
    ]
    assert made.parameters["shots"] == signed


async def test_a_night_that_is_started_again_starts_no_board_twice_and_another_night_every_board_again(
    folder_store: FolderStore, started: Started, client: PrefectClient
) -> None:
    await add(folder_store, entry("a"), entry("b"))
    parameters = {"store": folder_store.name}
    first = await run(**parameters)
    assert first.state_details.flow_run_id is not None
    before = {each.id for each in (await started.runs()).values()}
    await add(folder_store, entry("c"))
    await client.set_flow_run_state(first.state_details.flow_run_id, Scheduled(), force=True)
    again = await client.read_flow_run(first.state_details.flow_run_id)
    state: Any = await run_flow(nightly, flow_run=again, parameters=parameters, return_type="state")  # type: ignore[misc]
    assert state.message == "3 boards started"
    after = await started.runs()
    assert set(after) == {"a", "b", "c"}
    assert {after["a"].id, after["b"].id} == before
    known = await started.ids()
    await run(**parameters)
    assert set(await started.runs(known)) == {"a", "b", "c"}


async def test_a_store_without_nightly_boards_completes_and_says_how_to_add_one(
    folder_store: FolderStore, client: PrefectClient
) -> None:
    state = await run(folder_store.name)
    assert state.is_completed()
    assert state.message == "no board is rendered each night: previs nightly add SHOTS adds one"
    assert state.state_details.flow_run_id is not None
    assert (await client.read_flow_run(state.state_details.flow_run_id)).name == "nightly · 0 boards"


async def test_without_the_deployment_the_remedy_is_told(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.nightly.DEPLOYMENT", f"storyboard/{uuid.uuid4()}")
    await add(folder_store, entry("a"))
    state = await run(folder_store.name)
    assert state.is_failed()
    assert "run previs deploy" in (state.message or "")


async def test_a_server_that_is_away_is_worth_another_attempt() -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: url}), pytest.raises(TryAgain, match="cannot be reached"):
        await start_board.fn("a", entry("a"), {})
