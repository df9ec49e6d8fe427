import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import Fault, WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues, WorkflowSettings, read_workflow

RECORDINGS = Path(__file__).parents[2] / "recordings"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def faults_of(source: bytes | dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow(source, name="look.json")
    assert caught.value.source == "look.json"
    assert str(caught.value).encode()
    return caught.value.faults


def test_settings_and_saved_graphs_are_told_apart_by_what_they_hold(examples: Path) -> None:
    kinds = {
        path.name: type(read_workflow(path.read_bytes(), name=str(path))) for path in sorted(examples.glob("*.json"))
    }
    assert kinds == {
        "controlnet.json": WorkflowSettings,
        "saved-graph.json": SavedGraph,
        "storyboard.json": WorkflowSettings,
        "text-to-image.json": WorkflowSettings,
    }


@pytest.mark.parametrize("name", ["controlnet.json", "saved-graph.json", "storyboard.json", "text-to-image.json"])
def test_the_examples_make_graphs_that_a_server_takes(examples: Path, name: str, refusals: Any) -> None:
    workflow = read_workflow((examples / name).read_bytes(), name=name)
    assert all((examples / picture).is_file() for picture in workflow.reference_images)
    placed = tuple(PlacedReference("previs/a.png", picture) for picture in workflow.reference_images)
    assert refusals(workflow.bind(ShotValues("一条街", None, 7, references=placed))) == []


def test_a_byte_order_mark_is_no_part_of_the_file(examples: Path) -> None:
    source = b"\xef\xbb\xbf" + (examples / "text-to-image.json").read_bytes()
    assert isinstance(read_workflow(source, name="x"), WorkflowSettings)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (b"{", "line 1, column 2"),
        (b'{\n  "checkpoint": "a"\n  "width": 8}', "line 3, column 3"),
        (b'{"checkpoint": "\xff"}', "byte 16: not UTF-8"),
        (b'{"checkpoint": "a", "checkpoint": "b"}', "occurs twice"),
        (b"[" * 100_000, "no JSON that a workflow would hold"),
        (b'{"checkpoint": ' + b"9" * 5000 + b"}", "no JSON that a workflow would hold"),
        (b"[]", "give settings"),
        (b"null", "give settings"),
        (b"{}", "empty: the least is"),
        (b'{"checkpoint": "\\ud800"}', "half of a character"),
        (b'{"checkpoint": "a", "\\ud800": 1}', "half of a character"),
        (
            b'{"prompt": {"3": {"class_type": "KSampler", "inputs": {}}}, "client_id": "x"}',
            'only what is under "prompt"',
        ),
        (b'{"3": {"class_type": "A", "inputs": {"x": NaN, "y": ["3", 0]}}}', "3, inputs, x: nan"),
    ],
)
def test_a_file_that_is_no_workflow_is_told_at_its_place(source: bytes, told: str) -> None:
    assert any(told in str(fault) for fault in faults_of(source))


def test_the_editors_own_format_is_told_how_to_export() -> None:
    content = {"last_node_id": 9, "nodes": [{"id": 3, "type": "KSampler", "widgets_values": [1]}], "links": []}
    (fault,) = faults_of(content)
    assert '"Export (API)"' in fault.remedy
    assert '"Save (API Format)"' in fault.remedy


def test_a_piece_of_a_graph_is_told_exactly_what_to_change() -> None:
    content = {"3": {"inputs": {"sampler_name": "euler_a", "seed": -1, "steps": 30, "cfg": 7.5, "scheduler": "normal"}}}
    class_type, sampler, whole = faults_of(content)
    assert (class_type.place, class_type.field, class_type.value) == ("node 3", "class_type", "missing")
    assert 'add "class_type": "KSampler" beside "inputs"' in class_type.remedy
    assert (sampler.field, sampler.value) == ("sampler_name", '"euler_a"')
    assert '"sampler_name": "euler_ancestral"' in sampler.remedy
    assert "a piece of a graph" in whole.remedy
    assert "export the whole graph" in whole.remedy


def test_a_key_that_is_no_text_is_a_fault() -> None:
    assert [fault.field for fault in faults_of({"checkpoint": "a", 3: 4})] == ["3"]  # type: ignore[dict-item]


def test_objects_within_objects_without_end_are_a_fault() -> None:
    endless: dict[str, Any] = {}
    endless["inputs"] = endless
    assert "without end" in str(faults_of(endless)[0])


@pytest.mark.parametrize("recording", ["text_to_image_success", "image_to_image_reference", "two_prompts_queued"])
def test_graphs_that_a_server_has_run_are_read_and_bound(recording: str) -> None:
    events = json.loads((RECORDINGS / f"{recording}.json").read_text("utf-8"))["events"]
    graphs = [event["json"]["prompt"] for event in events if event.get("http") == "POST" and event["path"] == "/prompt"]
    assert graphs
    for graph in graphs:
        bound = read_workflow(graph, name="recorded").bind(ShotValues("新的镜头", "模糊", 99))
        changed = {
            (node_id, name)
            for node_id, node in bound.items()
            for name, value in node["inputs"].items()
            if value != graph[node_id]["inputs"][name]
        }
        assert changed == {("6", "text"), ("7", "text"), ("3", "seed")}


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4) | st.binary(max_size=40))
def test_whatever_is_given_is_read_or_refused_in_words(source: bytes | dict[str, Any]) -> None:
    try:
        workflow = read_workflow(source, name="x")
    except WorkflowFaults as error:
        assert str(error).encode()  # noqa: PT017 - either end is right
    else:
        assert workflow.source == "x"


node_values = st.fixed_dictionaries(
    {},
    optional={
        "class_type": st.sampled_from(("KSampler", "SaveImage", "CLIPTextEncode", "LoadImage", "", 3)),
        "inputs": st.dictionaries(
            st.sampled_from(("positive", "negative", "seed", "text", "image", "latent_image", "width", "height")),
            json_values | st.tuples(st.sampled_from("123"), st.integers(-1, 2)).map(list),
        )
        | json_values,
        "_meta": st.fixed_dictionaries({"title": st.sampled_from(("shot.prompt", "shot.seed", "shot.x", 3))})
        | json_values,
    },
)


@given(st.dictionaries(st.sampled_from("1234"), node_values | json_values, min_size=1))
def test_whatever_looks_like_a_graph_is_read_or_refused_in_words(content: dict[str, Any]) -> None:
    try:
        workflow = read_workflow(content, name="x")
    except WorkflowFaults as error:
        assert str(error).encode()  # noqa: PT017 - either end is right
    else:
        assert workflow.bind(ShotValues("words", None, 1))
