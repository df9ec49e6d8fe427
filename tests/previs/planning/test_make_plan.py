"""Check that planning binds every take of every shot, deterministically, and reports all faults at once."""

import copy
import hashlib
import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import ShotListFaults, WorkflowFaults
from previs.planning.fingerprint import derived_seed, fingerprint, numbered_seed
from previs.planning.make_plan import RunOptions, choose_shots, make_plan
from previs.planning.plan import Plan, PlannedTake, ReferenceImage, RunWorkflow, TakeFrame
from previs.records.takes import Pick
from previs.shots import ShotList, read_shot_list
from previs.simulator import validate
from previs.workflow import ShotValues, Workflow, read_workflow
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE

RECORDED = Path(__file__).parents[2] / "recordings" / "object_info.json"
CHECKPOINT = "sd_xl_base_1.0.safetensors"
CANNY = "control_v11p_sd15_canny.pth"


def picture(content: str, suffix: str = ".png") -> ReferenceImage:
    return ReferenceImage(content.encode(), suffix, hashlib.sha256(content.encode()).hexdigest())


HERO, ALLEY, STYLE, TONE = (picture(name) for name in ("hero", "alley", "style", "tone"))


def settings(**changes: Any) -> Workflow:
    return read_workflow({"checkpoint": CHECKPOINT} | changes, name="the workflow settings")


def shot(shot_id: int | str, prompt: str = "电影风格，城市夜景", **fields: Any) -> dict[str, Any]:
    return {"shot_id": shot_id, "prompt": prompt, "duration": 3.0} | fields


def reference(url: str, strength: float | None = None) -> dict[str, Any]:
    return {"url": url, "reference_id": url.partition(".")[0]} | ({} if strength is None else {"strength": strength})


def shot_list(*shots: dict[str, Any]) -> ShotList:
    return read_shot_list(list(shots))


def plan(*shots: dict[str, Any], workflow: Workflow | None = None, **how: Any) -> Plan:
    pictures = {"hero.png": HERO, "alley.png": ALLEY}
    names = {each.name for each in fields(RunOptions)}
    options = RunOptions(**{name: how.pop(name) for name in sorted(names & how.keys())})
    workflows = {None: RunWorkflow(workflow or settings(), how.pop("workflow_pictures", ()))}
    return make_plan(shot_list(*shots), workflows, pictures, options=options, **how)


def loaded(graph: Graph) -> list[str]:
    return [node["inputs"]["image"] for node in graph.values() if node["class_type"] == "LoadImage"]


def sampled(graph: Graph) -> dict[str, Any]:
    [sampler] = [node["inputs"] for node in graph.values() if node["class_type"] == "KSampler"]
    return sampler


def test_every_take_of_every_shot_is_planned_in_the_order_of_the_list() -> None:
    made = plan(shot("SH02"), shot(1, takes=3), shot("SH01", takes=1), takes=2)
    assert [take.label for take in made.takes] == [
        "SH02 · take 1",
        "SH02 · take 2",
        "1 · take 1",
        "1 · take 2",
        "1 · take 3",
        "SH01 · take 1",
    ]
    assert made.wanted == {take.label for take in made.takes}


def test_a_take_says_what_its_graph_says() -> None:
    [take] = plan(shot(1, width=64, height=128, negative_prompt="雾")).takes
    assert sampled(take.graph)["seed"] == take.seed
    assert take.fingerprint == fingerprint(take.graph)
    assert take.checkpoint == CHECKPOINT
    assert take.graph["empty"]["inputs"] == {"width": 64, "height": 128, "batch_size": 1}
    assert take.graph["positive"]["inputs"]["text"] == "电影风格，城市夜景"
    assert take.graph["negative"]["inputs"]["text"] == "雾"
    assert take.pictures == {}


def test_the_same_list_makes_the_same_plan() -> None:
    shots = [shot("A", references=[reference("hero.png", 0.5)]), shot("B", seed=7)]
    assert plan(*shots, takes=3) == plan(*copy.deepcopy(shots), takes=3)


def test_a_shots_position_name_and_duration_do_not_change_its_picture() -> None:
    first = plan(shot("A", "a lamp"), shot("B", "a door")).takes
    second = plan(
        shot("Z", "a door", duration=9.0, notes="later", sequence="SQ2"), shot("Y", "a lamp", mood="冷")
    ).takes
    assert [take.fingerprint for take in first] == [take.fingerprint for take in reversed(second)]


def test_a_derived_seed_comes_from_the_graph_without_seed_and_the_takes_number() -> None:
    first, second = plan(shot(1), takes=2).takes
    seedless = copy.deepcopy(first.graph)
    sampled(seedless)["seed"] = 0
    assert [first.seed, second.seed] == [derived_seed(fingerprint(seedless), number) for number in (1, 2)]
    assert first.fingerprint != second.fingerprint
    assert plan(shot(1), takes=1).takes[0].seed == first.seed


@pytest.mark.parametrize("given", [None, -1])
def test_no_seed_and_other_tools_random_are_both_derived(given: int | None) -> None:
    assert plan(shot(1, seed=given)).takes == plan(shot(1, seed=given)).takes
    assert plan(shot(1, seed=given)).takes[0].seed == plan(shot(1)).takes[0].seed


@pytest.mark.parametrize("seed", [0, 42, 2**53, 2**64 - 1])
def test_a_shots_own_seed_is_its_first_takes_and_the_next_ones_follow(seed: int) -> None:
    takes = plan(shot(1, seed=seed), takes=3).takes
    assert [take.seed for take in takes] == [numbered_seed(seed, number) for number in (1, 2, 3)]
    assert takes[0].seed == seed
    assert [sampled(take.graph)["seed"] for take in takes] == [take.seed for take in takes]


def test_a_shots_own_references_come_before_the_workflows() -> None:
    workflow = settings(controlnet=CANNY, reference_images=["style.jpg", "tone.jpg"], reference_strength=0.7)
    shots = [shot("A", references=[reference("hero.png", 0.3), reference("alley.png")]), shot("B")]
    first, second = plan(*shots, workflow=workflow, workflow_pictures=(STYLE, TONE)).takes
    assert loaded(first.graph) == [HERO.name, ALLEY.name, STYLE.name, TONE.name]
    assert loaded(second.graph) == [STYLE.name, TONE.name]
    controls = [node["inputs"] for node in first.graph.values() if node["class_type"] == "ControlNetApplyAdvanced"]
    assert [control["strength"] for control in controls] == [0.3, 0.7, 0.7, 0.7]
    assert set(first.pictures) == {HERO.name, ALLEY.name, STYLE.name, TONE.name}
    assert first.pictures[HERO.name] is HERO


def test_a_reference_counts_by_its_bytes_and_not_by_its_name() -> None:
    asked = shot_list(shot(1, references=[reference("hero.png")]))
    renamed = shot_list(shot(1, references=[reference("moved/hero-v2.png") | {"reference_id": "hero"}]))
    [before] = make_plan(asked, {None: RunWorkflow(settings())}, {"hero.png": HERO}).takes
    [moved] = make_plan(renamed, {None: RunWorkflow(settings())}, {"moved/hero-v2.png": HERO}).takes
    [repainted] = make_plan(asked, {None: RunWorkflow(settings())}, {"hero.png": picture("hero, repainted")}).takes
    assert before.fingerprint == moved.fingerprint
    assert before.fingerprint != repainted.fingerprint


def test_a_picture_is_named_by_the_hash_of_its_original_bytes() -> None:
    turned = ReferenceImage(b"turned upright", ".jpg", "ab" * 32)
    assert turned.file_name == "ab" * 32 + ".jpg"
    assert turned.name == f"previs/{turned.file_name}"


def test_shots_that_are_not_selected_stay_in_the_plan() -> None:
    made = plan(shot(1), shot("SH02"), shot("SH03"), only=[1, "SH03"])
    assert made.wanted == {"1 · take 1", "SH03 · take 1"}
    assert [take.shot.label for take in made.takes] == ["1", "SH02", "SH03"]
    assert plan(shot(1), shot("SH02"), only=["1"]).wanted == {"1 · take 1"}


def test_every_unknown_shot_is_reported_with_the_shots_of_the_list() -> None:
    with pytest.raises(ShotListFaults) as caught:
        plan(shot("SH01"), shot("SH02"), only=["SH02", "sh01", 3])
    assert [(fault.place, fault.value) for fault in caught.value.faults] == [("only", "'sh01'"), ("only", "'3'")]
    assert all("SH01, SH02" in fault.remedy for fault in caught.value.faults)


def test_a_long_list_is_shortened() -> None:
    with pytest.raises(ShotListFaults) as caught:
        choose_shots(shot_list(*(shot(number) for number in range(100))), ["none"])
    assert str(caught.value).count(",") < 30
    assert str(caught.value).endswith("18, 19, …")


def test_a_run_has_at_most_100_000_takes() -> None:
    with pytest.raises(
        ShotListFaults, match=r"100,100 takes and passes: a run has at most 100,000: give fewer takes, or split"
    ):
        plan(*(shot(number) for number in range(1_001)), takes=100)


def test_faults_of_all_shots_are_in_one_report_and_each_once() -> None:
    shots = [shot("A", width=100), shot("B"), shot("C", height=7), shot("D", references=[reference("hero.png", 2)])]
    with pytest.raises(WorkflowFaults) as caught:
        plan(*shots, takes=3)
    assert [(fault.place, fault.field) for fault in caught.value.faults] == [
        ("shot A", "width"),
        ("shot C", "height"),
        ("shot D", "reference hero, strength"),
    ]
    assert caught.value.source == "the workflow settings"


def test_a_saved_graph_is_bound_as_settings_are() -> None:
    workflow = read_workflow(json.dumps(TEXT_TO_IMAGE).encode(), name="city.json")
    takes = plan(shot(1, seed=9), shot(2, "雨"), workflow=workflow, takes=2).takes
    assert [sampled(take.graph)["seed"] for take in takes[:2]] == [9, 10]
    assert [take.graph["6"]["inputs"]["text"] for take in takes[1:3]] == ["电影风格，城市夜景", "雨"]
    assert len({take.fingerprint for take in takes}) == 4
    assert sampled(TEXT_TO_IMAGE)["seed"] == 5


@pytest.fixture(scope="module")
def object_info() -> dict[str, Any]:
    """Return the recording of a real server, with a ControlNet model added that it did not have."""
    recorded: dict[str, Any] = json.loads(RECORDED.read_text("utf-8"))
    recorded["ControlNetLoader"]["input"]["required"]["control_net_name"][0] = [CANNY]
    return recorded


@pytest.mark.parametrize(
    ("workflow", "fields", "workflow_pictures"),
    [
        (settings(width=1024, height=576, steps=30, cfg_scale=7.5, sampler="euler_a", scheduler="normal"), {}, ()),
        (settings(), {"references": [reference("hero.png", 0.6)]}, ()),
        (settings(batch_size=4), {"references": [reference("hero.png")]}, ()),
        (settings(controlnet=CANNY), {"references": [reference("hero.png"), reference("alley.png", 0.2)]}, ()),
        (
            settings(controlnet=CANNY, reference_images=["ref1.jpg", "ref2.jpg"], reference_strength=0.8),
            {"width": 512, "height": 768, "seed": 2**64 - 1},
            (STYLE, TONE),
        ),
        (read_workflow(json.dumps(TEXT_TO_IMAGE).encode(), name="city.json"), {"negative_prompt": ""}, ()),
    ],
    ids=["text", "image", "image in batch", "controlnet", "controlnet of the workflow", "saved"],
)
def test_a_real_server_would_take_every_graph(
    workflow: Workflow,
    fields: dict[str, Any],
    workflow_pictures: tuple[ReferenceImage, ...],
    object_info: dict[str, Any],
) -> None:
    for take in plan(shot(1, **fields), workflow=workflow, workflow_pictures=workflow_pictures, takes=2).takes:
        verdict = validate(take.graph, object_info, input_files=set(take.pictures))
        assert (verdict.error, verdict.node_errors) == (None, {})
        assert sampled(verdict.graph)["seed"] == take.seed


def test_a_shot_that_is_not_asked_for_is_no_fault_when_it_cannot_be_bound() -> None:
    shots = read_shot_list(
        [{"shot_id": 1, "prompt": "夜", "duration": 1}, {"shot_id": 2, "prompt": "昼", "duration": 1, "width": 1023}]
    )
    workflow = read_workflow({"checkpoint": "a.safetensors"}, name="the workflow settings")
    with pytest.raises(WorkflowFaults):
        make_plan(shots, {None: RunWorkflow(workflow)}, {})
    assert [
        take.label for take in make_plan(shots, {None: RunWorkflow(workflow)}, {}, options=RunOptions(only=[1])).takes
    ] == ["1 · take 1"]


def test_how_a_list_was_read_is_a_notice_of_the_plan() -> None:
    shots = read_shot_list("The film,,,\nshot,prompt,duration,mood\n1,x,2,calm\n", name="a.csv")
    workflow = read_workflow({"checkpoint": "a.safetensors"}, name="the workflow settings")
    said = ("1 row without a shot is skipped: 1", "kept, not used: fields of shots: mood")
    assert make_plan(shots, {None: RunWorkflow(workflow)}, {}).notices[:2] == said


def chain(*urls: str, **fields: Any) -> dict[str, Any]:
    return {"references": [{"url": url, "reference_id": f"ref_{n}"} for n, url in enumerate(urls, 1)]} | fields


def by_label(made: Plan) -> dict[str, PlannedTake]:
    return {take.label: take for take in made.takes}


def picked(planned: PlannedTake, **changes: Any) -> dict[str, Pick]:
    known = {"shot_id": planned.shot.label, "take": planned.number, "fingerprint": planned.fingerprint}
    return {planned.shot.label: Pick(**(known | {"picked": datetime(2026, 11, 1, tzinfo=UTC)} | changes))}


def test_the_graph_names_another_shots_frame_by_its_takes_fingerprint() -> None:
    takes = by_label(plan(shot("B", **chain("shot:A")), shot("A")))
    a, b = takes["A · take 1"], takes["B · take 1"]
    assert list(takes) == ["B · take 1", "A · take 1"]
    assert b.builds_on == (TakeFrame("A", 1, a.fingerprint),)
    assert loaded(b.graph) == [f"previs/shot-{a.fingerprint}.png"]
    assert (a.builds_on, b.pictures) == ((), {})


def test_a_change_runs_through_to_all_that_depend_on_it() -> None:
    def made(prompt: str) -> dict[str, str]:
        shots = [shot("A", prompt), shot("B", **chain("shot:A")), shot("C", **chain("shot:B")), shot("D")]
        return {label: take.fingerprint for label, take in by_label(plan(*shots)).items()}

    before, after = made("a lamp"), made("a lantern")
    assert [label for label in before if before[label] != after[label]] == ["A · take 1", "B · take 1", "C · take 1"]


def test_the_fingerprint_of_a_source_counts_but_not_its_name() -> None:
    [_, first] = plan(shot("A", "a lamp"), shot("B", **chain("shot:A"))).takes
    [_, second] = plan(shot("SQ1", "a lamp"), shot("B", **chain("shot:SQ1"))).takes
    assert first.fingerprint == second.fingerprint


def test_a_take_that_only_a_reference_names_is_planned_and_wanted() -> None:
    made = plan(shot("A"), shot("B", **chain("shot:A#3")))
    assert [take.label for take in made.takes] == ["A · take 1", "A · take 3", "B · take 1"]
    assert made.wanted == {"A · take 1", "A · take 3", "B · take 1"}


def test_what_wanted_shots_build_on_is_wanted_and_no_more_of_it() -> None:
    made = plan(shot("A"), shot("B", **chain("shot:A")), shot("C", **chain("shot:B")), shot("D"), only=["C"], takes=2)
    assert made.wanted == {"C · take 1", "C · take 2", "B · take 1", "A · take 1"}


def test_the_chosen_take_is_what_others_build_on() -> None:
    shots = [shot("A", takes=3), shot("B", **chain("shot:A"))]
    second = by_label(plan(*shots))["A · take 2"]
    made = plan(*shots, picks=picked(second))
    assert by_label(made)["B · take 1"].builds_on == (TakeFrame("A", 2, second.fingerprint),)
    assert (made.chosen, made.notices) == ({"A": 2}, ())


def test_a_picked_take_stays_even_if_fewer_takes_are_requested() -> None:
    third = by_label(plan(shot("A"), takes=3))["A · take 3"]
    made = plan(shot("A"), picks=picked(third))
    assert [take.label for take in made.takes] == ["A · take 1", "A · take 3"]
    assert made.chosen == {"A": 3}


def test_a_pick_of_another_picture_is_reported_and_adds_no_take() -> None:
    third = by_label(plan(shot("A"), takes=3))["A · take 3"]
    made = plan(shot("A", "a new prompt"), picks=picked(third))
    assert [take.label for take in made.takes] == ["A · take 1"]
    assert made.chosen == {}
    assert made.notices == (
        "shot A: take 3 was another picture when it was picked; take 1 is shown: pick again with previs pick",
    )
    again = plan(shot("A", "a new prompt"), takes=3, picks=picked(third))
    assert again.chosen == {"A": 3}
    assert "take 3 as it is now is shown" in again.notices[0]


def test_a_withdrawn_pick_changes_nothing() -> None:
    first = plan(shot("A")).takes[0]
    assert plan(shot("A"), picks=picked(first, take=None, fingerprint=None)) == plan(shot("A"))
    assert plan(shot("A"), picks={"Z": picked(first)["A"]}) == plan(shot("A"))


def test_takes_that_are_rendered_again_get_their_own_prompt_ids() -> None:
    def render_nonces(**how: Any) -> list[str]:
        shots = [shot("A"), shot("B", **chain("shot:A"))]
        return [take.render_nonce for take in plan(*shots, render_nonce="run 7", **how).takes]

    assert render_nonces() == ["", ""]
    assert render_nonces(refresh=True) == ["run 7", "run 7"]
    assert render_nonces(refresh=["A"]) == ["run 7", ""]
    assert render_nonces(refresh=True, only=["B"]) == ["", "run 7"]
    assert render_nonces(refresh=("B",), only=["A"]) == ["", "run 7"]


def test_a_refreshed_take_is_the_same_take() -> None:
    marks = [[take.fingerprint for take in plan(shot("A"), refresh=again).takes] for again in (False, True)]
    assert marks[0] == marks[1]


def test_shots_to_refresh_must_exist() -> None:
    with pytest.raises(ShotListFaults, match="refresh: 'Z': no shot has this shot_id; the list has A"):
        plan(shot("A"), refresh=["Z"])


def test_circles_and_unknown_shots_stop_the_plan() -> None:
    with pytest.raises(ShotListFaults, match=r"A → B → A|B → A → B"):
        plan(shot("A", **chain("shot:B")), shot("B", **chain("shot:A")))
    with pytest.raises(ShotListFaults, match="did you mean shot:A"):
        plan(shot("A"), shot("B", **chain("shot:AA")))


def test_a_shot_that_cannot_be_bound_is_a_fault_only_where_something_wanted_needs_it() -> None:
    bad = chain("hero.png", "alley.png")
    shots = [shot("A", **bad), shot("B", **chain("shot:A")), shot("C")]
    assert [take.label for take in plan(*shots, only=["C"]).takes] == ["C · take 1"]
    with pytest.raises(WorkflowFaults, match="shot A"):
        plan(*shots, only=["B"])


def test_seeds_fit_what_the_nodes_of_the_graph_take() -> None:
    described = {
        "input": {"required": {"prompt": ["STRING", {"multiline": True}], "seed": ["INT", {"min": 1, "max": 100}]}},
        "output": ["IMAGE"],
        "api_node": True,
    }
    graph = {
        "1": {"class_type": "AcmeImage", "inputs": {"prompt": "a fox", "seed": 7}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["1", 0]}},
    }
    workflow = read_workflow(graph, name="look.json", classes={"AcmeImage": read_class("AcmeImage", described)})
    made = plan(shot(1), shot(2, seed=100), shot(3, seed=500), workflow=workflow, takes=2)
    assert all(take.graph["1"]["inputs"]["seed"] == take.seed and 1 <= take.seed <= 100 for take in made.takes)
    assert [take.seed for take in made.takes if take.shot.label == "2"] == [100, 2]
    assert [notice for notice in made.notices if "seed" in notice] == [
        "seed 101 is 2 in the graph, whose nodes take 1 to 100 (2)",
        "seed 500 is 1 in the graph, whose nodes take 1 to 100 (3)",
    ]


def test_takes_share_the_nodes_in_which_they_do_not_differ() -> None:
    one, two, three = plan(shot(1), shot(2, "雨"), shot(3, overrides={"sampler.cfg": 7})).takes
    shared = {node_id for node_id in one.graph if one.graph[node_id] is two.graph[node_id]}
    assert one.graph.keys() - shared == {"positive", "sampler"}
    assert one.rows[0] != two.rows[0]
    assert one.rows[-1] is two.rows[-1]
    assert (two.graph["sampler"]["inputs"]["cfg"], three.graph["sampler"]["inputs"]["cfg"]) == (7.5, 7)


def test_equal_values_of_different_types_are_not_shared() -> None:
    values = [1, True, 1.0, 1]
    takes = plan(*(shot(number, overrides={"empty.batch_size": value}) for number, value in enumerate(values))).takes
    written = [json.dumps(take.graph["empty"]["inputs"]["batch_size"]) for take in takes]
    assert written == ["1", "true", "1.0", "1"]
    assert takes[0].graph["empty"] is takes[3].graph["empty"]


def test_binding_leaves_a_saved_graph_as_it_is() -> None:
    workflow = read_workflow(copy.deepcopy(TEXT_TO_IMAGE), name="look.json")
    takes = plan(shot(1), shot(2, "雨", overrides={"3.steps": 7}), workflow=workflow).takes
    assert workflow.bind(ShotValues("雨", None, 1)) != TEXT_TO_IMAGE
    assert read_workflow(TEXT_TO_IMAGE, name="look.json") == workflow
    assert takes[0].graph["4"] is takes[1].graph["4"]
    assert takes[1].graph["3"]["inputs"]["steps"] == 7 != takes[0].graph["3"]["inputs"]["steps"]


def test_overrides_of_the_run_that_every_shot_replaces_are_said() -> None:
    own = {"overrides": {"sampler.steps": 9}}
    said = "no shot takes these overrides of the run, because the list sets them: sampler.steps"
    options = {"overrides": {"sampler.steps": 5, "sampler.cfg": 3.0}}
    assert said in plan(shot(1, **own), shot(2, **own), **options).notices
    assert said not in plan(shot(1, **own), shot(2), **options).notices
