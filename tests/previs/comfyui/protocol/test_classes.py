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


def combo(**options: Any) -> list[Any]:
    listed = [{"key": key, "inputs": {"required": inputs}} for key, inputs in options.items()]
    return ["COMFY_DYNAMICCOMBO_V3", {"options": listed}]


def names(known: NodeClass, **inputs: Any) -> list[str]:
    return list(known.rules(inputs))


def test_a_combos_value_decides_which_inputs_a_node_has() -> None:
    codec = combo(auto={}, h264={"crf": ["FLOAT", {"max": 51}]})
    known = read_class(
        "Save", {"input": {"required": {"format": combo(auto={}, mp4={"codec": codec}), "name": ["STRING"]}}}
    )
    assert known.inputs["format"].held
    assert known.inputs["format"].values == ("auto", "mp4")
    assert names(known) == names(known, format="auto") == names(known, format=["1", 0]) == ["format", "name"]
    assert names(known, format="mp4") == ["format", "format.codec", "name"]
    chosen = {"format": "mp4", "format.codec": "h264"}
    assert list(known.rules(chosen)) == ["format", "format.codec", "format.codec.crf", "name"]
    assert known.rules(chosen)["format.codec.crf"].maximum == 51
    assert known.has_options
    assert not class_of("SaveImage").has_options


def test_a_row_has_its_required_inputs_and_those_that_a_node_gives() -> None:
    template = {"input": {"required": {"image": ["IMAGE"]}}, "prefix": "image", "min": 1, "max": 3}
    known = read_class("Batch", {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {"template": template}]}}})
    rules = known.rules({"images.image2": ["1", 0], "images.image7": ["1", 0]})
    assert [(name, rule.type, rule.required) for name, rule in rules.items()] == [
        ("images", "COMFY_AUTOGROW_V3", True),
        ("images.image0", "IMAGE", True),
        ("images.image2", "IMAGE", False),
    ]
    named = template | {"names": ["a", "b"], "min": 0}
    known = read_class("Batch", {"input": {"required": {"images": ["COMFY_AUTOGROW_V3", {"template": named}]}}})
    assert list(known.rules({"images.b": 1, "images.image0": 1})) == ["images", "images.b"]


def test_a_match_type_is_read_as_the_types_that_it_allows() -> None:
    template = {"template_id": "t", "allowed_types": "IMAGE,MASK"}
    assert rule_of(["COMFY_MATCHTYPE_V3", {"template": template}]).link_types == {"IMAGE", "MASK"}
    assert rule_of(["COMFY_MATCHTYPE_V3", {}]).link_types == {"*"}


def test_inputs_with_a_widget_of_their_own_hold_a_value() -> None:
    assert rule_of(["COLOR", {"socketless": True}]).held
    assert rule_of(["FLOAT,INT", {"widgetType": "FLOAT"}]).held
    assert not rule_of(["CURVE", {"socketless": True, "forceInput": True}]).held
    assert not rule_of(["BOUNDING_BOX"]).held


def test_endlessly_nested_options_are_read_in_part() -> None:
    nested = combo(a={})
    for _ in range(40):
        nested = combo(a={"it": nested})
    known = read_class("Any", {"input": {"required": {"it": nested}}})
    assert 1 < len(known.rules({".".join(["it"] * depth): "a" for depth in range(1, 42)})) < 12


KEYS = (
    "input",
    "required",
    "name",
    "options",
    "input_order",
    "output",
    "min",
    "max",
    "template",
    "key",
    "inputs",
    "prefix",
)
words = st.sampled_from([*KEYS, "COMBO", "INT", "COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_MATCHTYPE_V3"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
)


@given(st.dictionaries(words, anything))
def test_arbitrary_descriptions_are_read(described: dict[str, Any]) -> None:
    known = read_class("Any", described)
    assert len(known.outputs) == len(known.output_names)
    assert all(isinstance(name, str) for name in known.rules(known.inputs))
