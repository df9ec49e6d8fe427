"""Convert ComfyUI's own 172 workflow files with a real server's node classes."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.simulator.validation import validate
from previs.workflow.formats.editor import classes_in, convert, is_editor_file

# Classes whose only field names a file: a model, or a picture, sound or video in the input folder.
INSTALLED = {
    "AudioEncoderLoader",
    "CLIPLoader",
    "CLIPVisionLoader",
    "CheckpointLoaderSimple",
    "ControlNetLoader",
    "DualCLIPLoader",
    "GLIGENLoader",
    "ImageOnlyCheckpointLoader",
    "LoraLoader",
    "LoraLoaderModelOnly",
    "ModelPatchLoader",
    "QuadrupleCLIPLoader",
    "StyleModelLoader",
    "UNETLoader",
    "UpscaleModelLoader",
    "VAELoader",
}
Classes = Mapping[str, NodeClass]
Templates = Mapping[str, dict[str, Any]]
Results = dict[str, Graph | tuple[Fault, ...]]

UPLOADED = {"LoadAudio", "LoadImage", "LoadImageOutput", "LoadVideo"}


@pytest.fixture(scope="module")
def known(object_info: dict[str, Any]) -> Classes:
    return {name: read_class(name, raw) for name, raw in object_info.items()}


@pytest.fixture(scope="module")
def converted(templates: Templates, known: Classes) -> Results:
    results: Results = {}
    for name, document in templates.items():
        try:
            results[name] = convert(document, known, name=name).graph
        except WorkflowFaults as refusal:
            results[name] = refusal.faults
    return results


def test_all_template_files_are_the_editors(templates: Templates) -> None:
    assert len(templates) == 172
    assert all(is_editor_file(document) for document in templates.values())


def test_every_file_whose_classes_a_server_has_converts(
    templates: Templates, known: Classes, converted: Results
) -> None:
    complete = {name for name, document in templates.items() if classes_in(document) <= known.keys()}
    assert complete == {name for name, result in converted.items() if isinstance(result, dict)}
    assert len(complete) == 101


def test_every_other_file_names_exactly_the_classes_it_lacks(
    templates: Templates, known: Classes, converted: Results
) -> None:
    refused = {name: result for name, result in converted.items() if isinstance(result, tuple)}
    assert len(refused) == 71
    for name, faults in refused.items():
        lacking = classes_in(templates[name]) - known.keys()
        assert len(faults) == len(lacking)
        for fault in faults:
            assert fault.remedy.startswith("no server has this class")
            assert any(f"({each}" in fault.place for each in lacking)


def test_the_custom_node_packs_of_missing_classes_are_named(converted: Results) -> None:
    packs = Counter(
        fault.remedy.split("custom node pack ")[1].split(":")[0]
        for faults in converted.values()
        if isinstance(faults, tuple)
        for fault in faults
        if "comes with the custom node pack" in fault.remedy
    )
    assert packs == {"comfyui_controlnet_aux": 2, "comfyui-kjnodes": 3, "ComfyUI-segment-anything-2": 2}


def test_converted_graphs_break_no_rule_but_names_of_files_that_are_not_installed(
    object_info: dict[str, Any], converted: Results
) -> None:
    findings: Counter[tuple[str, str]] = Counter()
    for name, graph in converted.items():
        if isinstance(graph, dict):
            verdict = validate(graph, object_info)
            assert verdict.error is None or verdict.node_errors, name
            for node_error in verdict.node_errors.values():
                findings.update((reason["type"], node_error["class_type"]) for reason in node_error["errors"])
    assert {kind for kind, _ in findings} == {"value_not_in_list", "custom_validation_failed"}
    assert {class_type for kind, class_type in findings if kind == "value_not_in_list"} == INSTALLED
    assert {class_type for kind, class_type in findings if kind == "custom_validation_failed"} == UPLOADED
    assert Counter(kind for kind, _ in findings.elements()) == {
        "value_not_in_list": 318,
        "custom_validation_failed": 80,
    }


def test_every_node_has_all_inputs_that_its_class_requires_but_one_behind_a_bypassed_loader(
    known: Classes, converted: Results
) -> None:
    lacking = Counter(
        (name, node["class_type"], rule.name)
        for name, graph in converted.items()
        if isinstance(graph, dict)
        for node in graph.values()
        for rule in known[node["class_type"]].inputs.values()
        if rule.required and rule.name not in node["inputs"]
    )
    # Its picture comes from a bypassed LoadImage, which has nothing to pass on.
    assert lacking == {("image_qwen_image_instantx_inpainting_controlnet.json", "ImageScaleToMaxDimension", "image"): 1}


def test_a_subgraphs_fields_take_the_values_of_its_node(converted: Results) -> None:
    graph = converted["video_wan2_2_14B_s2v.json"]
    samplers = {node_id: node["inputs"]["seed"] for node_id, node in graph.items() if node["class_type"] == "KSampler"}
    assert samplers == {"3": 20, "79:77": 1, "85:77": 250}
