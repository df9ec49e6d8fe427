"""A paused run is answered from the pages of previs serve, with Prefect's real server."""

import asyncio
from pathlib import Path

import pytest

from previs.boards.picks import picks
from previs.errors import ReviewRefused
from previs.review.prefect_api import PrefectApi
from previs.store import FolderStore, keys
from tests.conftest import Serve
from tests.flows.test_review import often, reviewed  # noqa: F401 - a fixture
from tests.flows.test_storyboard import manifest_of, shots
from tests.previs.review.conftest import member, serving

pytestmark = [
    pytest.mark.usefixtures("prefect_api", "often"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]


async def test_a_paused_run_takes_the_review_of_the_pages(simulate: Serve, tmp_path: Path, prefect_api: str) -> None:
    simulator, url = await simulate()
    store = FolderStore(tmp_path)
    async with reviewed(shots=shots(3), takes=2, farm=[url], store=str(tmp_path)) as run:
        await run.form()
        before = len(simulator.started)
        path = f"boards/{keys.part(run.board)}"
        async with serving(store, prefect=lambda: PrefectApi(prefect_api)) as address, member(address) as anna:
            state = (await anna.get(f"{path}/state")).json()
            assert (state["activity"]["state"], state["activity"]["asks"]) == ("PAUSED", True)
            for action in (
                {"kind": "circle", "shot": "SH01", "take": 2},
                {"kind": "again", "shot": "SH02", "text": "雨夜"},
            ):
                assert (await anna.post(f"{path}/events", json=action)).status_code == 200
            answer = await anna.post(f"{path}/answer", json={})
            assert answer.json() == {"chosen": 1, "again": 1}, answer.text
            await run.form()
            assert (await manifest_of(store, run.board)).shots[1].shot["prompt"] == "雨夜"
            assert len(simulator.started) > before
            assert (await picks(store, run.board))["SH01"].take == 2
            # What the pages know of the store may be a second old.
            async with asyncio.timeout(30):
                while not (state := (await anna.get(f"{path}/state")).json())["activity"]["asks"] or any(
                    state["answer"].values()
                ):
                    await asyncio.sleep(0.2)
            assert (await anna.post(f"{path}/answer", json={})).status_code == 200
        assert (await run.ended()).is_completed()
        async with PrefectApi(prefect_api) as prefect:
            # Its list was sent inline.
            assert await prefect.list_of(run.board, str(run.run)[:8]) is None
            assert await prefect.runs(run.board) == []


async def test_a_deployment_that_is_not_there_and_a_board_without_runs(prefect_api: str) -> None:
    async with PrefectApi(prefect_api) as prefect:
        assert await prefect.runs("no such board") == []
        with pytest.raises(ReviewRefused, match="Prefect does not have storyboard/by-hand: run previs deploy"):
            await prefect.start("a board", {})
