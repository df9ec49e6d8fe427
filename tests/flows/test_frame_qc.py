"""Render shots whose frames are black, flat, frozen or copies: they are marked, or rendered once more."""

import copy
from pathlib import Path
from typing import Any

import pytest

from previs.boards.picks import pick
from previs.records.manifest import TakeEntry
from previs.rendering.progress import BoardPublished, ProgressEvent, TakeSettled, listening
from previs.rendering.rerender import find_take, plan_again
from previs.simulator import Faults
from previs.simulator.faults import ALWAYS
from previs.simulator.script import Cue
from previs.store import FolderStore, keys
from tests.conftest import Serve
from tests.flows.runs import BOARD, Stage, shot, with_sources
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE

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
    manifest = await stage.manifest()
    planned = await plan_again(manifest, *find_take(manifest, "B", 1, name="m"), stage.store, name="m")
    assert planned.fingerprint == made["B"].fingerprint
    again = await run(stage, *CHAIN)
    assert len(stage.started) == 3
    assert [each.outcome for each in again.values()] == ["cached", "cached"]
    assert again["A"].retried == made["A"].retried
    # A person has picked the second render: it stays, also without the first.
    await pick(stage.store, BOARD, "A", 1)
    assert (await run(stage, *CHAIN))["A"].fingerprint == made["A"].fingerprint
    # Marked only: the black frame is shown, and what builds on it is made from that.
    marked = await run(stage, *CHAIN, qc="mark")
    assert (kinds(marked["A"]), marked["A"].retried, marked["A"].outcome) == (["black"], None, "cached")
    assert marked["A"].frames == made["A"].retried.frames
    assert marked["B"].outcome == "rendered"


async def test_what_stays_black_is_marked_and_rendered_no_third_time(stage: Stage) -> None:
    (simulator, _), *_ = stage.farm
    simulator.faults.black_frames = ALWAYS
    shots = [shot("A"), shot("黑场", qc="off"), shot("C", seed=7), shot("D", qc="mark")]
    made = await run(stage, *shots)
    assert len(stage.started) == 5
    assert {label: kinds(take) for label, take in made.items()} == {
        "A": ["black"],
        "黑场": [],
        "C": ["black"],
        "D": ["black"],
    }
    assert made["A"].retried is not None
    assert made["A"].retried.shown == "first"
    assert {label: take.retried for label, take in made.items() if label != "A"} == {"黑场": None, "C": None, "D": None}
    manifest = await stage.manifest()
    assert [each for each in manifest.problems if "qc" in each] == [
        "qc: retry only marks shots that set their own seed: C"
    ]
    page = (await stage.store.get(keys.run_key(BOARD, manifest.run, "index.html")) or b"").decode()
    assert page.count('<span class="qc">全黑画面</span>') == 3
    assert "因全黑画面重渲一次" in page
    events: list[ProgressEvent] = []
    with listening(events.append):
        await run(stage, *shots)
    assert len(stage.started) == 5
    settled = {event.label: event for event in events if isinstance(event, TakeSettled)}
    assert {label: event.marks for label, event in settled.items()} == {
        "A · take 1": "black frame",
        "黑场 · take 1": "",
        "C · take 1": "black frame",
        "D · take 1": "black frame",
    }
    assert any(isinstance(each, BoardPublished) and each.message.endswith("3 marked by frame QC") for each in events)


async def test_a_second_render_that_fails_leaves_the_first_and_is_tried_again_by_the_next_run(
    simulate: Serve, tmp_path: Path
) -> None:
    failing = (Cue(after_prompts=2, set={"fail_on": "城市"}),)
    simulator, url = await simulate(seconds=0.01, script=failing, faults=Faults(black_frames=1))
    stage = Stage([(simulator, url)], FolderStore(tmp_path), str(tmp_path))
    made = await run(stage, shot("A"))
    assert made["A"].retried is not None
    assert (kinds(made["A"]), made["A"].outcome, made["A"].retried.shown) == (["black"], "rendered", "first")
    assert "as its faults say" in (made["A"].retried.error or "")
    assert made["A"].retried.frames == ()
    simulator.faults.heal()
    again = await run(stage, shot("A"))
    assert again["A"].retried is not None
    assert (kinds(again["A"]), again["A"].outcome, again["A"].retried.shown) == ([], "rendered", "second")
    assert len(stage.started) == 3


async def test_a_frozen_film_and_a_second_take_with_the_same_picture_are_rendered_once_more(stage: Stage) -> None:
    (simulator, _), *_ = stage.farm
    simulator.faults.same_frames = ALWAYS
    simulator.faults.frozen_films = 1
    moving = copy.deepcopy(TEXT_TO_IMAGE)
    moving["5"]["inputs"]["batch_size"] = 3
    moving["10"] = {"class_type": "CreateVideo", "inputs": {"images": ["8", 0], "fps": 8.0}}
    moving["9"] = {
        "class_type": "SaveVideo",
        "inputs": {"filename_prefix": "shot", "format": "mp4", "codec": "h264", "video": ["10", 0]},
    }
    made = await run(stage, shot("A"), workflow=moving)
    assert made["A"].retried is not None
    assert (made["A"].retried.shown, made["A"].retried.marks[0].kind, kinds(made["A"])) == ("second", "frozen", [])
    before = len(stage.started)
    await run(stage, shot("B"), takes=2)
    takes = (await stage.manifest()).shots[0].takes
    assert len(stage.started) == before + 3
    assert [kinds(take) for take in takes] == [[], ["same"]]
    assert (takes[1].marks[0].detail, takes[1].retried and takes[1].retried.shown) == ("B · take 1", "first")
    await run(stage, shot("B"), takes=2)
    assert len(stage.started) == before + 3
