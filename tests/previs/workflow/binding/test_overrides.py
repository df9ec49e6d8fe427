"""Check that overrides set any input of any node last, and that wrong ones are refused."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from previs.errors import Fault, WorkflowFaults
from previs.workflow import ShotValues, Workflow, read_workflow, with_overrides

Write = Callable[..., dict[str, Any]]
SETTINGS = {"checkpoint": "a.safetensors"}


def bind(workflow: Workflow, **overrides: Any) -> dict[str, Any]:
    return {i: node["inputs"] for i, node in workflow.bind(ShotValues("x", None, 1, overrides=overrides)).items()}


def faults_of(content: dict[str, Any], overrides: dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        with_overrides(content, overrides, source="look.json", place="shot 3")
    assert caught.value.source == "look.json"
    assert all(fault.place == "shot 3" for fault in caught.value.faults)
    return caught.value.faults


def test_any_input_is_set_by_id_or_title(saved: dict[str, Any]) -> None:
    saved["4"]["_meta"] = {"title": "The model. Mine"}
    before = copy.deepcopy(saved)
    changed = with_overrides(saved, {"3.steps": 5, "The model. Mine.ckpt_name": "b"}, source="x", place="y")
    assert saved == before
    assert (changed["3"]["inputs"]["steps"], changed["4"]["inputs"]["ckpt_name"]) == (5, "b")
    changed["3"]["inputs"]["steps"], changed["4"]["inputs"]["ckpt_name"] = 20, before["4"]["inputs"]["ckpt_name"]
    assert changed == before


def test_an_override_wins_over_what_a_shot_brings(saved: dict[str, Any]) -> None:
    bound = bind(read_workflow(saved, name="x"), **{"6.text": "other", "3.seed": 9, "5.width": 8})
    assert (bound["6"]["text"], bound["3"]["seed"], bound["5"]["width"]) == ("other", 9, 8)


def test_a_link_may_replace_a_value_and_a_value_a_link(saved: dict[str, Any]) -> None:
    saved["20"] = {"class_type": "PrimitiveString", "inputs": {"value": "x"}}
    changed = with_overrides(saved, {"6.text": ["20", 0], "3.latent_image": 5}, source="x", place="y")
    assert (changed["6"]["inputs"]["text"], changed["3"]["inputs"]["latent_image"]) == (["20", 0], 5)


@pytest.mark.parametrize(
    ("overrides", "field", "told"),
    [
        ({"3.stpes": 5}, "override 3.stpes", '"3.steps"'),
        ({"33.steps": 5}, "override 33.steps", '"3.steps"'),
        ({"steps": 5}, "override steps", "a dot and an input"),
        ({"seed": 5}, "override seed", "a dot and an input"),
        ({"6.text": ["77", 0]}, "override 6.text", "no node 77"),
        ({"6.text": ["4", -1]}, "override 6.text", "start at 0"),
        ({"6.text": [4, 1]}, "override 6.text", '["4", 1]'),
        ({"": 5}, "override ", "a dot and an input"),
    ],
)
def test_an_override_of_no_input_is_refused(
    saved: dict[str, Any], overrides: dict[str, Any], field: str, told: str
) -> None:
    (fault,) = faults_of(saved, overrides)
    assert fault.field == field
    assert told in fault.remedy


def test_one_input_is_not_overridden_twice(saved: dict[str, Any]) -> None:
    saved["3"]["_meta"] = {"title": "Main"}
    (fault,) = faults_of(saved, {"3.steps": 5, "Main.steps": 6})
    assert '"3.steps" is overridden twice' in fault.remedy
    assert with_overrides(saved, {"3.steps": 5, "Main.steps": 5}, source="x", place="y")["3"]["inputs"]["steps"] == 5


@pytest.mark.parametrize("content", [SETTINGS, "saved"])
def test_a_meaning_is_an_address(content: Any, saved: dict[str, Any]) -> None:
    workflow = read_workflow(saved if content == "saved" else content, name="x")
    bound = bind(workflow, checkpoint="b.safetensors", batch_size=4)
    assert [inputs["ckpt_name"] for inputs in bound.values() if "ckpt_name" in inputs] == ["b.safetensors"]
    assert [inputs["batch_size"] for inputs in bound.values() if "batch_size" in inputs] == [4]


def test_a_meaning_of_several_inputs_is_no_address(saved: dict[str, Any], node: Write) -> None:
    refiner = copy.deepcopy(saved["3"])
    refiner["inputs"] |= {"model": ["1", 0], "latent_image": ["3", 0]}
    saved |= {"1": node("CheckpointLoaderSimple", ckpt_name="refiner.safetensors"), "2": refiner}
    saved["8"]["inputs"]["samples"] = ["2", 0]
    with pytest.raises(WorkflowFaults) as caught:
        bind(read_workflow(saved, name="x"), checkpoint="b.safetensors")
    (fault,) = caught.value.faults
    assert '"1.ckpt_name" (now "refiner.safetensors")' in fault.remedy
    assert '"4.ckpt_name"' in fault.remedy


def test_the_report_shows_overrides(saved: dict[str, Any]) -> None:
    for workflow, steps, prompt in (
        (read_workflow(saved, name="x"), "3.steps", "6.text"),
        (read_workflow(SETTINGS, name="x"), "sampler.steps", "positive.text"),
    ):
        rows = workflow.report(ShotValues("x", None, 1, overrides={steps: 5, prompt: "other"})).rows
        shown = {f"{row.node_id}.{row.input}": (row.rule, row.to_come) for row in rows}
        assert shown[steps] == ("override", 5)
        assert shown[prompt] == ("override", "other")


def test_faults_of_overrides_and_of_the_shot_come_together(saved: dict[str, Any]) -> None:
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow(saved, name="x").bind(ShotValues("x", None, -1, overrides={"3.stpes": 5}))
    assert [fault.field for fault in caught.value.faults] == ["override 3.stpes", "seed"]
