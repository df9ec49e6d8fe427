"""Convert the 506 workflow files of ComfyUI 0.33.0, and compare them with what its own editor sends.

``exported.jsonl.gz`` beside the recordings holds what the editor sent for 363 of them, in a browser, when it had loaded
the file from a server of that version; the other 0.3.64, for the files that go with it.
"""

import gzip
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.check import findings
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.simulator import VERSIONS
from previs.simulator.validation import validate
from previs.workflow.formats.editor import convert, is_editor_file

TESTS = Path(__file__).parents[4]
CURRENT, OLD = TESTS / "recordings-0.33.0", TESTS / "recordings"
# Inputs of the editor's own previews: servers do not declare them, and no node reads them.
FOR_DISPLAY = {
    ("LoadAudio", "audioUI"),
    ("LoadImageOutput", "refresh"),
    ("Preview3D", "image"),
    ("SaveAudio", "audioUI"),
    ("SaveAudioMP3", "audioUI"),
    ("SaveGLB", "image"),
}
REFUSED = {
    "api_hunyuan3d_model2uv.json": "the editor makes its value when it queues",
    "api_hunyuan3d_part.json": "the editor makes its value when it queues",
    "api_hunyuan3d_retopo_uv.json": "the editor makes its value when it queues",
    "api_hunyuan3d_smart_topology.json": "the editor makes its value when it queues",
    "template_rob_realistic_2k_images_quick_variations.json": "no server has this class",
    "templates_rob_realistic_2k_images_quick_variations.app.json": "no server has this class",
}
# The editor sends null for the class that no server has.
LACKS_A_CLASS = "templates_mjm_looped_restyler.json"
# The editor replaces 16:9, which its file has, by the name of a model, since one primitive feeds two kinds of choices.
EDITOR_ERRS = "templates_graphic_design_recomposer.json"
# What a server refuses of the converted files besides missing models and media files.
REFUSED_BY_SERVERS = {
    LACKS_A_CLASS: ["Node 'GetImageSizeAndCount' not found. The custom node may not be installed."],
}
MODEL_SUFFIXES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth")

Classes = Mapping[str, NodeClass | None]
Results = dict[str, Graph | tuple[Fault, ...]]


class _AllOfAServer(dict[str, NodeClass | None]):
    """Represent all classes of a server: it has no others."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> None:
        return None


def files_of(package: str) -> dict[str, dict[str, Any]]:
    listed = importlib.metadata.files(package) or []
    documents = {
        each.name: json.loads(each.locate().read_text("utf-8"))
        for each in listed
        if each.suffix == ".json" and not each.name.startswith("index")
    }
    return {name: each for name, each in sorted(documents.items()) if is_editor_file(each)}


def exported(folder: Path) -> dict[str, Graph]:
    lines = gzip.decompress((folder / "exported.jsonl.gz").read_bytes()).splitlines()
    return {each["name"]: each["graph"] for each in map(json.loads, lines)}


def plain(graph: Graph) -> dict[str, Any]:
    """Return what servers read of a graph."""
    return {
        node_id: (
            node["class_type"],
            {name: value for name, value in node["inputs"].items() if (node["class_type"], name) not in FOR_DISPLAY},
        )
        for node_id, node in graph.items()
    }


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return dict(json.loads(gzip.decompress((CURRENT / "object_info.json.gz").read_bytes())))


@pytest.fixture(scope="module")
def current(described: dict[str, Any]) -> Classes:
    return _AllOfAServer({name: read_class(name, each) for name, each in described.items()})


@pytest.fixture(scope="module")
def converted(current: Classes) -> Results:
    results: Results = {}
    for name, document in files_of("comfyui-workflow-templates-json").items():
        try:
            results[name] = convert(document, current, name=name).graph
        except WorkflowFaults as refusal:
            results[name] = refusal.faults
    return results


def test_all_but_six_files_convert_and_these_say_why(converted: Results) -> None:
    refused = {name: result for name, result in converted.items() if isinstance(result, tuple)}
    assert (len(converted), len(refused)) == (506, 6)
    assert refused.keys() == REFUSED.keys()
    for name, faults in refused.items():
        assert all(fault.remedy.startswith(REFUSED[name]) for fault in faults), name


def test_conversions_are_equal_to_what_the_editor_sends(converted: Results) -> None:
    truth = exported(CURRENT)
    equal = {name for name, graph in truth.items() if plain(graph) == _plain_result(converted[name])}
    assert len(truth) == 363
    assert truth.keys() - equal == truth.keys() & {*REFUSED, LACKS_A_CLASS, EDITOR_ERRS}
    assert len(equal) == 358


def _plain_result(result: Graph | tuple[Fault, ...]) -> dict[str, Any] | None:
    return plain(result) if isinstance(result, dict) else None


def test_what_is_left_out_is_known_to_the_editor_alone(current: Classes, object_info: dict[str, Any]) -> None:
    old = {name: read_class(name, each) for name, each in object_info.items()}
    graphs = [(current, graph) for graph in exported(CURRENT).values()] + [(old, g) for g in exported(OLD).values()]
    sent = set()
    for known, graph in graphs:
        for node in graph.values():
            here = {(node["class_type"], name) for name in node["inputs"]} & FOR_DISPLAY
            sent |= here
            assert all(name not in known[class_type].inputs for class_type, name in here)
    assert sent == FOR_DISPLAY


def test_the_check_finds_nothing_but_missing_files_and_one_missing_class(converted: Results, current: Classes) -> None:
    for name, graph in converted.items():
        kinds = {found.kind for found in findings(graph, current)} if isinstance(graph, dict) else set()
        lacking = {"unknown_class"} if name == LACKS_A_CLASS else set()
        assert kinds - {"missing_model", "missing_file"} == lacking, name


def _refusals(graph: Graph, described: dict[str, Any]) -> list[dict[str, Any]]:
    """Return why a server without models and media files would refuse a graph, as it answers ``POST /prompt``."""
    verdict = validate(graph, described, names_missing_nodes=VERSIONS["0.33.0"].names_missing_nodes)
    reasons = [reason for node in verdict.node_errors.values() for reason in node["errors"]]
    return reasons or ([verdict.error] if verdict.error else [])


def _is_of_a_missing_file(reason: dict[str, Any]) -> bool:
    named = str(reason["extra_info"].get("received_value"))
    missing_model = reason["type"] == "value_not_in_list" and named.endswith(MODEL_SUFFIXES)
    return missing_model or (reason["type"] == "custom_validation_failed" and "Invalid" in reason["details"])


def test_a_server_refuses_nothing_but_missing_models_and_media_files(
    converted: Results, described: dict[str, Any]
) -> None:
    graphs = {name: graph for name, graph in converted.items() if isinstance(graph, dict)}
    wrong = {
        name: [r for r in _refusals(graph, described) if not _is_of_a_missing_file(r)] for name, graph in graphs.items()
    }
    assert {name: [each["message"] for each in found] for name, found in wrong.items() if found} == REFUSED_BY_SERVERS
    assert len(graphs) == 500


def test_what_the_editor_sends_passes_the_check_as_well(current: Classes) -> None:
    lacks_classes = {LACKS_A_CLASS, *REFUSED}
    for name, graph in exported(CURRENT).items():
        wrong = {(found.kind, found.input) for found in findings(graph, current)}
        wrong = {each for each in wrong if each[0] not in ("missing_model", "missing_file")}
        if name not in lacks_classes:
            assert wrong == ({("value_not_in_list", "model.aspect_ratio")} if name == EDITOR_ERRS else set()), name


def test_old_files_are_equal_to_what_the_old_editor_sends(object_info: dict[str, Any]) -> None:
    known = {name: read_class(name, each) for name, each in object_info.items()}
    files, truth = files_of("comfyui-workflow-templates"), exported(OLD)
    assert len(truth) == 101
    for name, graph in truth.items():
        assert plain(convert(files[name], known, name=name).graph) == plain(graph), name
