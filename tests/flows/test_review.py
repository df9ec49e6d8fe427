"""Review a run: it pauses with a form, follows the answer, and goes on by itself after a time."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectHTTPStatusError
from prefect.flow_engine import run_flow_async
from prefect.states import AwaitingRetry

from flows.storyboard import storyboard
from previs.boards.picks import picks
from previs.store import FolderStore
from tasks import review
from tests.conftest import Serve
from tests.flows.test_events_sent import events_of
from tests.flows.test_process import flow_process
from tests.flows.test_storyboard import SETTINGS, manifest_of, shots
from tests.previs.planning.test_passes import image_to_image
from tests.previs.store.fault_schedule import faulty_proxy

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a paused run look for its answer often."""
    monkeypatch.setattr(review, "_POLL_EVERY", 0.25)


@pytest.fixture
def log() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        yield file


@dataclass
class Reviewed:
    """A run that is asked about.

    Attributes:
        key: of the last question.
    """

    client: PrefectClient
    running: asyncio.Task[State[Any]]
    board: str
    run: UUID | None = None
    key: str | None = None

    async def form(self) -> tuple[dict[str, Any], str]:
        """Wait until the run is paused with another form; return its schema and its text."""
        async with asyncio.timeout(60):
            while True:
                assert not self.running.done(), self.running.result()
                state = await self._state()
                details = state.state_details if state else None
                if details and details.run_input_keyset and details.pause_key != self.key:
                    keyset = details.run_input_keyset
                    stored = [await self._input(keyset[name]) for name in ("schema", "description")]
                    if all(stored):
                        self.key = details.pause_key
                        return stored[0], stored[1]
                await asyncio.sleep(0.2)

    async def _state(self) -> State[Any] | None:
        if self.run is None:
            named = FlowRunFilter(name=FlowRunFilterName(like_=self.board))
            if not (found := await self.client.read_flow_runs(flow_run_filter=named)):
                return None
            self.run = found[0].id
        return (await self.client.read_flow_run(self.run)).state

    async def _input(self, key: str) -> Any:
        assert self.run is not None
        try:
            return json.loads(await self.client.read_flow_run_input(self.run, key))
        except PrefectHTTPStatusError:
            # It is written a moment after the run is paused.
            return None

    async def answer(self, **said: Any) -> str:
        """Fill in the form; return what Prefect makes of it."""
        assert self.run is not None
        result = await self.client.resume_flow_run(self.run, said)
        return result.status.value

    async def ended(self) -> State[Any]:
        return await asyncio.wait_for(self.running, 60)


@asynccontextmanager
async def reviewed(minutes: float = 5, **parameters: Any) -> AsyncIterator[Reviewed]:
    board = f"review {uuid4().hex[:8]}"
    running = asyncio.ensure_future(
        storyboard(**({"workflow": SETTINGS, "board": board} | parameters), review_minutes=minutes, return_state=True)
    )
    try:
        async with get_client() as client:
            yield Reviewed(client, running, board)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_chosen_takes_are_circled_and_shots_made_again_until_nothing_more_is_wanted(
    simulate: Serve, tmp_path: Path, prefect_api: str
) -> None:
    simulator, url = await simulate()
    store = FolderStore(tmp_path)
    async with reviewed(shots=shots(3), takes=2, farm=[url], store=str(tmp_path)) as run:
        schema, text = await run.form()
        assert len(simulator.started) == 6
        assert text.count("data:image/") == 6
        assert schema["definitions"]["ChosenTake"]["properties"]["shot"]["enum"] == ["SH01", "SH02", "SH03"]
        assert await run.answer(chosen=[{"shot": "nobody", "take": 1}]) == "REJECT"
        assert (
            await run.answer(
                chosen=[{"shot": "SH01", "take": 2}],
                again=[{"shot": "SH02", "prompt": "雨夜 {{ x }}"}, {"shot": "SH03", "prompt": ""}],
            )
            == "ACCEPT"
        )
        _, text = await run.form()
        # Both takes of the new prompt, and a third one of the shot that was wanted once more as it is.
        assert len(simulator.started) == 9
        assert text.count("data:image/") == 7
        assert await run.answer(chosen=[{"shot": "SH03", "take": 3}]) == "ACCEPT"
        state = await run.ended()
    assert state.is_completed(), state.message
    assert len(simulator.started) == 9
    manifest = await manifest_of(store, run.board)
    assert [(shot.prompt, shot.picked, len(shot.takes)) for shot in manifest.shots] == [
        ("城市 SH01", 2, 2),
        ("雨夜 {{ x }}", None, 2),
        ("城市 SH03", 3, 3),
    ]
    assert {name: pick.take for name, pick in (await picks(store, run.board)).items()} == {"SH01": 2, "SH03": 3}
    [result] = [shot for shot in await state.aresult() if shot["shot_id"] == "SH01"]
    assert result["image_url"].endswith(manifest.shots[0].takes[1].frames[0].key)
    revised = json.loads(await store.get(f"boards/{run.board}/{manifest.run}/shots.json") or b"")
    assert [shot["prompt"] for shot in revised["shots"]] == ["城市 SH01", "雨夜 {{ x }}", "城市 SH03"]
    assert len([key for key in await store.entries("boards/") if key.endswith("manifest.json")]) == 1
    asked = (await events_of(prefect_api, run.run, {"board.ready"}))["review.waiting"]
    says = f"{run.board}: waits for a review: press Resume on the run's page · 5 min left"
    assert [event["resource"]["prefect.resource.name"] for event in asked] == [says] * 2


async def test_passes_are_made_of_what_the_reviewer_picks(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    given = {"shots": shots(2), "passes": ["finish"], "workflows": {"finish": image_to_image()}}
    async with reviewed(shots=given, takes=2, farm=[url], store=str(tmp_path)) as run:
        await run.form()
        assert await run.answer(chosen=[{"shot": "SH01", "take": 2}]) == "ACCEPT"
        state = await run.ended()
    assert state.is_completed(), state.message
    first, second = (await manifest_of(FolderStore(tmp_path), run.board)).shots
    assert ([(each.name, each.take) for each in first.passes], second.passes) == ([("finish", 2)], ())


async def test_when_nobody_answers_the_run_goes_on_with_the_first_takes(simulate: Serve, tmp_path: Path) -> None:
    simulator, url = await simulate()
    async with reviewed(0.03, shots=shots(2), takes=2, farm=[url], store=str(tmp_path)) as run:
        await run.form()
        state = await run.ended()
    assert state.is_completed(), state.message
    assert len(simulator.started) == 4
    manifest = await manifest_of(FolderStore(tmp_path), run.board)
    assert [(shot.picked, shot.shown and shot.shown.take) for shot in manifest.shots] == [(None, 1), (None, 1)]


async def test_what_is_old_or_to_be_refreshed_is_rendered_again_once_and_not_in_each_round(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    place = {"shots": shots(2), "farm": [url], "store": str(tmp_path)}
    async with reviewed(**place, max_age_days=0) as run:
        await run.form()
        await run.answer(chosen=[{"shot": "SH01", "take": 1}])
        assert (await run.ended()).is_completed()
    assert len(simulator.started) == 2
    async with reviewed(**place, refresh=True) as run:
        await run.form()
        assert len(simulator.started) == 4
        await run.answer(again=[{"shot": "SH01", "prompt": "new"}])
        await run.form()
        await run.answer()
        assert (await run.ended()).is_completed()
    assert len(simulator.started) == 5


async def test_an_answer_that_cannot_be_followed_is_asked_for_again_and_costs_neither_board_nor_run(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "坏"
    store = FolderStore(tmp_path)
    async with reviewed(shots=shots(2, SH01="坏"), takes=2, farm=[url], store=str(tmp_path)) as run:
        await run.form()
        started = len(simulator.started)
        # A prompt without a letter.
        assert await run.answer(again=[{"shot": "SH01", "prompt": "\u200b"}]) == "ACCEPT"
        await run.form()
        assert len(simulator.started) == started
        # A take without a frame is not chosen, and its shot may be made again.
        await run.answer(chosen=[{"shot": "SH01", "take": 1}], again=[{"shot": "SH01", "prompt": "good"}])
        _, text = await run.form()
        assert await picks(store, run.board) == {}
        assert text.count("data:image/") == 4
        started = len(simulator.started)
        whole = simulator.object_info
        simulator.object_info = lacking = {name: about for name, about in whole.items() if name != "KSampler"}
        wanted = [{"shot": "SH01", "prompt": "雨夜"}]
        await run.answer(again=wanted)
        _, text = await run.form()
        assert "could not be made" in text
        assert "KSampler" in text
        assert text.count("data:image/") == 4
        assert len(simulator.started) == started
        simulator.object_info = whole
        await run.answer(again=wanted)
        _, text = await run.form()
        assert "could not be made" not in text
        # Takes that are chosen along with what cannot be made are on the board.
        simulator.object_info = lacking
        await run.answer(chosen=[{"shot": "SH02", "take": 2}], again=[{"shot": "SH01", "prompt": "雪"}])
        _, text = await run.form()
        assert "could not be made" in text
        await run.answer()
        state = await run.ended()
    assert state.is_completed(), state.message
    manifest = await manifest_of(store, run.board)
    assert [(shot.prompt, shot.picked) for shot in manifest.shots] == [("雨夜", None), ("城市 SH02", 2)]
    assert len(simulator.started) == started + 2


async def test_takes_are_chosen_by_their_numbers_also_where_some_are_missing(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    place = {"farm": [url], "store": str(tmp_path)}
    listed = [{"shot_id": "A", "prompt": "a", "duration": 2.0, "takes": 1}]
    with_sources = {"references": [{"url": "shot:A#4", "reference_id": "before"}]}
    async with reviewed(
        shots=[*listed, {"shot_id": "B", "prompt": "b", "duration": 2.0} | with_sources], **place
    ) as run:
        _, text = await run.form()
        assert "A · take 4" in text
        assert await run.answer(chosen=[{"shot": "A", "take": 4}]) == "ACCEPT"
        assert (await run.ended()).is_completed()
    assert {name: pick.take for name, pick in (await picks(FolderStore(tmp_path), run.board)).items()} == {"A": 4}


async def test_a_run_that_waits_outlives_a_server_of_prefect_that_is_away(
    simulate: Serve, tmp_path: Path, prefect_api: str, prefect_environment: dict[str, str], log: IO[bytes]
) -> None:
    simulator, url = await simulate()
    board = f"review {uuid4().hex[:8]}"
    order = {"shots": shots(1), "farm": [url], "store": str(tmp_path / "store"), "workflow": SETTINGS, "board": board}
    async with get_client() as directly, faulty_proxy(prefect_api, share=0, seed=0) as proxy:
        environment = prefect_environment | {"PREFECT_API_URL": f"{proxy.url}/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}
        async with flow_process(environment, log=log, **order, review_minutes=5) as flow:
            run = Reviewed(directly, asyncio.ensure_future(flow.ended()), board)
            await run.form()
            await proxy.stop()
            async with asyncio.timeout(60):
                while b"keeps waiting" not in os.pread(log.fileno(), 1 << 20, 0):
                    await asyncio.sleep(0.1)
            await proxy.start()
            await run.answer(again=[{"shot": "SH01", "prompt": "new"}])
            await run.form()
            await run.answer()
            assert await run.ended() == 0
    assert len(simulator.started) == 2


async def test_a_run_that_is_started_again_asks_again(simulate: Serve, tmp_path: Path) -> None:
    """As after a container was stopped: the run keeps its id, and what Prefect knows of its pauses."""
    simulator, url = await simulate()
    place = {"shots": shots(2), "farm": [url], "store": str(tmp_path)}
    async with reviewed(**place) as run:
        await run.form()
        assert run.run is not None
        run.running.cancel()
        await asyncio.wait([run.running], timeout=10)
        await run.client.set_flow_run_state(run.run, AwaitingRetry(), force=True)
        again = await run.client.read_flow_run(run.run)
        parameters = place | {"board": run.board, "workflow": SETTINGS, "review_minutes": 5}
        run.running = asyncio.ensure_future(
            run_flow_async(storyboard, flow_run=again, parameters=parameters, return_type="state")
        )
        await run.form()
        await run.answer(chosen=[{"shot": "SH01", "take": 1}])
        assert (await run.ended()).is_completed()
    assert len(simulator.started) == 2


async def test_a_run_that_is_cancelled_while_it_waits_ends(simulate: Serve, tmp_path: Path) -> None:
    _, url = await simulate()
    async with reviewed(shots=shots(1), farm=[url], store=str(tmp_path)) as run:
        await run.form()
        run.running.cancel()
        await asyncio.wait([run.running], timeout=10)
        assert run.running.done()
