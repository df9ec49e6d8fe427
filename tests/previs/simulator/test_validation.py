"""Validation answers as ComfyUI 0.3.64 does, and accepts any JSON."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.simulator import validate
from previs.simulator.catalog import bundled
from tests.previs.simulator.protocol_checks import Value
from tests.previs.simulator.sessions import SCENARIOS, object_info, recorded, text_to_image

UPLOADED = {"broken.png", "storyboard/hero.png"}
POSTS = [
    event
    for scenario in SCENARIOS
    for event in recorded(scenario)
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


@pytest.mark.parametrize("place", range(len(POSTS)))
def test_every_recorded_graph_gets_the_real_servers_answer(place: int) -> None:
    answer = POSTS[place]["response"]["json"]
    result = validate(POSTS[place]["json"]["prompt"], object_info(), input_files=UPLOADED)
    assert result.error == answer.get("error")
    assert in_order(result.node_errors) == in_order(answer["node_errors"])


@pytest.mark.parametrize("place", range(len(POSTS)))
def test_the_bundled_node_classes_lead_to_the_same_results(place: int) -> None:
    graph = POSTS[place]["json"]["prompt"]
    whole, lean = (validate(graph, info, input_files=UPLOADED) for info in (object_info(), bundled()))
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
