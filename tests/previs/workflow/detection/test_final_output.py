"""Check which of several saved outputs is the shot's frame."""

import copy
from typing import Any

import pytest

from previs.comfyui.protocol.graph import Graph
from previs.errors import WorkflowFaults
from previs.workflow import ShotValues, output_ranks, read_workflow
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE
from tests.previs.workflow.detection.test_saves import case

Nodes = dict[str, tuple[str, dict[str, Any]]]
SAVE = {"filename_prefix": "x"}
AGAIN = TEXT_TO_IMAGE["3"]["inputs"]


def grown(nodes: Nodes) -> Graph:
    """Return the graph for text to image, which saves at node 9, with more nodes."""
    more = {node_id: {"class_type": class_type, "inputs": inputs} for node_id, (class_type, inputs) in nodes.items()}
    return {**copy.deepcopy(TEXT_TO_IMAGE), **more}  # type: ignore[dict-item]


UPSCALED: Nodes = {
    "20": ("ImageUpscaleWithModel", {"upscale_model": ["21", 0], "image": ["8", 0]}),
    "21": ("UpscaleModelLoader", {"model_name": "4x.pth"}),
    "2": ("SaveImage", {"images": ["20", 0], **SAVE}),
}
REFINED: Nodes = {
    "20": ("KSampler", {**AGAIN, "latent_image": ["3", 0], "denoise": 0.3}),
    "21": ("VAEDecode", {"samples": ["20", 0], "vae": ["4", 2]}),
    "22": ("SaveImage", {"images": ["21", 0], **SAVE}),
    "23": ("UpscaleModelLoader", {"model_name": "4x.pth"}),
    "24": ("ImageUpscaleWithModel", {"upscale_model": ["23", 0], "image": ["21", 0]}),
    "25": ("SaveImage", {"images": ["24", 0], **SAVE}),
}
FILMED: Nodes = {
    "20": ("KlingImage2VideoNode", {"start_frame": ["8", 0], "prompt": "it rains", "seed": 1}),
    "21": ("SaveVideo", {"video": ["20", 0], **SAVE}),
}
MASKED: Nodes = {
    **UPSCALED,
    "30": ("Segment", {"image": ["20", 0]}),
    "31": ("MaskToImage", {"mask": ["30", 0]}),
    "32": ("SaveImage", {"images": ["31", 0], **SAVE}),
    "33": ("DepthAnythingPreprocessor", {"image": ["20", 0]}),
    "34": ("SaveImage", {"images": ["33", 0], **SAVE}),
}


@pytest.mark.parametrize(
    ("graph", "order"),
    [
        (case("hires_two_saves"), [["12"], ["9"]]),
        (grown(UPSCALED), [["2"], ["9"]]),
        (grown(REFINED), [["25"], ["22"], ["9"]]),
        (grown(FILMED), [["21"], ["9"]]),
        (grown(MASKED), [["2"], ["9"], ["32", "34"]]),
    ],
    ids=["two passes", "upscaled", "refined, then upscaled", "picture to video", "with a mask and a depth map"],
)
def test_the_last_of_the_chain_comes_first(graph: Graph, order: list[list[str]]) -> None:
    saving = [node_id for node_id, node in graph.items() if "filename_prefix" in node["inputs"]]
    for node_ids in (saving, saving[::-1]):
        ranks = output_ranks(graph, node_ids)
        assert [sorted(n for n in ranks if ranks[n] == rank) for rank in range(len(order))] == order


def test_two_pictures_of_which_none_builds_on_the_other_are_equals() -> None:
    graph = grown(
        {
            "20": ("KSampler", {**AGAIN, "cfg": 3.0}),
            "21": ("VAEDecode", {"samples": ["20", 0], "vae": ["4", 2]}),
            "22": ("SaveImage", {"images": ["21", 0], **SAVE}),
        }
    )
    assert output_ranks(graph, ["9", "22"]) == {"9": 0, "22": 0}
    [notice] = read_workflow(graph, name="x").report().notices
    assert notice == (
        "of node 9 (SaveImage), node 22 (SaveImage) the largest makes the shot's frame, and the others are kept: "
        "the title shot.output on a node that saves chooses another"
    )


def test_a_notice_says_which_output_is_the_shots_frame() -> None:
    notices = read_workflow(case("hires_two_saves"), name="x").report().notices
    assert [text for text in notices if "node 12 (SaveImage) makes the shot's frame; what node 9 (SaveImage)" in text]


def test_a_title_decides_without_a_notice() -> None:
    graph = case("hires_two_saves")
    graph["9"]["_meta"] = {"title": "shot.output"}
    assert output_ranks(graph, ["9", "12"]) == {"9": 0, "12": 1}
    assert not [text for text in read_workflow(graph, name="x").report().notices if "makes the shot's frame" in text]


def test_the_title_on_a_node_that_does_not_save_is_a_fault() -> None:
    graph = case("hires_two_saves")
    graph["13"]["_meta"] = {"title": "shot.output"}
    with pytest.raises(WorkflowFaults, match=r"must be on a node that saves: node 9 .*, node 12"):
        read_workflow(graph, name="x")


def test_an_override_may_turn_an_output_on() -> None:
    graph = case("vhs_nosave")
    graph["10"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], **SAVE}}
    workflow = read_workflow(graph, name="x")
    turned_on = workflow.report(ShotValues("x", None, 1, overrides={"9.save_output": True})).notices
    assert any("save_output" in text for text in workflow.report().notices)
    assert any("node 9 (VHS_VideoCombine), node 10 (SaveImage) the largest" in text for text in turned_on)
