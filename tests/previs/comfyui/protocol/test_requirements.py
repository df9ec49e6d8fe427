"""Test which requirements of a graph a server lacks, with both forms of choices."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.requirements import Requirement, is_choice, lacking, requirements_of
from tests.previs.comfyui.graphs import graph
from tests.previs.comfyui.recordings import FOLDER

RULES: dict[str, Any] = json.loads((FOLDER / "object_info.json").read_text("utf-8"))
UPLOADING = [
    ("LoadImage", "image"),
    ("LoadImageMask", "image"),
    ("LoadImageOutput", "image"),
    ("LoadAudio", "audio"),
    ("LoadVideo", "file"),
    ("Load3D", "model_file"),
    ("Load3DAnimation", "model_file"),
]
CLASSES = {name: read_class(name, rules) for name, rules in RULES.items()}
CHECKPOINT = Requirement("CheckpointLoaderSimple", "ckpt_name", "sd_xl_base_1.0.safetensors")


def offered(form: str) -> list[Requirement]:
    """Return every text that the recorded server offers as a choice, in a bare list or as COMBO."""
    return [
        Requirement(class_type, name, choice)
        for class_type, rules in RULES.items()
        for section in ("required", "optional")
        for name, rule in rules["input"].get(section, {}).items()
        if (class_type, name) not in UPLOADING
        for choice in _choices_in(rule, form)
        if isinstance(choice, str)
    ]


def _choices_in(rule: list[Any], form: str) -> list[Any]:
    if form == "COMBO":
        return list(rule[1]["options"]) if rule[0] == "COMBO" else []
    return rule[0] if isinstance(rule[0], list) else []


def classes_of(rule: object, section: str = "required") -> dict[str, NodeClass | None]:
    return {"Loader": read_class("Loader", {"input": {section: {"name": rule}}})}


def test_a_graph_requires_its_classes_and_may_require_each_of_its_texts() -> None:
    requirements = requirements_of(graph(text="夜"))
    assert {need for need in requirements if not need.input} == {
        Requirement(node["class_type"]) for node in graph().values()
    }
    assert CHECKPOINT in requirements
    assert Requirement("KSampler", "sampler_name", "euler") in requirements
    assert Requirement("CLIPTextEncode", "text", "夜") in requirements
    assert not [need for need in requirements if need.input in ("seed", "cfg", "model", "width")]


def test_the_recorded_server_lacks_nothing_of_a_graph_that_it_ran() -> None:
    assert lacking(requirements_of(graph(text="any text at all")), CLASSES) == set()


@pytest.mark.parametrize("form", ["bare list", "COMBO"])
def test_the_recorded_server_has_every_choice_that_it_offers_and_no_other(form: str) -> None:
    requirements = offered(form)
    assert len(requirements) > 100
    assert lacking(requirements, CLASSES) == set()
    others = {Requirement(need.class_type, need.input, f"{need.value}, but another") for need in requirements}
    assert lacking(others, CLASSES) == others
    assert all(is_choice(need, CLASSES[need.class_type]) for need in others)


def test_a_lacking_requirement_names_its_class_and_input() -> None:
    made = graph()
    made["4"]["inputs"]["ckpt_name"] = "of-another-studio.safetensors"
    [lack] = lacking(requirements_of(made), CLASSES)
    assert str(lack) == "'of-another-studio.safetensors' (CheckpointLoaderSimple.ckpt_name)"


def test_an_unknown_class_is_lacking_once_without_its_texts() -> None:
    requirements = [
        Requirement("FaceDetailer"),
        Requirement("FaceDetailer", "sampler_name", "euler"),
        Requirement("FaceDetailer", "wildcard", ""),
    ]
    lacks = lacking(requirements, {"FaceDetailer": None})
    assert [str(lack) for lack in lacks] == ["node class FaceDetailer"]


@given(st.sets(st.sampled_from(sorted(requirements_of(graph()))), min_size=1))
def test_nothing_is_lacking_for_classes_that_were_not_requested(requirements: set[Requirement]) -> None:
    assert lacking(requirements, {}) == set()


@pytest.mark.parametrize(("class_type", "name"), UPLOADING)
def test_uploaded_files_are_not_requirements(class_type: str, name: str) -> None:
    need = Requirement(class_type, name, "uploaded-this-minute")
    assert lacking([need], {class_type: CLASSES[class_type]}) == set()
    assert not is_choice(need, CLASSES[class_type])


@pytest.mark.parametrize("section", ["required", "optional"])
@pytest.mark.parametrize("rule", [[["a", "b"]], [["a", "b"], {"tooltip": "t"}], ["COMBO", {"options": ["a", "b"]}]])
def test_a_choice_is_read_in_every_form_and_section(rule: list[Any], section: str) -> None:
    has, lacks = Requirement("Loader", "name", "b"), Requirement("Loader", "name", "c")
    assert lacking([has, lacks], classes_of(rule, section)) == {lacks}


DYNAMIC = [{"key": "auto", "inputs": {"required": {"codec": ["COMBO", {"options": ["h264"]}]}}}]


@pytest.mark.parametrize(
    "rule",
    [
        ["STRING", {"multiline": True}],
        ["COMBO", {"remote": {"route": "/somewhere"}}],
        ["COMFY_DYNAMICCOMBO_V3", {"options": DYNAMIC}],
        ["COMBO", {"options": {"a": 1}}],
        ["COMBO", "options"],
        ["COMBO"],
        [],
        {},
        "COMBO",
        None,
    ],
)
def test_what_offers_no_fixed_list_of_choices_takes_any_text(rule: object) -> None:
    need = Requirement("Loader", "name", "auto")
    assert lacking([need], classes_of(rule)) == set()
    assert not is_choice(need, classes_of(rule)["Loader"])


def test_an_empty_list_of_choices_has_nothing() -> None:
    need = Requirement("Loader", "name", "a.safetensors")
    assert lacking([need], classes_of([[]])) == {need}
    assert lacking([need], classes_of(["COMBO", {"options": []}])) == {need}


words = st.sampled_from(["input", "required", "optional", "name", "options", "COMBO", "image_upload", "a"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
)
nearly = st.fixed_dictionaries(
    {"input": st.dictionaries(st.sampled_from(["required", "optional"]), st.dictionaries(words, anything) | anything)}
)


@given(st.none() | st.dictionaries(words, anything) | nearly)
def test_malformed_rules_never_raise_and_no_class_that_has_rules_is_lacking(rules: dict[str, Any] | None) -> None:
    whole, text = Requirement("Loader"), Requirement("Loader", "name", "a")
    known = None if rules is None else read_class("Loader", rules)
    lacks = lacking([whole, text], {"Loader": known})
    assert (whole in lacks) == (rules is None)
    assert text not in lacks or is_choice(text, known)
