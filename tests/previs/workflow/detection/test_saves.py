"""Check that outputs whose files cannot be fetched are found by node and input, and others are left alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.graph import Graph
from previs.workflow import read_workflow, saving_nodes, unsaved_outputs
from tests.copies import copied
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE

CASES = Path(__file__).parents[3] / "cases"


def case(name: str) -> Graph:
    graph: Graph = json.loads((CASES / "graphs" / f"{name}.json").read_text("utf-8"))
    return graph


def with_outputs(*outputs: tuple[str, dict[str, Any]]) -> Graph:
    """Return the graph for text to image with these nodes, from number 9, in place of its output."""
    graph = copied(TEXT_TO_IMAGE)
    del graph["9"]
    for number, (class_type, inputs) in enumerate(outputs, 9):
        graph[str(number)] = {"class_type": class_type, "inputs": {"images": ["8", 0], **inputs}}
    return graph


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("save_websocket", "class_type", '"SaveImageWebsocket"'),
        ("vhs_nosave", "save_output", "false"),
        ("was_nopreview", "show_previews", '"false"'),
        ("imagesaver", "output_path", '"/mnt/out/[time(%Y-%m-%d)]"'),
    ],
)
def test_graphs_from_the_field_that_save_nothing_are_found_by_node_and_field(name: str, field: str, value: str) -> None:
    graph = case(name)
    assert [(each.node_id, each.input, each.value) for each in unsaved_outputs(graph)] == [("9", field, value)]
    assert saving_nodes(graph) == []


PREFIX = {"filename_prefix": "x"}


@pytest.mark.parametrize(
    ("class_type", "inputs", "field"),
    [
        ("SaveAnimatedPNGWebsocket", {}, "class_type"),
        ("ETN_SendImageWebSocket", {"format": "PNG"}, "class_type"),
        ("Send Image (WebSocket)", {}, "class_type"),
        ("PreviewImage", {}, "class_type"),
        ("Image Comparer (rgthree)", {"image_a": ["8", 0]}, "class_type"),
        ("LayerUtility: ImagePreview", {}, "class_type"),
        ("VHS_VideoCombine", {**PREFIX, "format": "image/gif", "save_output": False}, "save_output"),
        ("Fast Video Writer", {**PREFIX, "save_video": "disabled"}, "save_video"),
        ("SaveEverything", {**PREFIX, "save_to_disk": "False"}, "save_to_disk"),
        ("easy imageSave", {**PREFIX, "image_output": "Preview"}, "image_output"),
        ("easy kSampler", {"image_output": "Hide", "save_prefix": "x"}, "image_output"),
        ("easy fullkSampler", {"image_output": "Sender", "save_prefix": "x"}, "image_output"),
        ("Image Saver", {"path": "C:\\renders", "filename": "x", **PREFIX}, "path"),
        ("Save Image To Folder", {**PREFIX, "folder_path": "~/renders"}, "folder_path"),
        ("SaveImageExtended", {**PREFIX, "foldername": "x", "save_directory": "../elsewhere"}, "save_directory"),
        ("Network Saver", {**PREFIX, "output_dir": "\\\\nas\\boards"}, "output_dir"),
    ],
)
def test_more_nodes_of_each_kind_are_found(class_type: str, inputs: dict[str, Any], field: str) -> None:
    graph = with_outputs((class_type, inputs))
    assert [(each.node_id, each.input) for each in unsaved_outputs(graph)] == [("9", field)]
    assert saving_nodes(graph) == []


@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("SaveImage", PREFIX),
        ("Image Save", {**PREFIX, "output_path": "[time(%Y-%m-%d)]", "show_previews": "true"}),
        ("Image Saver", {**PREFIX, "path": "boards/day 1", "filename": "%seed"}),
        ("VHS_VideoCombine", {**PREFIX, "save_output": True}),
        ("easy imageSave", {**PREFIX, "image_output": "Hide/Save"}),
        ("SomeoneElsesWriter", {}),
        ("ImageListSaver", {**PREFIX, "save_metadata": False, "save_workflow": False}),
    ],
)
def test_nodes_that_save_are_left_alone(class_type: str, inputs: dict[str, Any]) -> None:
    graph = with_outputs((class_type, inputs))
    assert unsaved_outputs(graph) == []
    assert saving_nodes(graph) == ["9"]


def test_a_folder_that_may_be_the_output_folder_is_in_doubt() -> None:
    graph = with_outputs(("Image Save", {**PREFIX, "output_path": "/opt/ComfyUI/output/boards"}))
    [found] = unsaved_outputs(graph)
    assert not found.certain
    assert saving_nodes(graph) == ["9"]
    notices = read_workflow(graph, name="x").report().notices
    assert [text for text in notices if "can only be fetched if this is in the server's output folder" in text]


def test_a_preview_beside_a_node_that_saves_is_a_notice() -> None:
    graph = with_outputs(("SaveImage", PREFIX), ("PreviewImage", {}))
    notices = read_workflow(graph, name="x").report().notices
    assert [text for text in notices if text.startswith("not kept: node 10 (PreviewImage), class_type")]


def test_where_nothing_saves_no_notice_repeats_the_error() -> None:
    assert not [text for text in read_workflow(case("imagesaver"), name="x").report().notices if "node 9" in text]
