"""Test how node classes are read from any description."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import InputRule, NodeClass, read_class
from tests.previs.comfyui.recordings import FOLDER

OBJECT_INFO: dict[str, Any] = json.loads((FOLDER / "object_info.json").read_text("utf-8"))


def class_of(name: str) -> NodeClass:
    return read_class(name, OBJECT_INFO[name])


def rule_of(described: object) -> InputRule:
    return read_class("Any", {"input": {"required": {"it": described}}}).inputs["it"]


def test_inputs_are_in_the_order_of_the_editor() -> None:
    for name, described in OBJECT_INFO.items():
        order = described["input_order"]
        assert list(read_class(name, described).inputs) == [*order["required"], *order.get("optional", [])]


def test_a_sampler_is_read_completely() -> None:
    sampler = class_of("KSampler")
    seed, steps, name = sampler.inputs["seed"], sampler.inputs["steps"], sampler.inputs["sampler_name"]
    assert (seed.type, seed.minimum, seed.maximum, seed.controlled) == ("INT", 0, 2**64 - 1, True)
    assert (steps.default, steps.controlled, steps.held) == (20, False, True)
    assert name.type == "COMBO"
    assert "euler" in (name.choices or ())
    assert not sampler.inputs["model"].held
    assert sampler.outputs == sampler.output_names == ("LATENT",)
    assert not sampler.is_output
    assert class_of("SaveImage").is_output


@pytest.mark.parametrize(
    "described", [[["a", "b"]], [["a", "b"], {"tooltip": "t"}], ["COMBO", {"options": ["a", "b"]}]]
)
def test_a_choice_is_read_in_every_form(described: object) -> None:
    assert rule_of(described).choices == ("a", "b")
    assert rule_of(described).type == "COMBO"


def test_a_text_that_can_only_be_linked_has_no_widget() -> None:
    assert not rule_of(["STRING", {"forceInput": True}]).held
    assert rule_of(["STRING", {"multiline": True}]).held


def test_every_integer_named_like_a_seed_has_a_control_widget() -> None:
    assert rule_of(["INT", {"control_after_generate": True}]).controlled
    assert not rule_of(["INT", {}]).controlled
    assert class_of("RandomNoise").inputs["noise_seed"].controlled


def test_several_types_of_a_link_are_separated() -> None:
    assert rule_of(["IMAGE,MASK"]).link_types == {"IMAGE", "MASK"}


words = st.sampled_from(["input", "required", "name", "options", "COMBO", "input_order", "output", "INT", "min"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
)


@given(st.dictionaries(words, anything))
def test_arbitrary_descriptions_are_read(described: dict[str, Any]) -> None:
    known = read_class("Any", described)
    assert len(known.outputs) == len(known.output_names)
    assert all(isinstance(name, str) for name in known.inputs)
