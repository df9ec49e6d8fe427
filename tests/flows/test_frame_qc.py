"""Render shots whose frames are black, flat, frozen or copies: they are marked, or rendered once more."""

from pathlib import Path
from typing import Any

import pytest

from previs.records.manifest import TakeEntry
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.runs import BOARD, Stage, shot, with_sources

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

CHAIN = [shot("A"), shot("B", **with_sources("shot:A"))]


@pytest.fixture
async def stage(simulate: Serve, folder_store: FolderStore, tmp_path: Path) -> Stage:
    return Stage([await simulate(seconds=0.01)], folder_store, str(tmp_path / "故事 板" / "store"))


def kinds(take: TakeEntry) -> list[str]:
    return [mark.kind for mark in take.marks]


async def run(stage: Stage, *shots: dict[str, Any], qc: str = "retry", **parameters: Any) -> dict[str, TakeEntry]:
    listed = {"title": BOARD, "qc": qc, "shots": list(shots)}
    state = await stage.state(shots=listed, **parameters)
    assert state.is_completed(), state.message
    return {f"{each.shot_id}": each.takes[0] for each in (await stage.manifest()).shots}


async def test_a_black_frame_is_rendered_once_more_and_what_builds_on_it_takes_the_good_one(stage: Stage) -> None:
    (simulator, _), *_ = stage.farm
    simulator.faults.black_frames = 1
    made = await run(stage, *CHAIN)
    assert len(stage.started) == 3
    assert made["A"].retried is not None
    assert (made["A"].retried.shown, made["A"].retried.marks[0].kind, kinds(made["A"])) == ("second", "black", [])
    assert made["A"].frames[0].sha256 != made["A"].retried.frames[0].sha256
    assert made["B"].inputs[0].sha256 == made["A"].frames[0].sha256
    again = await run(stage, *CHAIN)
    assert len(stage.started) == 3
    assert [each.outcome for each in again.values()] == ["cached", "cached"]
    assert again["A"].retried == made["A"].retried
