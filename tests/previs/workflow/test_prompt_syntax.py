"""Check that syntax which no node of a graph reads is reported."""

from typing import Any

import pytest

from previs.planning.make_plan import make_plan
from previs.planning.plan import RunWorkflow
from previs.shots import read_shot_list
from previs.workflow import read_workflow
from previs.workflow.prompt_syntax import unread_syntax

CORE = {"CLIPTextEncode", "KSampler", "LoraLoader"}


@pytest.mark.parametrize(
    ("prompt", "kind", "reader"),
    [
        ("fog <lora:rain:0.8>", "LoRA tags", "LoraTagLoader"),
        ("<lyco:ink:1:0.5> fog", "LoRA tags", "ImpactWildcardEncode"),
        ("<LORA:a b:1>", "LoRA tags", "Power Prompt (rgthree)"),
        ("a __color__ boat", "wildcards", "ImpactWildcardProcessor"),
        ("__styles/film noir__", "wildcards", "DPRandomGenerator"),
        ("__a*__", "wildcards", "easy fullLoader"),
        ("a {red|blue} boat", "choices", "DPCombinatorialGenerator"),
        ("{2$$a|b|c}", "choices", "WildcardEncode //Inspire"),
        ("{|very} old", "choices", "ImpactWildcardEncode"),
    ],
)
def test_syntax_is_reported_unless_a_node_reads_it(prompt: str, kind: str, reader: str) -> None:
    (said,) = unread_syntax(prompt, None, CORE)
    assert said.startswith(f"prompt has {kind}")
    assert not list(unread_syntax(prompt, None, {*CORE, reader}))
    assert [each.partition(" ")[0] for each in unread_syntax("fog", prompt, CORE)] == ["negative_prompt"]


@pytest.mark.parametrize(
    "prompt",
    [
        "fog",
        "a <b> c",
        "snake_case and __",
        '{"mood": "a|b"}',
        "{one}",
        "a | b",
        "(fog:1.2)",
        "5 < 6 > 4",
    ],
)
def test_other_texts_are_not_reported(prompt: str) -> None:
    assert list(unread_syntax(prompt, prompt, CORE)) == []


def test_a_board_reports_each_kind_once_with_its_shots(saved: dict[str, Any]) -> None:
    prompts = {1: "fog <lora:rain:0.8>", 2: "fog", 3: "<lora:ink:1> mist"}
    shots = read_shot_list([{"shot_id": each, "prompt": text, "duration": 3.0} for each, text in prompts.items()])
    for workflow in ({"checkpoint": "sd_xl_base_1.0.safetensors"}, saved):
        plan = make_plan(shots, {None: RunWorkflow(read_workflow(workflow, name="look.json"))}, {})
        (said,) = [each for each in plan.notices if "LoRA" in each]
        assert said.endswith("load the LoRA with a node of the graph (1, 3)")
