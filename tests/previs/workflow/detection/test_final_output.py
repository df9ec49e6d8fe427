"""Check which of several saved outputs is the shot's frame."""

from typing import Any

import pytest

from previs.comfyui.protocol.graph import Graph
from previs.errors import WorkflowFaults
from previs.workflow import ShotValues, output_ranks, read_workflow
from previs.workflow.detection.saves import saving_nodes
from tests.copies import copied
from tests.previs.comfyui.graphs import TEXT_TO_IMAGE
from tests.previs.workflow.detection.test_saves import case
from tests.previs.workflow.formats.editor.test_current_templates import CURRENT, exported

Nodes = dict[str, tuple[str, dict[str, Any]]]
SAVE = {"filename_prefix": "x"}
AGAIN = TEXT_TO_IMAGE["3"]["inputs"]


def grown(nodes: Nodes) -> Graph:
    """Return the graph for text to image, which saves at node 9, with more nodes."""
    more = {node_id: {"class_type": class_type, "inputs": inputs} for node_id, (class_type, inputs) in nodes.items()}
    return {**copied(TEXT_TO_IMAGE), **more}  # type: ignore[dict-item]


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


# All templates of ComfyUI 0.33.0 that save several outputs: the nodes by rank, the shot's frame first. Each was read.
TEMPLATES = {
    # A picture or video with more done to it: a cutout, a second pass, the first clip with its extension, a composite.
    "api_beeble_switchx_image_edit.json": [["11"], ["8"]],
    "api_from_photo_2_miniature.json": [["37"], ["30"]],
    "api_openai_fashion_billboard_generator.json": [["16"], ["2"]],
    "api_seedance2_5_video_extend.json": [["40"], ["16"]],
    "image_qwen_image_instantx_inpainting_controlnet.json": [["163"], ["60"]],
    "templates_3d_match_game_art_style.app.json": [["3"], ["5"]],
    "utility_void_video_inpainting.json": [["38"], ["48"]],
    "video_wan21_scail2_character_replacement.json": [["271"], ["202"]],
    "video_wan21_scail2_character_replacement_int8.json": [["271"], ["202"]],
    "video_wan2_1_infinitetalk.json": [["141"], ["162"]],
    # The other one is the video's alpha channel.
    "api_beeble_switchx_video_edit.json": [["22"], ["24"]],
    # The other one is the same model as FBX.
    "api_meshy_multi_image_to_model.json": [["14"], ["15"]],
    "api_meshy_text_to_model.json": [["7"], ["8"]],
    # The model with textures; a model made from pictures.
    "api_hunyuan3d_retopo_uv.json": [["268"], ["263"]],
    "templates_mjm_image_to_3d.json": [["28"], ["25", "26", "27"]],
    # The other one is the video's music.
    "api_sonilo_v2m.json": [["708"], ["728"]],
    # The video before the pictures that it was made from, and the whole film before its clips.
    "template_seedance2_0_viral_videos_character_swap.json": [["282"], ["295"]],
    "templates-3D_logo_texture_animation.json": [["16"], ["7"], ["5"], ["3"]],
    "templates-car_product.json": [["48"], ["22", "26", "27"], ["23", "25"], ["13", "24"]],
    "templates-photo_to_product_vid.json": [["30"], ["16", "17", "19"], ["9"]],
    "templates-textured_logotype-v2.1.json": [["11"], ["14"], ["13"]],
    "templates_ohneis_i2v.json": [["63"], ["9"], ["66"]],
    # The other one shows the video beside the one that it was made from.
    "video_wan_animate2.json": [["246"], ["292"]],
    "video_wan_animate2_distilled.json": [["246"], ["292"]],
    # Variants of which none builds on another: styles, views, models. The largest is shown.
    "template-multistyle-magazine-cover-nanobananapro.json": [["5", "7", "9"], ["3"]],
    "template_character_portrait_relighting.json": [["138", "152", "158", "170", "181"]],
    "template_eric_seedance_5_subject_and_outfit_combine.json": [["11", "258"]],
    "templates-1_click_multiple_scene_angles-v1.0.json": [["31", "34", "36", "38", "41", "43", "45", "47"]],
    "templates-1_input-multiple_styles_prompt.app.json": [
        ["3", "5", "7", "11", "13", "15", "17", "19", "21", "23", "25", "27"]
    ],
    "templates-all_in_one-image_edit_models.json": [["1", "26", "29", "91", "129", "131", "134"]],
}


def test_the_shots_frame_of_every_template_is_as_reviewed() -> None:
    found = {}
    for name, graph in exported(CURRENT).items():
        if any(node["class_type"] is None for node in graph.values()):
            continue  # The editor sends no class for a node that its server lacks.
        saving = saving_nodes(graph)
        if len(saving) > 1:
            ranks = output_ranks(graph, saving)
            found[name] = [
                sorted((n for n in ranks if ranks[n] == rank), key=int) for rank in sorted(set(ranks.values()))
            ]
    assert found == TEMPLATES
