"""Check what is read of answers that no server should give, each of which once raised or took too long."""

import json
import time
from typing import Any

import pytest

from benchmarks.recorded import classes
from previs.comfyui.protocol.classes import read_class
from previs.comfyui.protocol.frames import Alive, Other, read_frame
from previs.comfyui.protocol.graph import readable
from previs.comfyui.protocol.history import Success, output_files, read_entry
from previs.comfyui.protocol.wire import read_json
from previs.errors import WorkflowFaults
from previs.workflow import ShotValues, read_workflow, saving_nodes, unsaved_outputs

HUGE = 10**400
SHOT = ShotValues("a city", None, 0, duration=2.0)


def short(value: object) -> str:
    return repr(value)[:12]


def rule_of(**settings: Any) -> Any:
    described = {"input": {"required": {"seed": ["INT", settings]}}}
    return read_class("Sampler", json.loads(json.dumps(described))).inputs["seed"]


def test_a_node_id_of_any_length_has_its_place() -> None:
    outputs = {node: {"images": [{"filename": node[:3]}]} for node in ("9" * 5000, "b", "10", "007", "9")}
    assert [file.filename for file in output_files(outputs)] == ["007", "9", "10", "999", "b"]


@pytest.mark.parametrize("timestamp", [HUGE, float("inf"), float("nan"), "1", None, True], ids=short)
def test_a_render_without_readable_times_has_no_duration(timestamp: object) -> None:
    messages = [["execution_start", {"timestamp": 0}], ["execution_success", {"timestamp": timestamp}]]
    assert read_entry({"status": {"messages": messages}, "outputs": {}}) == Success(())


@pytest.mark.parametrize("value", [HUGE, -1, float("nan"), "3", None], ids=short)
def test_steps_that_cannot_be_are_a_sign_of_life_alone(value: object) -> None:
    data = {"prompt_id": "p", "node": "3", "value": value, "max": 20}
    assert read_frame(json.dumps({"type": "progress", "data": data})) == Alive("p")
    status = {"status": {"exec_info": {"queue_remaining": value}}}
    assert read_frame(json.dumps({"type": "status", "data": status})) == Other("status")


def test_json_that_other_steps_could_not_write_again_is_refused() -> None:
    assert read_json("[" * 100 + "]" * 100)
    for text in ("[" * 101 + "]" * 101, '{"a":' * 200 + "1" + "}" * 200, "[" * 100_000):
        with pytest.raises(RecursionError):
            read_json(text)


@pytest.mark.parametrize("bound", [HUGE, -HUGE, float("inf"), float("nan"), 2**70, "7", None, True], ids=short)
def test_a_bound_beyond_all_numbers_of_comfyui_is_no_bound(bound: object) -> None:
    rule = rule_of(min=bound, max=bound, step=bound)
    assert (rule.minimum, rule.maximum, rule.step) == (None, None, None)


@pytest.mark.parametrize("step", [0, -1, 5e-324])
def test_a_step_that_leads_nowhere_is_none(step: float) -> None:
    assert rule_of(step=step).step is None


def test_rows_of_rows_do_not_multiply_without_end() -> None:
    row: Any = ["INT", {}]
    for _ in range(6):
        row = ["COMFY_AUTOGROW_V3", {"template": {"prefix": "a", "min": 100, "input": {"required": {"x": row}}}}]
    began = time.process_time()
    assert len(read_class("Rows", {"input": {"required": {"x": row}}}).rules({})) <= 10_000
    assert time.process_time() - began < 2


@pytest.mark.parametrize(("least", "most"), [(1, 2**64 - 1), (2**63, 2**64 - 1), (2**64, 2**64), (9, 3), (-5, 2**70)])
def test_a_seed_fits_whatever_bounds_the_server_names(least: int, most: int) -> None:
    inputs = {"prompt": ["STRING", {"multiline": True}], "seed": ["INT", {"min": least, "max": most}]}
    maker = read_class("Maker", {"input": {"required": inputs}, "output": ["IMAGE"], "api_node": True})
    graph = {
        "1": {"class_type": "Maker", "inputs": {"prompt": "a", "seed": 5}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    known = {"Maker": maker, "SaveImage": read_class("SaveImage", classes()["SaveImage"])}
    workflow = read_workflow(graph, name="a", classes=known)
    for seed in (0, 7, 2**64 - 1):
        assert 0 <= workflow.fit_seed(seed) <= 2**64 - 1
    assert workflow.bind(SHOT)["1"]["inputs"]["seed"] in range(2**64)


@pytest.mark.parametrize("class_type", [None, 7, ["a"], {}])
def test_a_graph_that_nobody_checked_has_only_its_readable_nodes(class_type: object) -> None:
    save = {"class_type": "SaveImage", "inputs": {"images": ["9", 0], "filename_prefix": "a"}}
    graph: Any = {"1": save, "2": {"class_type": class_type, "inputs": {}}, "3": None, "4": {"class_type": "A"}}
    assert saving_nodes(graph) == ["1"]
    assert unsaved_outputs(graph) == []
    assert list(readable(graph)) == ["1"]
    assert saving_nodes({"5": {"class_type": "A", "inputs": {"a": ["9", 0]}}}) == ["5"]


def test_a_text_without_spaces_is_searched_for_words_in_linear_time() -> None:
    graph = {
        "1": {"class_type": "Unknown", "inputs": {"a": "x" * 300_000}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
    }
    began = time.process_time()
    with pytest.raises(WorkflowFaults, match="takes neither text nor pictures"):
        read_workflow(graph, name="a")
    assert time.process_time() - began < 2
