"""Run workflows as artists save them: the record says what was set where, and what no server can render is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from blocks import FolderFrameStore
from flows.storyboard import storyboard
from previs.errors import PlanRefused, WorkflowFaults
from previs.records.manifest import Manifest
from tests.conftest import Serve

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

EXAMPLES = Path(__file__).parents[2] / "examples" / "workflows"
SMALL = {"4.width": 64, "4.height": 64, "6.steps": 4}
SHOTS = [
    {"shot_id": "SH01", "prompt": "雨夜", "duration": 2.0, "seed": 11},
    {"shot_id": "SH02", "prompt": "清晨", "duration": 2.0, "overrides": {"6.steps": 5}},
]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A workflow that an artist saved in ComfyUI, with no bindings file beside it."""
    return Path(shutil.copy(EXAMPLES / "saved-in-editor.json", tmp_path / "saved.json"))


async def run(url: str | list[str], store: Path, workflow: object, **parameters: Any) -> State[Any]:
    farm = [url] if isinstance(url, str) else url
    given = {"shots": SHOTS, "overrides": SMALL, "board": "b"} | parameters
    state: State[Any] = await storyboard(
        farm=farm,
        store=str(store),
        workflow=workflow,
        **given,
        return_state=True,  # type: ignore[call-overload]
    )
    return state


async def manifest_in(store: Path) -> Manifest:
    kept = FolderFrameStore(folder=str(store)).open()
    latest = json.loads(await kept.get("boards/b/latest.json") or b"")
    return Manifest.model_validate_json(await kept.get(latest["manifest"]) or b"")


async def test_a_workflow_of_the_editor_is_rendered_and_the_record_says_what_was_set_where(
    simulate: Serve, tmp_path: Path, saved: Path
) -> None:
    simulator, url = await simulate()
    state = await run(url, tmp_path / "store", str(saved))
    assert state.is_completed(), state.message
    assert len(simulator.started) == 2
    manifest = await manifest_in(tmp_path / "store")
    bindings = {(one.what, one.node_id, one.input): (one.title, one.rule, one.now) for one in manifest.bindings}
    assert bindings["prompt", "2", "text"] == ("Positive", "positive of KSampler 6", "a harbour at dawn, wide shot")
    assert bindings["negative_prompt", "3", "text"][1] == "negative of KSampler 6"
    first, second = (shot.takes[0] for shot in manifest.shots)
    assert first.bound == {"2.text": "雨夜", "6.seed": 11, "4.width": 64, "4.height": 64, "6.steps": 4}
    assert second.bound["6.steps"] == 5
    assert first.graph["2"]["inputs"]["text"] == "雨夜"
    assert first.graph["6"]["inputs"]["positive"] == ["2", 0]
    [seed] = [node["inputs"]["seed"] for node in first.graph.values() if "seed" in node["inputs"]]
    assert seed == first.seed == 11


async def test_a_frame_of_a_board_is_a_workflow_too(simulate: Serve, tmp_path: Path, saved: Path) -> None:
    _, url = await simulate()
    assert (await run(url, tmp_path / "store", str(saved), shots=SHOTS[:1])).is_completed()
    [frame] = (tmp_path / "store" / "frames").rglob("*.png")
    again = await run(url, tmp_path / "store", str(frame), shots=[SHOTS[0] | {"prompt": "雪"}], overrides={})
    assert again.is_completed(), again.message
    [shot] = (await manifest_in(tmp_path / "store")).shots
    assert shot.takes[0].graph["2"]["inputs"]["text"] == "雪"
    assert shot.takes[0].graph["6"]["inputs"]["steps"] == 4


async def test_a_bindings_file_beside_the_workflow_has_the_last_word(
    simulate: Serve, tmp_path: Path, saved: Path
) -> None:
    _, url = await simulate()
    beside = tmp_path / "saved.bindings.yaml"
    beside.write_text('schema: previs.bindings/1\nprompt: "Negative.text"\nnegative: []\n', encoding="utf-8")
    assert (await run(url, tmp_path / "store", str(saved), shots=SHOTS[:1])).is_completed()
    manifest = await manifest_in(tmp_path / "store")
    assert manifest.shots[0].takes[0].bound["3.text"] == "雨夜"
    assert {one.rule for one in manifest.bindings if one.what == "prompt"} == {"bindings file"}
    beside.write_text('schema: previs.bindings/1\npromt: "2.text"\n', encoding="utf-8")
    refused = await (await run(url, tmp_path / "store", str(saved))).aresult(raise_on_failure=False)
    assert isinstance(refused, WorkflowFaults)
    assert "did you mean prompt?" in str(refused)


async def test_no_prompt_is_submitted_while_no_server_can_render_one_of_them(
    simulate: Serve, tmp_path: Path, saved: Path
) -> None:
    simulator, url = await simulate()
    shots = [SHOTS[0], SHOTS[1] | {"overrides": {"1.ckpt_name": "sd_xl_bse_1.0.safetensors", "6.cfg": 1000}}]
    refused = await (await run(url, tmp_path / "store", str(saved), shots=shots)).aresult(raise_on_failure=False)
    assert isinstance(refused, PlanRefused)
    assert len(refused.faults) == 2
    assert "SH02, node 1 (CheckpointLoaderSimple), ckpt_name" in str(refused)
    assert "sd_xl_base_1.0.safetensors" in str(refused)
    assert simulator.posted == []


async def test_what_one_server_lacks_stops_nothing_where_another_has_it(
    simulate: Serve, tmp_path: Path, saved: Path
) -> None:
    whole, has = await simulate()
    lacking = {name: about for name, about in whole.object_info.items() if name != "EmptyLatentImage"}
    other, lacks = await simulate(object_info=lacking)
    state = await run([has, lacks], tmp_path / "store", str(saved), shots=SHOTS[:1])
    assert state.is_completed(), state.message
    assert (len(whole.started), len(other.started)) == (1, 0)


async def test_a_board_that_is_all_there_needs_no_server_but_to_read_the_editors_format(
    simulate: Serve, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    graph = json.loads((EXAMPLES / "saved-graph.json").read_text("utf-8"))
    place = tmp_path / "graph.json"
    place.write_text(json.dumps(graph), encoding="utf-8")
    assert (await run(url, tmp_path / "store", str(place), shots=SHOTS[:1], overrides={})).is_completed()
    simulator.close_door()
    again = await run(url, tmp_path / "store", str(place), shots=SHOTS[:1], overrides={})
    assert again.message == "1 shot: 0 takes rendered, 1 cached"
