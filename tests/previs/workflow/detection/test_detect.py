"""Check what is detected from links: custom nodes by class, lengths, seeds and sizes, and titles for all of these."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.errors import Fault, WorkflowFaults
from previs.workflow import SavedGraph, ShotValues, read_workflow
from previs.workflow.binding.link_types import Wiring
from previs.workflow.detection.lengths import LengthRule, find_rates, length_rule_of
from tests.copies import copied

Write = Callable[..., dict[str, Any]]
OBJECT_INFO = Path(__file__).parents[3] / "recordings" / "object_info.json"


def read(content: dict[str, Any], **how: Any) -> SavedGraph:
    workflow = read_workflow(copied(content), name="look.json", **how)
    assert isinstance(workflow, SavedGraph)
    return workflow


def faults_of(content: dict[str, Any], **how: Any) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        read(content, **how)
    return caught.value.faults


def slots(content: dict[str, Any], what: str, **how: Any) -> list[tuple[str, str]]:
    return [each.slot for each in read(content, **how).bindings if each.what == what]


def custom(name: str, outputs: list[str], **inputs: list[Any]) -> dict[str, NodeClass]:
    return {name: read_class(name, {"input": {"required": inputs}, "output": outputs, "output_name": outputs})}


def bound(content: dict[str, Any], **values: Any) -> dict[str, Any]:
    graph = read(content).bind(ShotValues(**({"prompt": "x", "negative_prompt": None, "seed": 1} | values)))
    return {node_id: node["inputs"] for node_id, node in graph.items()}


def test_a_custom_encoders_texts_are_known_by_its_class(saved: dict[str, Any], node: Write) -> None:
    saved["6"] = node("Poet", verse="a city", style="ink", clip=["4", 1])
    classes = custom(
        "Poet", ["CONDITIONING"], verse=["STRING", {"multiline": True}], style=["STRING", {}], clip=["CLIP"]
    )
    assert slots(saved, "prompt", classes=classes) == [("6", "verse")]
    assert [fault.place for fault in faults_of(saved)] == ["node 6 (Poet)"]


def test_custom_conditioning_is_followed_by_its_types(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("Bend", a=["6", 0], amount=2)
    saved["3"]["inputs"]["positive"] = ["20", 0]
    assert slots(saved, "prompt", classes=custom("Bend", ["CONDITIONING"], a=["CONDITIONING"])) == [("6", "text")]


def test_a_custom_sampler_is_known_by_its_class(saved: dict[str, Any], node: Write) -> None:
    sampler = saved.pop("3")["inputs"]
    saved["30"] = node("Painter", m=sampler["model"], good=["6", 0], negative_cond=["7", 0], seed=3, start=["5", 0])
    saved["8"]["inputs"]["samples"] = ["30", 0]
    inputs = {"m": ["MODEL"], "good": ["CONDITIONING"], "negative_cond": ["CONDITIONING"], "start": ["LATENT"]}
    classes = custom("Painter", ["LATENT"], seed=["INT", {}], **inputs)
    workflow = read(saved, classes=classes)
    assert {each.what: each.slot for each in workflow.bindings if each.what not in ("checkpoint", "output_prefix")} == {
        "prompt": ("6", "text"),
        "negative_prompt": ("7", "text"),
        "seed": ("30", "seed"),
        "width": ("5", "width"),
        "height": ("5", "height"),
        "batch_size": ("5", "batch_size"),
    }


def test_text_nodes_are_followed_to_their_only_text(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("StringConcatenate", string_a=["21", 0], string_b="", delimiter=", ")
    saved["21"] = node("StringTrim", string=["22", 0], mode="Both")
    saved["22"] = node("PrimitiveStringMultiline", value="a city")
    saved["6"]["inputs"]["text"] = ["20", 0]
    assert slots(saved, "prompt") == [("22", "value")]
    saved["20"]["inputs"]["string_b"] = "in ink"
    (fault,) = faults_of(saved)
    assert fault.place == "node 6 (CLIPTextEncode)"
    assert 'prompt: "20.string_b"' in fault.remedy
    assert 'prompt: "22.value"' in fault.remedy


def test_a_second_pass_without_noise_needs_no_seed(saved: dict[str, Any], node: Write) -> None:
    first = saved["3"]["inputs"] | {"noise_seed": 4, "add_noise": "enable"}
    first.pop("seed")
    saved["3"] = node("KSamplerAdvanced", **first)
    saved["20"] = node(
        "KSamplerAdvanced", **(first | {"add_noise": "disable", "latent_image": ["3", 0], "noise_seed": 0})
    )
    saved["8"]["inputs"]["samples"] = ["20", 0]
    assert slots(saved, "seed") == [("3", "noise_seed")]


def test_separate_samplers_share_a_seed_only_if_they_do_now(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("KSampler", **(saved["3"]["inputs"] | {"seed": 7}))
    saved["21"] = node("VAEDecode", samples=["20", 0], vae=["4", 2])
    saved["22"] = node("SaveImage", images=["21", 0], filename_prefix="y")
    (fault,) = faults_of(saved)
    assert (fault.field, fault.value) == ("seed", "node 3 (KSampler), node 20 (KSampler)")
    assert 'seed: "3.seed"  # now -1' in fault.remedy
    assert 'seed: ["3.seed", "20.seed"]' in fault.remedy
    saved["20"]["inputs"]["seed"] = -1
    assert slots(saved, "seed") == [("3", "seed"), ("20", "seed")]


def test_noise_that_several_nodes_make_is_followed_to_all(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("BasicGuider", model=["4", 0], conditioning=["6", 0])
    saved["21"] = node("MixNoise", noise=["22", 0], amount=0.5)
    saved["22"] = node("RandomNoise", noise_seed=4)
    saved["3"] = node("SamplerCustomAdvanced", noise=["21", 0], guider=["20", 0], latent_image=["5", 0])
    assert slots(saved, "seed") == [("22", "noise_seed")]


def test_a_second_pass_of_its_own_size_grows_in_proportion(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node(
        "LatentUpscale", samples=["3", 0], upscale_method="bilinear", width=768, height=1024, crop="disabled"
    )
    saved["21"] = node("KSampler", **(saved["3"]["inputs"] | {"latent_image": ["20", 0], "denoise": 0.5}))
    saved["8"]["inputs"]["samples"] = ["21", 0]
    inputs = bound(saved, width=640, height=360)
    assert [inputs["5"][name] for name in ("width", "height")] == [640, 360]
    assert [inputs["20"][name] for name in ("width", "height")] == [960, 720]
    inputs = bound(saved, width=640)
    assert [inputs["20"][name] for name in ("width", "height")] == [960, 1024]


@pytest.mark.parametrize(("width", "target"), [(512, 512), (4096, 512)])
def test_an_encoder_gets_the_new_size_if_it_holds_the_present_one(
    saved: dict[str, Any], node: Write, width: int, target: int
) -> None:
    sizes = {"width": width, "height": width, "target_width": target, "target_height": target}
    saved["6"] = node("CLIPTextEncodeSDXL", clip=["4", 1], text_g="a", text_l="a", crop_w=0, crop_h=0, **sizes)
    inputs = bound(saved, width=640, height=360)["6"]
    assert (inputs["target_width"], inputs["target_height"]) == (640, 360)
    assert (inputs["width"], inputs["height"]) == ((640, 360) if width == 512 else (4096, 4096))


def test_a_size_that_comes_from_a_picture_is_reported(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved["11"] = node("GetImageSize", image=["10", 0])
    saved["5"]["inputs"] |= {"width": ["11", 0], "height": ["11", 1]}
    gap = read(saved).gaps["width"].partition(":")[0]
    assert gap == "the size of node 5 (EmptyLatentImage) is computed by other nodes (node 11 (GetImageSize))"


@pytest.fixture
def video(saved: dict[str, Any], node: Write) -> dict[str, Any]:
    saved["5"] = node("EmptyHunyuanLatentVideo", width=640, height=640, length=81, batch_size=1)
    saved["9"] = node("SaveAnimatedWEBP", images=["8", 0], filename_prefix="x", fps=16.0)
    return saved


def test_a_shots_duration_is_the_length_at_the_graphs_own_rate(video: dict[str, Any]) -> None:
    assert bound(video, duration=3.0)["5"]["length"] == 49
    assert bound(video)["5"]["length"] == 81
    assert bound(video, duration=3.0, overrides={"9.fps": 24.0})["5"]["length"] == 73
    assert bound(video, duration=3.0, overrides={"frame_rate": 24.0})["9"]["fps"] == 24.0
    assert bound(video, duration=3.0, overrides={"length": 5})["5"]["length"] == 5


def test_frames_that_a_node_adds_in_between_are_not_sampled(video: dict[str, Any], node: Write) -> None:
    video["20"] = node("RIFE VFI", frames=["8", 0], multiplier=2)
    video["9"]["inputs"]["images"] = ["20", 0]
    assert bound(video, duration=3.0)["5"]["length"] == 25


def test_an_unused_duration_is_reported(video: dict[str, Any], node: Write) -> None:
    video["9"] = node("SaveImage", images=["8", 0], filename_prefix="x")
    values = ShotValues("x", None, 1, duration=3.0)
    assert read(video).report(values).notices == ("duration is not used: no node of the graph sets the frame rate",)
    assert read(video).bind(values)["5"]["inputs"]["length"] == 81


def test_a_duration_does_not_affect_a_picture(saved: dict[str, Any]) -> None:
    values = ShotValues("x", None, 1, duration=3.0)
    assert read(saved).report(values).notices == ()
    assert read(saved).bind(values) == read(saved).bind(ShotValues("x", None, 1))


def test_the_length_of_sound_is_in_seconds(saved: dict[str, Any], node: Write) -> None:
    saved["5"] = node("EmptyLatentAudio", seconds=47.6, batch_size=1)
    saved["8"] = node("VAEDecodeAudio", samples=["3", 0], vae=["4", 2])
    saved["9"] = node("SaveAudioMP3", audio=["8", 0], filename_prefix="x", quality="V0")
    assert bound(saved, duration=3.25)["5"]["seconds"] == 3.3
    assert bound(saved, duration=0.2)["5"]["seconds"] == 1


@given(
    st.integers(1, 9),
    st.integers(1, 8),
    st.floats(0.05, 200),
    st.sampled_from([8.0, 12.0, 16.0, 23.976, 24.0, 25.0, 30.0]),
)
def test_a_length_is_the_smallest_valid_one_that_lasts_long_enough(
    least: int, step: int, duration: float, rate: float
) -> None:
    value = LengthRule(least, step, 16384, ("1", "fps")).value(duration, rate)
    assume(value < 16384)
    assert (value - least) % step == 0
    assert value >= round(duration * rate)
    assert value == least or value - step < round(duration * rate)


def test_lengths_are_counted_as_the_server_counts_them() -> None:
    object_info = json.loads(OBJECT_INFO.read_text("utf-8"))
    play = {"class_type": "SaveAnimatedWEBP", "inputs": {"fps": 16.0, "filename_prefix": "x"}}
    checked = 0
    for name, each in object_info.items():
        known = read_class(name, each)
        for field in {"length", "video_frames", "seconds"} & known.inputs.keys():
            graph: Any = {"1": {"class_type": name, "inputs": {field: 1}}, "2": play}
            if "batch_index" in known.inputs:
                continue
            without, with_classes = Wiring(graph), Wiring(graph, {name: known})
            rates = find_rates(without, ["2"])
            expected, _ = length_rule_of(with_classes, ("1", field), rates, ["1", "2"])
            assert length_rule_of(without, ("1", field), rates, ["1", "2"]) == (expected, ""), name
            checked += 1
    assert checked == 27


@pytest.mark.parametrize(
    ("title", "node_id", "what", "slot"),
    [
        ("shot.width", "5", "width", ("5", "width")),
        ("shot.height", "5", "height", ("5", "height")),
        ("shot.batch_size", "5", "batch_size", ("5", "batch_size")),
        ("shot.length", "5", "length", ("5", "length")),
        ("shot.frame_rate", "9", "frame_rate", ("9", "fps")),
        ("shot.checkpoint", "4", "checkpoint", ("4", "ckpt_name")),
        ("shot.negative", "7", "negative_prompt", ("7", "text")),
    ],
)
def test_titles_name_everything_that_is_bound(
    video: dict[str, Any], title: str, node_id: str, what: str, slot: tuple[str, str]
) -> None:
    video[node_id]["_meta"] = {"title": title}
    found = [(each.slot, each.rule) for each in read(video).bindings if each.what == what]
    assert found == [(slot, f"title {title}")]


def test_a_graph_without_text_reports_it(saved: dict[str, Any], node: Write) -> None:
    saved["10"] = node("LoadImage", image="a.png")
    saved["6"] = node("SVD_img2vid_Conditioning", init_image=["10", 0], width=512, height=512, video_frames=14, fps=6)
    saved["3"]["inputs"] |= {"positive": ["6", 0], "negative": ["6", 1], "latent_image": ["6", 2]}
    del saved["7"]
    notices = read(saved).report(ShotValues("x", None, 1)).notices
    assert notices[0] == "prompt is not used: the graph takes no text"


def test_a_second_condition_with_the_negatives_text_is_no_second_prompt(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("DualCFGGuider", model=["4", 0], cond1=["6", 0], cond2=["7", 0], negative=["7", 0])
    saved["21"] = node("RandomNoise", noise_seed=4)
    saved["3"] = node("SamplerCustomAdvanced", noise=["21", 0], guider=["20", 0], latent_image=["5", 0])
    assert slots(saved, "prompt") == [("6", "text")]
    saved["22"] = node("CLIPTextEncode", text="a third", clip=["4", 1])
    saved["20"]["inputs"]["cond2"] = ["22", 0]
    assert "several texts" in faults_of(saved)[0].remedy
