"""Validation says what ComfyUI 0.3.64 says, and can judge anything that is JSON."""

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
def test_every_recorded_graph_is_judged_as_the_real_server_judged_it(place: int) -> None:
    answer = POSTS[place]["response"]["json"]
    verdict = validate(POSTS[place]["json"]["prompt"], object_info(), input_files=UPLOADED)
    assert verdict.error == answer.get("error")
    assert in_order(verdict.node_errors) == in_order(answer["node_errors"])


@pytest.mark.parametrize("place", range(len(POSTS)))
def test_the_bundled_node_classes_lead_to_the_same_verdicts(place: int) -> None:
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


def test_of_several_outputs_the_good_ones_can_run() -> None:
    graph = text_to_image()
    graph["10"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}}
    verdict = validate(graph, object_info())
    assert verdict.outputs == ("9",)
    assert verdict.error is None
    assert verdict.node_errors["10"]["dependent_outputs"] == ["10"]


def test_values_are_converted_and_the_graph_as_posted_stays() -> None:
    graph = text_to_image(seed="12", steps=3.0, cfg="7")  # type: ignore[arg-type]
    before = copy.deepcopy(graph)
    verdict = validate(graph, object_info())
    inputs = verdict.graph["3"]["inputs"]
    assert (inputs["seed"], inputs["steps"], inputs["cfg"]) == (12, 3, 7.0)
    assert graph == before


def test_a_value_above_the_maximum_is_refused() -> None:
    graph = text_to_image(seed=2**64)
    assert errors_of(graph, "3") == [("value_bigger_than_max", "seed")]


def test_a_list_that_is_no_link_is_refused() -> None:
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
    verdict = validate(graph, info)
    assert verdict.outputs == ()
    assert raised in json.dumps(verdict.node_errors)


@given(graph=st.dictionaries(st.text(max_size=3), JSON, max_size=4))
def test_anything_that_is_json_gets_a_verdict(graph: dict[str, Any]) -> None:
    verdict = validate(graph, bundled())
    assert verdict.error is not None


@given(node=st.sampled_from(sorted(text_to_image())), name=st.text(max_size=3), value=JSON, data=st.data())
def test_any_value_anywhere_gets_a_verdict(node: str, name: str, value: Value, data: st.DataObject) -> None:
    graph = text_to_image()
    chosen = data.draw(st.sampled_from([*graph[node]["inputs"], name, "inputs"]))
    if chosen == "inputs":
        graph[node]["inputs"] = value
    else:
        graph[node]["inputs"][chosen] = value
    verdict = validate(graph, bundled())
    assert (verdict.error is None) == bool(verdict.outputs)
    json.dumps(verdict.node_errors)
