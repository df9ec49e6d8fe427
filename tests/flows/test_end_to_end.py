"""Render boards under a real worker: by hand, by event, after another flow and each night."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import pytest_asyncio
from prefect import flow
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.flow_engine import run_flow_async
from prefect.states import Pending

from blocks import AllowedSources, ComfyUIFarm, S3FrameStore
from flows.storyboard import storyboard
from previs.command.board_schedules import remove_schedules
from previs.command.nightly_boards import AddOrder, add_board, remove_board
from previs.records.manifest import Manifest
from previs.simulator import Simulator, serve
from previs.store import S3Settings, S3Store, keys
from tests.conftest import bucket_settings
from tests.flows.conftest import artifacts_of, prefect_settings
from tests.flows.deployed import (
    CHECKOUT,
    UPSTREAM,
    Worker,
    next_run,
    post,
    runs_of,
    send,
    until_final,
)
from tests.flows.test_storyboard import SETTINGS, s3_block

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


@flow(name=UPSTREAM, persist_result=True)
async def upstream(place: str) -> str:
    """Return the place of a list, as a flow of somebody else does."""
    return place


def shots(board: str, count: int) -> list[dict[str, Any]]:
    """Make shots that no other board has."""
    numbers = range(1, count + 1)
    return [
        {"shot_id": f"SH{n:02d}", "prompt": f'{board}，镜头 {n} "quoted" {{{{x}}}}\n雨', "duration": 2} for n in numbers
    ]


@dataclass
class House:
    """Hold a deployed checkout with its worker, farm and store."""

    environment: dict[str, str]
    client: PrefectClient
    farm: list[Simulator]
    store: S3Store
    deployed: str

    @property
    def prompts(self) -> list[str]:
        """Return the prompts that were rendered so far."""
        return [prompt_id for simulator in self.farm for prompt_id in simulator.started]

    @property
    def started(self) -> int:
        """Count the renders so far."""
        return len(self.prompts)

    async def until_prompted(self, before: int, seconds: float) -> float:
        """Wait until a server has one prompt more; return the time."""
        async with asyncio.timeout(seconds):
            while self.started == before:
                await asyncio.sleep(0.01)
        return time.time()

    async def manifest(self, board: str) -> Manifest:
        latest = json.loads(await self.store.get(keys.latest_key(board)) or b"")
        return Manifest.model_validate_json(await self.store.get(latest["manifest"]) or b"")

    async def start(self, deployment: str, **parameters: Any) -> FlowRun:
        found = await self.client.read_deployment_by_name(deployment)
        return await self.client.create_flow_run_from_deployment(found.id, parameters=parameters)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    deployed_environment: dict[str, str], deployed: str, started_worker: Worker, s3_endpoint: str
) -> AsyncIterator[House]:
    with prefect_settings(deployed_environment):
        async with AsyncExitStack() as running:
            farm = [Simulator(seconds=0.3, draw=False, previews=False) for _ in range(2)]
            urls = [await running.enter_async_context(serve(simulator)) for simulator in farm]
            settings = bucket_settings(s3_endpoint)
            store = await running.enter_async_context(S3Store(settings))
            client = await running.enter_async_context(get_client())
            await save_blocks(urls, settings)
            running.push_async_callback(ComfyUIFarm.adelete, "default")
            running.push_async_callback(S3FrameStore.adelete, "default")
            started_worker.start()
            yield House(deployed_environment, client, farm, store, deployed)


async def save_blocks(urls: list[str], settings: S3Settings) -> None:
    await ComfyUIFarm(servers=urls).save("default", overwrite=True)
    await s3_block(settings).save("default", overwrite=True)


async def test_deploying_says_what_it_did(house: House) -> None:
    for name in ("by-hand", "by-event", "by-schedule", f"after-{UPSTREAM}"):
        assert f"storyboard/{name}" in house.deployed
        await house.client.read_deployment_by_name(f"storyboard/{name}")
    assert f"flow {UPSTREAM}: has not run at this server yet" in house.deployed


async def test_an_event_from_a_screenplay_starts_a_run_with_its_list_and_a_second_event_costs_no_render_twice(
    house: House,
) -> None:
    before, prompts = await runs_of(house.client, "storyboard/by-event"), house.started
    script, board = CHECKOUT / "examples" / "harbour.fountain", "{{ board }} 渔港"
    for simulator in house.farm:
        simulator.seconds = 1.0
    try:
        upstream = await house.start("script-to-shots/by-hand", script=str(script), board=board, workflow=SETTINGS)
        prompted = asyncio.create_task(house.until_prompted(prompts, 90))
        sent = await until_final(house.client, upstream)
        assert sent.state is not None
        assert sent.state.is_completed(), sent.state.message
        first = await next_run(house.client, "storyboard/by-event", before)
        # The event is sent at the end of the upstream run's work, and before its end.
        assert sent.end_time is not None
        seconds = await prompted - sent.end_time.timestamp()
        print(f"from the upstream run's end to the first prompt: {seconds:.1f} s")  # noqa: T201 - shown with -s
        place = await sent.state.aresult()
        await send(house.environment, place, board, SETTINGS)
        second = await next_run(house.client, "storyboard/by-event", [*before, first])
        ended = [await until_final(house.client, run, 120) for run in (first, second)]
    finally:
        for simulator in house.farm:
            simulator.seconds = 0.3
    assert [run.state.name for run in ended if run.state] == ["Completed", "Completed"]
    manifest = await house.manifest(board)
    assert manifest.title
    kept = json.loads(await house.store.get("lists/" + place.rpartition("/lists/")[2]) or b"")
    assert [shot.shot_id for shot in manifest.shots] == [shot["shot_id"] for shot in kept["shots"]]
    assert house.started - prompts == len({take.fingerprint for shot in manifest.shots for take in shot.takes})
    numbers = sorted(run.name for run in ended)
    assert numbers == [f"{board} · {len(manifest.shots)} shots · #{number}" for number in (1, 2)]


async def test_a_flow_that_completes_with_the_place_of_a_list_starts_a_run(house: House, tmp_path: Path) -> None:
    given = tmp_path / "shots.json"
    given.write_text(json.dumps({"title": "after 之后", "shots": shots("after", 2)}), "utf-8")
    before = await runs_of(house.client, f"storyboard/after-{UPSTREAM}")
    await upstream(str(given))
    run = await next_run(house.client, f"storyboard/after-{UPSTREAM}", before)
    ended = await until_final(house.client, run)
    assert ended.state is not None
    assert ended.state.is_completed(), ended.state.message
    assert len((await house.manifest("after 之后")).shots) == 2


async def test_the_nightly_schedule_has_its_next_run_and_renders_only_what_changed(
    house: House, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps(SETTINGS))
    async with asyncio.timeout(60):
        nightly = await house.client.read_deployment_by_name("nightly/nightly")
        [schedule] = nightly.schedules
        assert schedule.active
        while True:
            planned = [run.expected_start_time for run in await runs_of(house.client, "nightly/nightly")]
            if any(when and when > datetime.now(UTC) for when in planned):
                break
            await asyncio.sleep(0.25)
    rendered = await storyboard(shots("nightly", 3), workflow=SETTINGS, board="夜城", return_state=True)
    assert rendered.is_completed(), rendered.message
    await house.store.put("lists/nightly.json", json.dumps(shots("nightly", 4)).encode(), media_type="application/json")
    # Prefect's block is read in a process, which has this environment.
    with patch.dict(os.environ, house.environment):
        await add_board(AddOrder(None, house.store.uri("lists/nightly.json"), "夜城", str(settings)))
    before, prompts = await runs_of(house.client, "storyboard/by-schedule"), house.started
    run = await until_final(house.client, await house.start("nightly/nightly"))
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    board = await until_final(house.client, await next_run(house.client, "storyboard/by-schedule", before))
    assert board.state is not None
    assert board.state.is_completed(), board.state.message
    assert house.started - prompts == 1
    assert board.name == "夜城 · 4 shots · #2"


async def test_a_board_has_a_schedule_of_its_own_whose_runs_have_its_parameters(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, folder = tmp_path / "own.json", str(tmp_path / "store")
    listed.write_text(json.dumps(shots("own", 1)), "utf-8")
    # Prefect's server evaluates it in the parameters of a run that is created by hand.
    variable = {"4.ckpt_name": {"__prefect_kind": "workspace_variable", "variable_name": "studio_secret"}}
    order = AddOrder(folder, str(listed), "own", overrides=variable, cron="0 3 * * 1-5", timezone="Asia/Tokyo")
    with patch.dict(os.environ, house.environment):
        assert await add_board(order) == 0
        said = capsys.readouterr().out.splitlines()
        assert said[0] == f"own is rendered at 0 3 * * 1-5 (Asia/Tokyo) from {listed} (1 shot)"
        # Prefect's scheduler does it within a minute.
        deployment = await house.client.read_deployment_by_name("storyboard/by-schedule")
        await post(house.environment["PREFECT_API_URL"], f"/deployments/{deployment.id}/schedule", {})
        planned = await planned_runs(house)
        assert planned
        own = {"shots": str(listed), "board": "own", "takes": 1, "overrides": variable, "store": folder}
        assert all(run.parameters == own for run in planned)
        assert await remove_board(folder, "own", remove_schedules) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == ["own is no longer rendered at 0 3 * * 1-5 (Asia/Tokyo); rendered frames stay"]
    assert await planned_runs(house) == []


async def test_two_runs_in_two_processes_render_one_board_and_no_take_twice(house: House, tmp_path: Path) -> None:
    given = shots("parts", 12)
    # Shots of a chain are in one part.
    given[11] |= {"references": [{"url": "shot:SH10", "reference_id": "before"}]}
    place = tmp_path / "parts.json"
    place.write_text(json.dumps(given), "utf-8")
    # A part is trusted as the run whose board it is.
    await AllowedSources(trust_run_parameters=True).save("default", overwrite=True)
    prompts = house.started
    for simulator in house.farm:
        simulator.faults.silent_for = 60
    try:
        parameters = {"shots": str(place), "board": "parts", "refresh": True, "workflow": SETTINGS}
        found = await house.client.read_deployment_by_name("storyboard/by-hand")
        # It begins in this process, and its part in one of the worker's.
        run = await house.client.create_flow_run_from_deployment(
            found.id, parameters=parameters | {"parts": 2}, state=Pending()
        )
        board = asyncio.create_task(run_flow_async(storyboard, flow_run=run, parameters=run.parameters))
        async with asyncio.timeout(60):
            # The first run has two prompts at each server, the others are of the second.
            while sum(simulator.queue.remaining for simulator in house.farm) < 6:
                await asyncio.sleep(0.05)
        for simulator in house.farm:
            simulator.faults.heal()
            simulator.end_silence()
        await board
        run = await house.client.read_flow_run(run.id)
    finally:
        await AllowedSources.adelete("default")
    assert run.state is not None
    assert (run.state.name, run.state.message) == ("Completed", "12 shots: 12 takes rendered, 0 cached")
    assert run.name == "parts · 12 shots · #1"
    assert house.started - prompts == len(set(house.prompts[prompts:])) == 12
    [part] = [one for one in await runs_of(house.client, "storyboard/by-hand") if one.name.startswith("parts · 6 of")]
    assert part.state is not None
    assert (part.name, part.state.name) == ("parts · 6 of 12 shots · part 2 of 2", "Completed")
    assert {"part", "board:parts"} <= set(part.tags)
    assert part.parameters == parameters | {"only": ["SH07", "SH08", "SH09", "SH10", "SH12", "SH11"]}
    assert part.parent_task_run_id is not None
    assert "12 shots: 0 takes" not in (part.state.message or "")
    assert set(await artifacts_of(part.id)) == {"parts-part-2-progress"}
    pages = [key for key in await house.store.entries(keys.board_prefix("parts")) if key.endswith(".html")]
    assert len(pages) == 1


async def planned_runs(house: House) -> list[FlowRun]:
    """Return the runs that schedules of boards have made."""
    return [run for run in await runs_of(house.client, "storyboard/by-schedule") if run.auto_scheduled]
