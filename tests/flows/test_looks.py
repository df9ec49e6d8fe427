"""Render a board whose shots share styles, characters and workflows, and change one of them at a time."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from flows.storyboard import storyboard
from previs.boards.picks import pick
from previs.command.plan import PlanOrder, plan_shots
from previs.errors import ShotListFaults, SourceNotFound
from previs.records.manifest import Manifest, ShotEntry
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.test_storyboard import manifest_of, outcome
from tests.previs.planning.test_passes import image_to_image, upscaler

pytestmark = [
    pytest.mark.usefixtures("prefect_api"),
    # Prefect keeps connections to its server open when the event loop that used them closes.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

SKETCH = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 2}
CAST = ["MEI", "TOM", "ANN"]
LOOK = {
    "characters": {
        "MEI": {"prompt": "a girl of ten in a red coat", "references": ["cast/mei.png"]},
        "TOM": "a tall man",
        "ANN": {"prompt": "a nurse", "overrides": {"sampler.cfg": 5.5}},
    },
    "workflows": {"oil": "oil.json"},
}
SHOTS: list[dict[str, Any]] = [
    {
        "shot_id": f"SH{number:03d}",
        "sequence": "SQ1" if number <= 6 else "SQ2",
        "prompt": f"@{CAST[number % 3]} in street {number}" if number % 2 else f"street {number}",
        "cast": [CAST[number % 3]],
        "duration": 2,
    }
    for number in range(1, 13)
] + [{"shot_id": "TITLE", "prompt": "the title", "duration": 3, "workflow": "title.json"}]
LIST = {
    "title": "Looks",
    "look": "film/film.look.yaml",
    "style": {"after": "watercolour", "negative_prompt": "text"},
    "sequences": {
        "SQ1": {"style": {"before": "night"}},
        "SQ2": {"workflow": "oil", "width": 128, "passes": [{"name": "finish", "workflow": "finish.json"}]},
    },
    "shots": SHOTS,
}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Return a folder with a list, a look and three workflows."""
    (tmp_path / "film" / "cast").mkdir(parents=True)
    Image.new("RGB", (8, 6), "red").save(tmp_path / "film" / "cast" / "mei.png")
    (tmp_path / "film" / "oil.json").write_text(json.dumps(SKETCH | {"steps": 3}))
    (tmp_path / "title.json").write_text(json.dumps(SKETCH | {"steps": 4}))
    (tmp_path / "sketch.json").write_text(json.dumps(SKETCH))
    (tmp_path / "finish.json").write_text(json.dumps(image_to_image()))
    save(tmp_path)
    return tmp_path


def save(film: Path, look: dict[str, Any] = LOOK, **fields: Any) -> None:
    (film / "film" / "film.look.yaml").write_text(yaml.safe_dump(look, allow_unicode=True))
    (film / "list.yaml").write_text(yaml.safe_dump(LIST | fields, allow_unicode=True))


async def board(film: Path, url: str) -> tuple[Counter[str], Manifest]:
    state = await storyboard(
        str(film / "list.yaml"),
        workflow=str(film / "sketch.json"),
        farm=[url],
        store=str(film / "store"),
        return_state=True,
    )
    assert state.is_completed(), state.message
    manifest = await manifest_of(FolderStore(film / "store"), "Looks")
    return Counter(take.outcome for shot in manifest.shots for take in shot.renders), manifest


async def rendered(film: Path, url: str) -> set[str]:
    """Return the shots that were rendered; each with its pass, if it has one."""
    _, manifest = await board(film, url)
    assert all(len({each.outcome for each in shot.renders}) == 1 for shot in manifest.shots)
    return {str(shot.shot_id) for shot in manifest.shots if shot.takes[0].outcome == "rendered"}


async def test_what_changes_is_rendered_again_and_nothing_else(
    film: Path, simulate: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate()
    outcomes, manifest = await board(film, url)
    assert outcomes == {"rendered": 19}
    shots = {shot.shot_id: shot for shot in manifest.shots}
    steps = {name: shots[name].takes[0].graph for name in ("SH001", "SH009", "TITLE")}
    assert [steps_of(graph) for graph in steps.values()] == [2, 3, 4]
    assert [shots[name].workflow for name in steps] == [None, "oil", "title.json"]
    assert shots["SH001"].prompt == "night, a tall man in street 1, watercolour"
    assert shots["SH012"].prompt == "street 12, MEI: a girl of ten in a red coat, watercolour"
    assert shots["SH012"].shot["prompt"] == "street 12"
    assert len(shots["SH012"].takes[0].inputs) == 1
    assert manifest.workflows.keys() == {"oil", "title.json", "finish.json"}
    assert {entry.workflow for entry in manifest.bindings} == {None, *manifest.workflows}
    assert [shots[name].passes for name in ("SH001", "TITLE")] == [(), ()]
    [take], [finish] = shots["SH009"].takes, shots["SH009"].passes
    assert [each.sha256 for each in finish.inputs] == [take.frames[0].sha256]
    assert shots["SH009"].shown == finish
    assert shots["SH009"].image_url == finish.image_url != take.image_url
    assert await rendered(film, url) == set()

    older = LOOK["characters"] | {"TOM": "an old man"}
    save(film, LOOK | {"characters": older})
    farm, store = (url,), str(film / "store")
    order = PlanOrder(str(film / "list.yaml"), str(film / "sketch.json"), farm, store, as_json=True)
    assert await plan_shots(order) == 0
    assert json.loads(capsys.readouterr().out)["notices"][:1] == ["TOM changed: 4 shots"]
    of_tom = {shot["shot_id"] for shot in SHOTS if shot.get("cast") == ["TOM"]}
    assert await rendered(film, url) == of_tom

    style = {"SQ1": {"style": {"before": "dawn"}}}
    save(film, LOOK | {"characters": older}, sequences=LIST["sequences"] | style)
    assert await rendered(film, url) == {shot["shot_id"] for shot in SHOTS if shot.get("sequence") == "SQ1"}


async def test_a_pass_is_made_of_the_picked_take_and_again_when_another_is_picked(film: Path, simulate: Serve) -> None:
    _, url = await simulate()
    save(film, shots=[SHOTS[0] | {"takes": 2, "passes": "finish.json, up.json"}, SHOTS[1]])
    (film / "up.json").write_text(json.dumps(upscaler()))
    common = {"workflow": str(film / "sketch.json"), "farm": [url], "store": str(film / "store"), "return_state": True}

    async def run(**options: Any) -> tuple[list[tuple[str, str]], ShotEntry]:
        state = await storyboard(str(film / "list.yaml"), **common, **options)
        assert state.is_completed(), state.message
        entry = (await manifest_of(FolderStore(film / "store"), "Looks")).shots[0]
        return [(each.pass_name or f"take {each.take}", each.outcome) for each in entry.renders], entry

    made, entry = await run(picked_only=True)
    assert made == [("take 1", "rendered"), ("take 2", "rendered")]
    store = FolderStore(film / "store")
    await pick(store, "Looks", "SH001", 2)
    made, entry = await run(passes=["finish"], picked_only=True)
    assert made == [("take 1", "cached"), ("take 2", "cached"), ("finish", "rendered")]
    assert entry.shown == entry.passes[0]
    made, entry = await run()
    assert [outcome for _, outcome in made] == ["cached", "cached", "cached", "rendered"]
    assert [each.sha256 for each in entry.passes[1].inputs] == [entry.passes[0].frames[0].sha256]
    assert (entry.shown, entry.passes[0].take) == (entry.passes[1], 2)

    await pick(store, "Looks", "SH001", 1)
    made, entry = await run(only=["SH001"])
    assert [outcome for _, outcome in made] == ["cached", "cached", "rendered", "rendered"]
    assert entry.passes[0].take == 1


async def test_a_pass_that_fails_costs_no_take_and_the_passes_after_it_are_skipped(film: Path, simulate: Serve) -> None:
    simulator, url = await simulate()
    simulator.faults.fail_on = "broken"
    passes = [{"workflow": "finish.json", "prompt": "broken"}, {"name": "second", "workflow": "finish.json"}]
    save(film, shots=[SHOTS[0] | {"passes": passes}])
    given = {"farm": [url], "store": str(film / "store"), "return_state": True}
    state = await storyboard(str(film / "list.yaml"), workflow=str(film / "sketch.json"), **given)
    assert state.is_failed()
    [entry] = (await manifest_of(FolderStore(film / "store"), "Looks")).shots
    assert [each.outcome for each in entry.renders] == ["rendered", "failed", "skipped"]
    assert entry.passes[1].error == "SH001 · finish, which it builds on, has no picture"
    assert (entry.success, entry.shown) == (False, entry.takes[0])


def steps_of(graph: dict[str, Any]) -> int:
    [steps] = [node["inputs"]["steps"] for node in graph.values() if "steps" in node["inputs"]]
    return int(steps)


async def test_names_that_lead_nowhere_end_the_run_with_a_sentence(film: Path, simulate: Serve) -> None:
    _, url = await simulate()
    given = {"farm": [url], "store": str(film / "store"), "return_state": True}
    (film / "film" / "film.look.yaml").unlink()
    state = await storyboard(str(film / "list.yaml"), **given)
    assert isinstance(await outcome(state), ShotListFaults)
    assert "the list, look[0]: film/film.look.yaml" in state.message
    save(film, shots=[SHOTS[0] | {"workflow": "oli"}])
    state = await storyboard(str(film / "list.yaml"), **given)
    assert "no such name, and it is no path: did you mean oil?" in state.message
    save(film, shots=[SHOTS[0] | {"workflow": "gone.json"}])
    assert isinstance(await outcome(await storyboard(str(film / "list.yaml"), **given)), SourceNotFound)
