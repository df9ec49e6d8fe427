"""Validation answers as ComfyUI 0.3.64 and 0.33.0 do, and accepts any JSON."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.simulator import VERSIONS, ValidationResult, VersionName, validate
from previs.simulator.catalog import bundled
from previs.simulator.validation import BrokenNodeError
from tests.previs.simulator.protocol_checks import Value
from tests.previs.simulator.sessions import SCENARIOS, object_info, recorded, text_to_image

UPLOADED = {"broken.png", "storyboard/hero.png"}
POSTS = [
    (version, event)
    for version, scenario in SCENARIOS
    for event in recorded(scenario, version)
    if event.get("path") == "/prompt" and "prompt" in event.get("json", {}) and "response" in event
]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def errors_of(graph: dict[str, Any], node: str) -> list[tuple[str, str]]:
    return [(error["type"], error["details"]) for error in validate(graph, object_info()).node_errors[node]["errors"]]


def in_order(node_errors: dict[str, Any]) -> dict[str, Any]:
    ordered = copy.deepcopy(node_errors)
    for entry in ordered.values():
        entry["errors"].sort(key=lambda error: error["details"])
    return ordered


def validated(version: VersionName, graph: dict[str, Any], info: dict[str, Any] | None = None) -> ValidationResult:
    names_missing_nodes = VERSIONS[version].names_missing_nodes
    classes = info or object_info(version)
    return validate(graph, classes, input_files=UPLOADED, names_missing_nodes=names_missing_nodes)


@pytest.mark.parametrize("place", range(len(POSTS)))
def test_every_recorded_graph_gets_the_real_servers_answer(place: int) -> None:
    version, event = POSTS[place]
    if event["response"]["status"] == 500:
        with pytest.raises(BrokenNodeError):
            validated(version, event["json"]["prompt"])
        return
    answer = event["response"]["json"]
    if answer.get("error", {}).get("type") == "invalid_prompt_id":
        answer = {"node_errors": {}}
    result = validated(version, event["json"]["prompt"])
    assert result.error == answer.get("error")
    assert in_order(result.node_errors) == in_order(answer["node_errors"])


@pytest.mark.parametrize("place", range(len(POSTS)))
def test_the_bundled_node_classes_lead_to_the_same_results(place: int) -> None:
    version, event = POSTS[place]
    if event["response"]["status"] == 500:
        return
    graph = event["json"]["prompt"]
    whole, lean = (validated(version, graph, dict(info)) for info in (object_info(version), bundled(version)))
    assert (lean.outputs, set(lean.node_errors)) == (whole.outputs, set(whole.node_errors))
    assert (lean.error and lean.error["type"]) == (whole.error and whole.error["type"])


def test_the_bundled_node_classes_are_those_of_the_real_server_apart_from_files() -> None:
    for name, told in bundled().items():
        real = object_info()[name]
        assert told["input_order"] == real["input_order"]
        assert told["output"] == real["output"]
        assert told["output_node"] == real["output_node"]


def test_valid_outputs_can_run_beside_invalid_ones() -> None:
    graph = text_to_image()
    graph["10"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}}
    result = validate(graph, object_info())
    assert result.outputs == ("9",)
    assert result.error is None
    assert result.node_errors["10"]["dependent_outputs"] == ["10"]


def test_values_are_converted_and_the_posted_graph_does_not_change() -> None:
    graph = text_to_image(seed="12", steps=3.0, cfg="7")  # type: ignore[arg-type]
    before = copy.deepcopy(graph)
    result = validate(graph, object_info())
    inputs = result.graph["3"]["inputs"]
    assert (inputs["seed"], inputs["steps"], inputs["cfg"]) == (12, 3, 7.0)
    assert graph == before


def test_a_value_above_the_maximum_is_refused() -> None:
    graph = text_to_image(seed=2**64)
    assert errors_of(graph, "3") == [("value_bigger_than_max", "seed")]


def test_a_list_that_is_not_a_link_is_refused() -> None:
    graph = text_to_image()
    graph["8"]["inputs"]["samples"] = ["3"]
    assert errors_of(graph, "8") == [("bad_linked_input", "samples")]


@pytest.mark.parametrize(
    ("link", "raised"),
    [(["77", 0], "'77'"), (["3", 5], "tuple index out of range"), (["9", 0], "maximum recursion depth exceeded")],
)
def test_a_link_that_leads_nowhere_is_refused_as_an_exception(link: list[Any], raised: str) -> None:
    graph = text_to_image()
    graph["8"]["inputs"]["samples"] = link
    graph["9"]["inputs"]["images"] = ["8", 0]
    info = copy.deepcopy(object_info())
    info["SaveImage"]["output"] = ["LATENT"]
    result = validate(graph, info)
    assert result.outputs == ()
    assert raised in json.dumps(result.node_errors)


NEWER: dict[str, Any] = dict(bundled("0.33.0"))
VIDEO = {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], "filename_prefix": "shot"}}
CUT: dict[str, Any] = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
    "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
}


def save_video(**values: object) -> list[tuple[str, str]]:
    """Return the errors of a node that saves a video with these values."""
    inputs = {**VIDEO["inputs"], **{name.replace("__", "."): value for name, value in values.items()}}  # type: ignore[dict-item]
    graph = {**CUT, "9": {**VIDEO, "inputs": inputs}}
    found = validate(graph, NEWER).node_errors.get("9", {"errors": []})["errors"]
    return [(error["type"], error["details"]) for error in found]


def test_the_fields_of_the_chosen_option_are_checked_and_those_of_others_are_not() -> None:
    chosen = {"format": "mp4", "format__codec": "h264", "format__codec__encoding": "re-encode"}
    crf, colors = "format.codec.encoding.crf", "format.codec.encoding.color_space"
    assert save_video(**chosen) == [("required_input_missing", crf), ("required_input_missing", colors)]
    filled = chosen | {"format__codec__encoding__crf": 52, "format__codec__encoding__color_space": "auto"}
    assert save_video(**filled) == [("value_bigger_than_max", crf)]
    assert save_video(**filled | {"format__codec__encoding": "auto"}) == []


def test_a_dynamic_combo_with_a_value_that_it_does_not_offer_is_not_checked() -> None:
    assert save_video(format="nonsense") == save_video() == []


def joined(**images: object) -> list[tuple[str, str]]:
    """Return the errors of a node that joins these images."""
    inputs = {f"images.{name}": value for name, value in images.items()}
    graph = {
        "1": CUT["1"],
        "2": {"class_type": "BatchImagesNode", "inputs": inputs},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "shot"}},
        "10": {"class_type": "PrimitiveInt", "inputs": {"value": 1}},
    }
    found = validate(graph, NEWER).node_errors.get("2", {"errors": []})["errors"]
    return [(error["type"], error["details"]) for error in found]


def test_the_first_inputs_of_a_growing_list_are_required_and_all_are_checked() -> None:
    assert joined() == [("required_input_missing", "images.image0")]
    assert joined(image0=["1", 0], image7=["1", 0]) == []
    [(kind, details)] = joined(image0=["1", 0], image7=["10", 0])
    assert (kind, details.partition(",")[0]) == ("return_type_mismatch", "images.image7")


def test_a_combo_whose_choices_the_user_defines_takes_any() -> None:
    graph = {
        "1": {"class_type": "CustomCombo", "inputs": {"choice": "夜"}},
        "9": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    assert validate(graph, NEWER).node_errors == {}


def test_a_mask_that_an_artist_paints_is_read_only_when_the_node_runs() -> None:
    painted = {"mask": "painter/gone.png [temp]", "width": 64, "height": 64, "bg_color": "#000000"}
    graph = {
        "1": {"class_type": "Painter", "inputs": painted},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "shot"}},
    }
    assert validate(graph, NEWER).node_errors == {}


def test_a_title_names_a_node_that_is_not_installed() -> None:
    titled: dict[str, Any] = {"1": {"class_type": "Gone", "inputs": {}, "_meta": {"title": "天气"}}}
    error = validated("0.33.0", titled).error
    assert error is not None
    assert error["message"] == "Node '天气' not found. The custom node may not be installed."
    assert error["extra_info"] == {"node_id": "1", "class_type": "Gone", "node_title": "天气"}


@given(graph=st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_any_json_gets_an_answer(graph: dict[str, Any]) -> None:
    result = validate(graph, bundled())
    assert result.error is not None


@given(node=st.sampled_from(sorted(text_to_image())), name=st.text(max_size=3), value=JSON, data=st.data())
def test_any_value_of_any_input_gets_an_answer(node: str, name: str, value: Value, data: st.DataObject) -> None:
    graph = text_to_image()
    chosen = data.draw(st.sampled_from([*graph[node]["inputs"], name, "inputs"]))
    if chosen == "inputs":
        graph[node]["inputs"] = value
    else:
        graph[node]["inputs"][chosen] = value
    result = validate(graph, bundled())
    assert (result.error is None) == bool(result.outputs)
    json.dumps(result.node_errors)


@given(name=st.sampled_from(["format", "format.codec", "format.codec.encoding"]), value=JSON)
def test_any_value_of_a_dynamic_combo_gets_an_answer(name: str, value: Value) -> None:
    chosen = {"format": "mp4", "format.codec": "h264", "format.codec.encoding": "auto", name: value}
    graph = {**CUT, "9": {**VIDEO, "inputs": {**VIDEO["inputs"], **chosen}}}  # type: ignore[dict-item]
    result = validate(graph, NEWER)
    assert (result.error is None) == bool(result.outputs)
    json.dumps(result.node_errors)
