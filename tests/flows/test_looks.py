"""Render a board whose shots share styles, characters and workflows, and change one of them at a time."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from flows.storyboard import storyboard
from previs.command.plan import PlanOrder, plan_shots
from previs.errors import ShotListFaults, SourceNotFound
from previs.records.manifest import Manifest
from previs.store import FolderStore
from tests.conftest import Serve
from tests.flows.test_storyboard import manifest_of, outcome

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
        "sequence": "SQ1" if number <= 20 else "SQ2",
        "prompt": f"@{CAST[number % 3]} in street {number}" if number % 2 else f"street {number}",
        "cast": [CAST[number % 3]],
        "duration": 2,
    }
    for number in range(1, 40)
] + [{"shot_id": "TITLE", "prompt": "the title", "duration": 3, "workflow": "title.json"}]
LIST = {
    "title": "Looks",
    "look": "film/film.look.yaml",
    "style": {"after": "watercolour", "negative_prompt": "text"},
    "sequences": {"SQ1": {"style": {"before": "night"}}, "SQ2": {"workflow": "oil", "width": 128}},
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
    return Counter(take.outcome for shot in manifest.shots for take in shot.takes), manifest


async def rendered(film: Path, url: str) -> set[str]:
    _, manifest = await board(film, url)
    return {str(shot.shot_id) for shot in manifest.shots if shot.takes[0].outcome == "rendered"}


async def test_what_changes_is_rendered_again_and_nothing_else(
    film: Path, simulate: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    _, url = await simulate()
    outcomes, manifest = await board(film, url)
    assert outcomes == {"rendered": 40}
    shots = {shot.shot_id: shot for shot in manifest.shots}
    steps = {name: shots[name].takes[0].graph for name in ("SH001", "SH021", "TITLE")}
    assert [steps_of(graph) for graph in steps.values()] == [2, 3, 4]
    assert [shots[name].workflow for name in steps] == [None, "oil", "title.json"]
    assert shots["SH001"].prompt == "night, a tall man in street 1, watercolour"
    assert shots["SH024"].prompt == "street 24, MEI: a girl of ten in a red coat, watercolour"
    assert shots["SH024"].shot["prompt"] == "street 24"
    assert len(shots["SH024"].takes[0].inputs) == 1
    assert manifest.workflows.keys() == {"oil", "title.json"}
    assert {entry.workflow for entry in manifest.bindings} == {None, "oil", "title.json"}
    assert await rendered(film, url) == set()

    older = LOOK["characters"] | {"TOM": "an old man"}
    save(film, LOOK | {"characters": older})
    farm, store = (url,), str(film / "store")
    order = PlanOrder(str(film / "list.yaml"), str(film / "sketch.json"), farm, store, as_json=True)
    assert await plan_shots(order) == 0
    assert json.loads(capsys.readouterr().out)["notices"][:1] == ["TOM changed: 13 shots"]
    of_tom = {shot["shot_id"] for shot in SHOTS if shot.get("cast") == ["TOM"]}
    assert await rendered(film, url) == of_tom

    style = {"SQ1": {"style": {"before": "dawn"}}}
    save(film, LOOK | {"characters": older}, sequences=LIST["sequences"] | style)
    assert await rendered(film, url) == {shot["shot_id"] for shot in SHOTS if shot.get("sequence") == "SQ1"}


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
