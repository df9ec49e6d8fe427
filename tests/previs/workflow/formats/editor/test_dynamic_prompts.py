"""Check how texts with comments and choices are read, and that a take's seed chooses."""

import re
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.workflow import SavedGraph, ShotValues, read_workflow
from previs.workflow.formats.editor.dynamic_prompts import by_seed, has_choices, resolve
from tests.previs.workflow.formats.editor.drawings import Drawing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a boat", "a boat"),
        ("a boat // draft\nat sea", "a boat \nat sea"),
        ("a /* not now:\npeople */ boat", "a  boat"),
        ("{red|blue} boat", "red boat"),
        ("{|blue} boat", " boat"),
        ("a {{dark|pale} red|blue} boat", "a dark red boat"),
        ("a {red|{dark|pale} blue} boat", "a red boat"),
        (r"a \{red\|blue\} boat", "a {red|blue} boat"),
        (r"{a\|b|c} (boat:1.2) \(x\)", r"a|b (boat:1.2) \(x\)"),
        ("one | two } three", "one | two } three"),
        ("{red|blue", "red"),
        ("a {red} boat", "a red boat"),
        ("back\\", "back\\"),
        ("", ""),
    ],
)
def test_comments_are_stripped_and_the_first_choice_is_taken(text: str, expected: str) -> None:
    assert resolve(text) == expected


@given(st.text(alphabet="ab{|}\\/*\n", max_size=40))
def test_a_text_without_marks_stays_and_any_text_is_read(text: str) -> None:
    resolved = resolve(text)
    assert set(resolved) <= set(text)
    if not re.search(r"[{|}\\/]", text):
        assert resolved == text


def test_choices_may_be_nested_deeper_than_python_calls() -> None:
    depth = 2 * sys.getrecursionlimit()
    assert resolve("{" * depth + "boat" + "|x}" * depth) == "boat"


@given(st.text(alphabet="ab{|}", max_size=30), st.integers(0, 2**64 - 1))
def test_every_seed_takes_one_of_the_choices(text: str, seed: int) -> None:
    resolved = resolve(text, by_seed(seed, "6.text"))
    assert resolved == resolve(text, by_seed(seed, "6.text"))
    if not has_choices(text) and "{" not in text:
        assert resolved == resolve(text)


@pytest.mark.parametrize("text", ["{red|blue} boat", "{a|b|{c|d}}", "old {|very} boat"])
def test_all_choices_come_up(text: str) -> None:
    found = {resolve(text, by_seed(seed, "6.text")) for seed in range(200)}
    alternatives = {"{red|blue} boat": 2, "{a|b|{c|d}}": 4, "old {|very} boat": 2}
    assert len(found) == alternatives[text]


def drawn(negative: str) -> SavedGraph:
    drawing = Drawing()
    drawing.node(4, "CheckpointLoaderSimple", ["a.safetensors"], outputs="MODEL CLIP VAE")
    for node_id, text in ((6, "{a|b} boat"), (7, negative)):
        drawing.node(node_id, "CLIPTextEncode", [text], (("clip", "CLIP", (4, 1)),), "CONDITIONING")
    links = (("model", "MODEL", (4, 0)), ("positive", "CONDITIONING", (6, 0)), ("negative", "CONDITIONING", (7, 0)))
    drawing.node(3, "KSampler", [1], links, "LATENT")
    drawing.node(9, "SaveImage", ["x"], (("images", "LATENT", (3, 0)),))
    workflow = read_workflow(drawing.file(), name="look.json", classes=CLASSES)
    assert isinstance(workflow, SavedGraph)
    return workflow


DYNAMIC = ["STRING", {"multiline": True, "dynamicPrompts": True}]
CLASSES: dict[str, NodeClass | None] = {
    name: read_class(name, {"input": {"required": inputs}, "output": outputs.split(), "output_node": not outputs})
    for name, inputs, outputs in (
        ("CheckpointLoaderSimple", {"ckpt_name": [["a.safetensors"]]}, "MODEL CLIP VAE"),
        ("CLIPTextEncode", {"text": DYNAMIC, "clip": ["CLIP"]}, "CONDITIONING"),
        (
            "KSampler",
            {"model": ["MODEL"], "seed": ["INT"], "positive": ["CONDITIONING"], "negative": ["CONDITIONING"]},
            "LATENT",
        ),
        ("SaveImage", {"images": ["LATENT"], "filename_prefix": ["STRING"]}, ""),
    )
}


def bound(workflow: SavedGraph, seed: int, **given: Any) -> dict[str, Any]:
    values = ShotValues(**({"prompt": "a {red|blue} hare", "negative_prompt": None, "seed": seed} | given))
    return {node_id: node["inputs"].get("text") for node_id, node in workflow.bind(values).items()}


def test_a_takes_seed_takes_one_choice_of_each_text_that_the_shot_leaves() -> None:
    workflow = drawn("text, {watermark|logo}")
    found = {bound(workflow, seed)["7"] for seed in range(20)}
    assert found == {"text, watermark", "text, logo"}
    assert bound(workflow, 3) == bound(workflow, 3)
    assert {bound(workflow, seed)["6"] for seed in range(20)} == {"a {red|blue} hare"}
    assert bound(workflow, 3, negative_prompt="people {x|y}")["7"] == "people {x|y}"
    assert bound(workflow, 3, overrides={"7.text": "{p|q}"})["7"] == "{p|q}"


def test_a_choice_by_seed_is_said_once_for_the_board() -> None:
    notices = {notice for seed in range(5) for notice in drawn("{a|b}").report(ShotValues("x", None, seed)).notices}
    assert "node 7 (CLIPTextEncode), text: each take's seed takes one of its choices {a|b}" in notices
    assert len([each for each in notices if "choices" in each]) == 1
    assert not drawn("a /* {b|c} */ d").report(ShotValues("x", None, 1)).notices
