"""Test that every recorded refusal is explained in words."""

import json
from typing import Any

import pytest

from previs.comfyui.protocol.validation_errors import classes_to_ask, faults_of
from tests.previs.comfyui.recordings import FOLDER, exchanges

REFUSALS = [
    (event["json"].get("prompt", {}), event["response"]["json"])
    for event in exchanges("rejected_by_validation", "POST", "/prompt")
]
OBJECT_INFO = json.loads((FOLDER / "object_info.json").read_text("utf-8"))

SENTENCES = [
    [
        "node 3 (KSampler), seed: -1: must be from 0 to 18446744073709551615",
        "node 3 (KSampler), sampler_name: 'euler_a': the server has 42 others, the closest are euler, euler_ancestral",
    ],
    ["node 4 (CheckpointLoaderSimple), ckpt_name: 'missing.safetensors': the server has sd_xl_base_1.0.safetensors"],
    ["node 6 (NoSuchNode), class_type: Cannot execute because node NoSuchNode does not exist.: install"],
    ["node 6 (no class_type), class_type: Cannot execute because a node is missing the class_type property.: install"],
    ["the graph: Prompt has no outputs: add an output node that saves, such as SaveImage"],
    ["node 3 (KSampler), steps: this input is required and was not given"],
    ["node 3 (KSampler), steps: 'many': wants a whole number"],
    ["node 8 (VAEDecode), samples: samples, received_type(VAE) mismatch input_type(LATENT): wants a link to LATENT"],
    ["node 5 (EmptyLatentImage), width: 8: must be from 16 to 16384"],
    ["the graph: Prompt has no outputs: add an output node that saves, such as SaveImage"],
    ["node nodes (no class_type), class_type: Cannot execute because a node is missing the class_type property."],
    ["the graph: No prompt provided: add an output node that saves, such as SaveImage"],
    ["node 1 (LoadImage), image: Custom validation failed for node: image - Invalid image file: not-uploaded.png"],
]


def test_thirteen_refusals_were_recorded() -> None:
    assert len(REFUSALS) == len(SENTENCES) == 13


@pytest.mark.parametrize("number", range(13))
def test_a_refusal_names_node_input_value_and_remedy(number: int) -> None:
    graph, body = REFUSALS[number]
    graph = {node_id: node for node_id, node in graph.items() if isinstance(node, dict)}
    sentences = [str(fault) for fault in faults_of(body, graph, OBJECT_INFO)]
    assert len(sentences) == len(SENTENCES[number])
    for sentence, beginning in zip(sentences, SENTENCES[number], strict=True):
        assert sentence.startswith(beginning)


def test_classes_whose_choices_the_server_omitted_are_returned() -> None:
    assert [classes_to_ask(body) for _, body in REFUSALS[:2]] == [{"KSampler"}, set()]


@pytest.mark.parametrize(
    "body",
    [{}, {"error": "busy"}, {"error": {}}, {"node_errors": []}, {"node_errors": {"3": {"errors": "x"}}}, {"error": 5}],
)
def test_an_answer_of_any_form_gives_one_fault(body: dict[str, Any]) -> None:
    assert len(faults_of(body, {})) == 1


@pytest.mark.parametrize("kind", [{}, [], {"a": []}, None, 7, "unheard of"])
def test_a_refusal_of_an_unknown_kind_is_a_fault_of_the_graph(kind: object) -> None:
    [fault] = faults_of({"error": {"type": kind, "message": "no", "details": "way"}}, {})
    assert (fault.place, fault.value, fault.remedy) == ("the graph", "no way", "see the server's log")


@pytest.mark.parametrize("kind", [{}, [], None, 7])
def test_an_input_refused_for_an_unknown_kind_is_a_fault_of_its_node(kind: object) -> None:
    error = {"type": kind, "message": "no", "details": "way", "extra_info": {"input_name": "x", "received_value": {}}}
    body = {"node_errors": {"3": {"class_type": "KSampler", "errors": [error]}}}
    assert classes_to_ask(body) == set()
    assert [(fault.place, fault.field) for fault in faults_of(body, {})] == [("node 3 (KSampler)", "x")]
