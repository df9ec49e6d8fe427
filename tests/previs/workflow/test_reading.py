import copy
import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import read_class
from previs.errors import Fault, WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues, WorkflowSettings, open_workflow, read_workflow

RECORDINGS = Path(__file__).parents[2] / "recordings"
EDITOR = {"nodes": [{"id": 4, "type": "CheckpointLoaderSimple"}], "links": [], "version": 0.4}
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


def test_settings_and_saved_graphs_are_distinguished_by_content(examples: Path, object_info: dict[str, Any]) -> None:
    classes = {name: read_class(name, told) for name, told in object_info.items()}
    kinds = {
        path.name: type(read_workflow(path.read_bytes(), name=str(path), classes=classes))
        for path in sorted(examples.glob("*.json"))
    }
    assert kinds == {
        "controlnet.json": WorkflowSettings,
        "saved-graph.json": SavedGraph,
        "saved-in-editor.json": SavedGraph,
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
        (b"[" * 100_000, "not the JSON of a workflow"),
        (b'{"checkpoint": ' + b"9" * 5000 + b"}", "not the JSON of a workflow"),
        (b"[]", "give settings"),
        (b"null", "give settings"),
        (b"{}", "empty: the minimum is"),
        (b'{"checkpoint": "\\ud800"}', "half of a character"),
        (b'{"checkpoint": "a", "\\ud800": 1}', "half of a character"),
        (b'{"3": {"class_type": "A", "inputs": {"x": NaN, "y": ["3", 0]}}}', "node 3, inputs, x: NaN"),
    ],
)
def test_a_file_that_is_no_workflow_is_reported_with_the_position(source: bytes, told: str) -> None:
    assert any(told in str(fault) for fault in faults_of(source))


WRAPPED: dict[str, Callable[[Any], Any]] = {
    "a request to a server": lambda graph: {"prompt": graph, "client_id": "x", "extra_data": {"extra_pnginfo": {}}},
    "what a picture holds": lambda graph: {"workflow": EDITOR, "prompt": graph},
    "what a film's comment holds": lambda graph: {"workflow": EDITOR, "prompt": json.dumps(graph)},
    "what the editor's scripts give": lambda graph: {"output": graph, "workflow": EDITOR},
    "JSON of JSON of JSON": lambda graph: json.dumps(json.dumps(graph)),
}


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_the_graph_that_was_run_is_read_from_a_larger_file(wrapping: str, saved: dict[str, Any]) -> None:
    source = json.dumps(WRAPPED[wrapping](saved)).encode()
    assert read_workflow(source, name="x") == read_workflow(saved, name="x")


def test_quoted_text_is_no_nested_graph() -> None:
    assert [fault.field for fault in faults_of({"checkpoint": "a", "prompt": '"Run!" she says'})] == ["prompt"]


def test_keys_that_servers_add_to_nodes_are_dropped(saved: dict[str, Any]) -> None:
    source = copy.deepcopy(saved)
    source["3"] |= {"is_changed": [float("nan")], "_meta": {"title": "Sampler"}}
    read = read_workflow(json.dumps(source).encode(), name="x")
    assert isinstance(read, SavedGraph)
    assert read.graph["3"] == saved["3"] | {"_meta": {"title": "Sampler"}}


def test_an_opened_file_names_the_node_classes_that_it_needs(saved: dict[str, Any]) -> None:
    graph = open_workflow(saved, name="x")
    assert (graph.classes, graph.needs_classes) == ({node["class_type"] for node in saved.values()}, False)
    settings = open_workflow({"checkpoint": "a"}, name="x")
    assert (settings.classes, settings.needs_classes) == (frozenset(), False)
    editor = open_workflow(EDITOR, name="x")
    assert (editor.classes, editor.needs_classes) == ({"CheckpointLoaderSimple"}, True)


def test_a_file_of_the_editor_is_read_with_the_classes_of_a_server(object_info: dict[str, Any]) -> None:
    content = json.loads(_template("default.json"))
    opened = open_workflow(content, name="default.json")
    read = opened.read({name: read_class(name, object_info[name]) for name in opened.classes})
    assert isinstance(read, SavedGraph)
    bound = read.bind(ShotValues("新的镜头", "模糊", 99))
    assert (bound["6"]["inputs"]["text"], bound["7"]["inputs"]["text"]) == ("新的镜头", "模糊")
    assert bound["3"]["inputs"]["seed"] == 99


def _template(name: str) -> bytes:
    files = importlib.metadata.files("comfyui-workflow-templates") or ()
    found = next(file for file in files if file.name == name)
    return Path(str(found.locate())).read_bytes()


def test_a_seed_that_a_shot_replaces_is_no_fault(saved: dict[str, Any]) -> None:
    assert saved["3"]["inputs"]["seed"] == -1
    assert isinstance(read_workflow(saved, name="x"), SavedGraph)


def test_no_more_faults_are_listed_than_a_person_reads() -> None:
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow({str(number): {"inputs": {}} for number in range(5000)}, name="x")
    assert (len(caught.value.faults), caught.value.more) == (50, 4951)
    assert str(caught.value).endswith("and 4,951 more")


def test_a_graph_may_have_any_depth_but_its_values_may_not() -> None:
    chain = {str(number): {"class_type": "A", "inputs": {"x": [str(number + 1), 0]}} for number in range(5000)}
    last = {"5000": {"class_type": "A", "inputs": {}}}
    assert [fault.place for fault in faults_of(chain | last)] == ["the graph"]
    value: Any = 1
    for _ in range(100):
        value = {"a": value}
    assert "without end" not in str(faults_of(value))
    assert "without end" in str(faults_of({"a": value}))


def test_a_key_that_is_not_text_is_a_fault() -> None:
    assert [fault.field for fault in faults_of({"checkpoint": "a", 3: 4})] == ["3"]  # type: ignore[dict-item]


def test_endlessly_nested_objects_are_a_fault() -> None:
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
def test_any_content_is_read_or_refused_with_a_reason(source: bytes | dict[str, Any]) -> None:
    try:
        workflow = read_workflow(source, name="x")
    except WorkflowFaults as error:
        assert str(error).encode()  # noqa: PT017 - both outcomes are valid
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
def test_anything_like_a_graph_is_read_or_refused_with_a_reason(content: dict[str, Any]) -> None:
    try:
        workflow = read_workflow(content, name="x")
    except WorkflowFaults as error:
        assert str(error).encode()  # noqa: PT017 - both outcomes are valid
    else:
        assert workflow.bind(ShotValues("words", None, 1))
