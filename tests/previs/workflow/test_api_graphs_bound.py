"""Check what is bound in graphs with API nodes, as ComfyUI 0.33.0's own editor sends them.

``REWRITE_GOLDEN=1 pytest tests/previs/workflow/test_api_graphs_bound.py`` rewrites the reviewed table.
"""

import functools
import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.check import findings
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.graph import Graph
from previs.errors import WorkflowFaults
from previs.workflow import SavedGraph, ShotValues, read_bindings
from previs.workflow.saved import read_graph
from tests.previs.workflow.tables import table_lines

GOLDEN = Path(__file__).parent / "golden" / "api_bindings.txt"
RECORDED = Path(__file__).parents[2] / "recordings-0.33.0"
SAVES = re.compile(r"Save(Image|Video|WEBM|Audio|SVG)\w*")
# The editor sends null for a class that its server lacked.
LACKS_A_CLASS = {
    "template_rob_realistic_2k_images_quick_variations",
    "templates_rob_realistic_2k_images_quick_variations.app",
    "templates_mjm_looped_restyler",
}
SHOWN = (
    *("api_beeble_switchx_image_edit", "api_bfl_flux2_max_sofa_swap", "api_bfl_flux3_i2v"),
    *(
        "api_bfl_flux_1_kontext_pro_image",
        "api_bria_image_edit",
        "api_bytedance_flf2v",
        "api_bytedance_seed_audio1_0_t2a",
    ),
    *("api_bytedance_seedream_5_0_pro_t2i", "api_elevenlabs_text_to_dialogue", "api_elevenlabs_text_to_speech"),
    *(
        "api_google_gemini_image",
        "api_google_nano_banana2_text_to_image",
        "api_grok_reference_to_video",
        "api_grok_video",
    ),
    *(
        "api_happyhorse1_1_r2v",
        "api_heygen_talking_photo",
        "api_ideogram_v4_t2i",
        "api_kling2_6_i2v",
        "api_kling_o3_flf2v",
    ),
    *("api_kling_omni_t2v", "api_kling_v3_video", "api_krea2_t2i", "api_ltx2_5_i2v", "api_luma_i2v"),
    *("api_luma_photon_style_ref", "api_magnific_image_relight", "api_meshy_text_to_model", "api_minimax_h3_t2v"),
    *("api_openai_chat", "api_openai_dall_e_3_t2i", "api_openai_image_1_inpaint", "api_openai_image_1_multi_inputs"),
    *("api_pixverse_i2v", "api_quiver_text_to_svg", "api_qwen3_image_edit", "api_recraft_style_reference"),
    *("api_rodin_gen2", "api_runway_gen4_turo_image_to_video", "api_seedance2_5_flf2v", "api_sonilo_t2m"),
    *("api_topaz_image_enhance", "api_tripo3_1_text_to_model", "api_veo3", "api_vidu_q2_r2v", "api_wan2_7_t2v"),
    *("api_wan_text_to_video", "api_wavespeed_image_upscale", "templates_ohneis_i2v", "utility_hitpaw_video_enhance"),
)


@functools.cache
def classes() -> dict[str, NodeClass]:
    described = json.loads(gzip.decompress((RECORDED / "object_info.json.gz").read_bytes()))
    return {name: read_class(name, each) for name, each in described.items()}


@functools.cache
def graphs() -> dict[str, Graph]:
    """Return the editor's graphs with API nodes, by name."""
    lines = gzip.decompress((RECORDED / "exported.jsonl.gz").read_bytes()).splitlines()
    exported = {each["name"].removesuffix(".json"): each["graph"] for each in map(json.loads, lines)}
    return {name: graph for name, graph in exported.items() if any(is_api(node) for node in graph.values())}


def is_api(node: Any) -> bool:
    known = classes().get(node["class_type"])
    return known is not None and known.is_api


def read(name: str, graph: Graph | None = None, **how: Any) -> SavedGraph:
    return read_graph(graph or graphs()[name], name=f"{name}.json", known=[], classes=classes(), **how)


def saving() -> list[str]:
    """Return the graphs that save a picture, video or sound."""
    return [n for n, graph in graphs().items() if any(SAVES.fullmatch(str(x["class_type"])) for x in graph.values())]


@functools.cache
def stopped() -> dict[str, WorkflowFaults]:
    found = {}
    for name in graphs():
        try:
            read(name)
        except WorkflowFaults as error:
            found[name] = error
    return found


def test_what_is_bound_is_what_an_artist_would_choose() -> None:
    table = "\n".join(line for name in SHOWN for line in table_lines(name, read, width=24)) + "\n"
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN.write_text(table, "utf-8")
    assert table == GOLDEN.read_text("utf-8")


def test_four_of_five_graphs_that_save_bind_without_a_question() -> None:
    settled = [name for name in saving() if name not in stopped()]
    assert len(saving()) == 174
    assert len(settled) >= 147


def test_the_lines_in_the_faults_settle_every_graph_that_stops() -> None:
    asking = {name for name in stopped() if name in saving()} - LACKS_A_CLASS
    assert asking
    for name in asking:
        error, lines = stopped()[name], dict[str, str]()
        for _ in range(3):
            found = [
                line for fault in error.faults for line in re.findall(r"^ {6}(\w+: .*)$", fault.remedy, re.MULTILINE)
            ]
            lines |= {line.partition(":")[0]: line for line in reversed(found)}
            explicit = read_bindings("\n".join(lines.values()).encode(), name="x.bindings.yaml")
            try:
                bound = read(name, explicit=explicit)
            except WorkflowFaults as other:
                error = other
            else:
                break
        else:
            pytest.fail(f"{name}: {error}")
        stated = [each.what for each in bound.bindings if each.rule == "bindings file"]
        assert set(stated) == explicit.addresses.keys(), name


def test_the_written_bindings_file_states_the_same_bindings() -> None:
    for name in saving():
        if name in stopped():
            continue
        found = read(name)
        stated = read(name, explicit=read_bindings(found.bindings_text().encode(), name="x.bindings.yaml"))
        assert [(each.what, each.slot) for each in stated.bindings] == [(e.what, e.slot) for e in found.bindings], name
        assert stated.length_rule == found.length_rule, name


def values_for(workflow: SavedGraph, prompt: str, seed: int) -> ShotValues:
    return ShotValues(prompt, None, workflow.fit_seed(seed), duration=6)


def test_servers_accept_what_a_shot_sets_and_two_prompts_are_two_graphs() -> None:
    for name in saving():
        if name in stopped():
            continue
        workflow = read(name)
        before = {each.fault.place for each in findings(workflow.graph, classes())}
        first = workflow.bind(values_for(workflow, "a boat", 2**53 - 1))
        assert {each.fault.place for each in findings(first, classes())} <= before, name
        if "prompt" not in workflow.gaps:
            assert first != workflow.bind(values_for(workflow, "a lighthouse", 2**53 - 1)), name
        if "seed" not in workflow.gaps:
            assert first != workflow.bind(values_for(workflow, "a boat", 7)), name
