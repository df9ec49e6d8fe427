"""Check which passes a plan has, what they are made from, and which of them a run renders."""

from datetime import UTC, datetime
from typing import Any

import pytest

from previs.errors import ShotListFaults, WorkflowFaults
from previs.planning.fingerprint import numbered_seed
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.plan import Plan, PlannedTake, RunWorkflow
from previs.records.takes import Pick
from previs.shots import read_shot_list
from previs.workflow import Workflow, read_workflow
from tests.copies import copied
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE

PICKED = datetime(2026, 11, 29, tzinfo=UTC)


def image_to_image() -> dict[str, Any]:
    """Return a graph that samples from a picture."""
    graph: dict[str, Any] = copied(TEXT_TO_IMAGE)
    [sampler] = [node for node in graph.values() if node["class_type"] == "KSampler"]
    [checkpoint] = [key for key, node in graph.items() if node["class_type"] == "CheckpointLoaderSimple"]
    graph["50"] = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    graph["51"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["50", 0], "vae": [checkpoint, 2]}}
    del graph[sampler["inputs"]["latent_image"][0]]
    sampler["inputs"] |= {"latent_image": ["51", 0], "denoise": 0.5}
    return graph


def upscaler() -> dict[str, Any]:
    """Return a graph without any prompt."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
        "2": {"class_type": "ImageScaleBy", "inputs": {"image": ["1", 0], "upscale_method": "area", "scale_by": 2.0}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "up"}},
    }


def workflow(content: dict[str, Any]) -> RunWorkflow:
    read: Workflow = read_workflow(content, name="finish.json")
    return RunWorkflow(read)


def plan(*shots: dict[str, Any], picks: dict[str, Pick] | None = None, nonce: str = "", **options: Any) -> Plan:
    workflows = {
        None: RunWorkflow(read_workflow({"checkpoint": "sd_xl_base_1.0.safetensors"}, name="the settings")),
        "finish": workflow(image_to_image()),
        "up": workflow(upscaler()),
    }
    listed = read_shot_list([{"prompt": "a lamp", "duration": 2.0} | shot for shot in shots], name="the list")
    return make_plan(listed, workflows, {}, options=RunOptions(**options), picks=picks, render_nonce=nonce)


def by_label(made: Plan) -> dict[str, PlannedTake]:
    return {take.label: take for take in made.takes}


def picked(made: Plan, label: str, take: int) -> dict[str, Pick]:
    fingerprint = by_label(made)[f"{label} · take {take}"].fingerprint
    return {label: Pick(shot_id=label, take=take, fingerprint=fingerprint, picked=PICKED)}


def test_each_pass_is_made_from_the_one_before_and_the_first_from_the_chosen_take() -> None:
    given = {"shot_id": "A", "takes": 2, "passes": ["finish", "up"]}
    made = plan(given, {"shot_id": "B"})
    assert [take.label for take in made.takes] == ["A · take 1", "A · take 2", "A · finish", "A · up", "B · take 1"]
    takes = by_label(made)
    assert takes["A · finish"].builds_on == (takes["A · take 1"].frame,)
    assert takes["A · up"].builds_on == (takes["A · finish"].frame,)
    assert takes["A · finish"].graph["50"]["inputs"]["image"] == takes["A · take 1"].frame.name
    again = by_label(plan(given, picks=picked(made, "A", 2)))
    assert again["A · finish"].builds_on == (takes["A · take 2"].frame,)
    assert again["A · finish"].number == 2
    assert again["A · finish"].fingerprint != takes["A · finish"].fingerprint
    assert again["A · take 1"].fingerprint == takes["A · take 1"].fingerprint


def test_a_pass_has_the_shots_prompt_and_seed_and_settings_of_its_own() -> None:
    own = {"name": "close", "workflow": "finish", "prompt": "a bright lamp", "overrides": {"3.steps": 7}}
    given = {"shot_id": "A", "seed": 5, "negative_prompt": "text", "width": 512, "overrides": {"sampler.cfg": 3}}
    takes = by_label(plan(given | {"passes": ["finish", own]}, overrides={"sampler.steps": 9}))
    first, second = takes["A · finish"].graph, takes["A · close"].graph
    assert first["3"]["inputs"]["seed"] == numbered_seed(5, 1)
    assert (first["6"]["inputs"]["text"], first["7"]["inputs"]["text"]) == ("a lamp", "text")
    assert second["6"]["inputs"]["text"] == "a bright lamp"
    assert (first["3"]["inputs"]["steps"], second["3"]["inputs"]["steps"]) == (TEXT_TO_IMAGE["3"]["inputs"]["steps"], 7)
    assert first["3"]["inputs"]["cfg"] == TEXT_TO_IMAGE["3"]["inputs"]["cfg"]


def test_a_negative_prompt_for_which_a_pass_has_no_input_stays_with_the_take() -> None:
    made = plan({"shot_id": "A", "negative_prompt": "text", "passes": "up"})
    assert "text" not in str(by_label(made)["A · up"].graph)
    with pytest.raises(WorkflowFaults, match="negative_prompt"):
        plan({"shot_id": "A", "passes": [{"workflow": "up", "negative_prompt": "text"}]})


def test_a_named_pass_brings_only_the_takes_that_it_is_made_from() -> None:
    shots = {"shot_id": "A", "takes": 3, "passes": "finish, up"}, {"shot_id": "B", "passes": "finish"}
    assert plan(*shots, passes=["FINISH"]).wanted == {"A · take 1", "A · finish", "B · take 1", "B · finish"}
    assert plan(*shots, passes=["up"], only=["A"]).wanted == {"A · take 1", "A · finish", "A · up"}
    assert len(plan(*shots).wanted) == 7


def test_a_refresh_of_a_named_pass_leaves_the_take_as_it_is() -> None:
    nonces = {
        take.label: take.render_nonce
        for take in plan({"shot_id": "A", "passes": "finish"}, passes=["finish"], refresh=True, nonce="again").takes
    }
    assert nonces == {"A · take 1": "", "A · finish": "again"}
    whole = plan({"shot_id": "A", "passes": "finish"}, refresh=["A"], nonce="again")
    assert {take.render_nonce for take in whole.takes} == {"again"}


def test_passes_of_picked_takes_only_wait_for_a_pick_and_say_so() -> None:
    shots = {"shot_id": "A", "takes": 2, "passes": "finish"}, {"shot_id": "B", "passes": "finish"}, {"shot_id": "C"}
    waiting = plan(*shots, picked_only=True)
    assert waiting.wanted == {"A · take 1", "A · take 2", "B · take 1", "C · take 1"}
    assert waiting.notices[-1].startswith("passes wait until a take is picked: A, B;")
    some = plan(*shots, picked_only=True, picks=picked(waiting, "A", 2))
    assert some.wanted - waiting.wanted == {"A · finish"}
    assert some.notices[-1].startswith("passes wait until a take is picked: B;")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"passes": ["finsh"]}, "passes: 'finsh': no shot has this pass; did you mean finish?"),
        ({"passes": ["film"]}, "passes: 'film': no shot has this pass; there are finish, up"),
        ({"passes": ["up"], "only": ["B"]}, "passes: 'up': no shot that is rendered has this pass"),
    ],
)
def test_an_unknown_pass_is_a_fault(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        plan({"shot_id": "A", "passes": "finish, up"}, {"shot_id": "B", "passes": "finish"}, **options)
    assert message in str(caught.value)
    with pytest.raises(ShotListFaults, match="the list has no passes"):
        plan({"shot_id": "A"}, passes=["finish"])


def test_a_pass_that_its_workflow_refuses_is_a_fault_unless_another_is_asked_for() -> None:
    shot = {"shot_id": "A", "passes": ["finish", {"workflow": "up", "width": 64}]}
    with pytest.raises(WorkflowFaults) as caught:
        plan(shot)
    assert [(fault.place, fault.field) for fault in caught.value.faults] == [("shot A", "width")]
    assert [take.label for take in plan(shot, passes=["finish"]).takes] == ["A · take 1", "A · finish"]


def test_a_pass_that_is_asked_for_needs_those_before_it() -> None:
    with pytest.raises(WorkflowFaults, match="width"):
        plan({"shot_id": "A", "passes": [{"workflow": "up", "width": 64}, "finish"]}, passes=["finish"])


def test_what_a_pass_does_not_use_is_said_with_its_name() -> None:
    notices = plan({"shot_id": "A", "passes": "up"}).notices
    assert any(notice.startswith("pass up: prompt is not used") for notice in notices)
