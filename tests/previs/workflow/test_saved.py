import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import Fault, WorkflowFaults
from previs.workflow import PlacedReference, SavedGraph, ShotValues, read_workflow
from tests.copies import copied

Write = Callable[..., dict[str, Any]]
A = PlacedReference("previs/a.png", "ref_1")
B = PlacedReference("previs/b.png", "ref_2")
C = PlacedReference("previs/c.png", "ref_3")


def shot(*references: PlacedReference, **values: object) -> ShotValues:
    return replace(ShotValues("新的镜头", None, 42, references=references), **values)


def read(content: dict[str, Any]) -> SavedGraph:
    workflow = read_workflow(content, name="look.json")
    assert isinstance(workflow, SavedGraph)
    return workflow


def read_faults(content: dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow(content, name="look.json")
    return caught.value.faults


def bind_faults(content: dict[str, Any], values: ShotValues) -> tuple[Fault, ...]:
    workflow = read(content)
    with pytest.raises(WorkflowFaults) as caught:
        workflow.bind(values, place="shot 3")
    assert caught.value.source == "look.json"
    assert all(fault.place == "shot 3" for fault in caught.value.faults)
    return caught.value.faults


def changes(content: dict[str, Any], values: ShotValues) -> dict[tuple[str, str], Any]:
    """Return the values that binding changes, by (node id, input)."""
    bound = read(content).bind(values)
    assert bound.keys() == content.keys()
    return {
        (node_id, name): value
        for node_id, node in bound.items()
        for name, value in node["inputs"].items()
        if value != content[node_id]["inputs"][name]
    }


def flux(node: Write) -> dict[str, Any]:
    return {
        "1": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "2": node("DualCLIPLoader", clip_name1="a", clip_name2="b", type="flux"),
        "3": node("CLIPTextEncodeFlux", clip=["2", 0], clip_l="a cat", t5xxl="a cat on a roof", guidance=3.5),
        "4": node("FluxGuidance", conditioning=["3", 0], guidance=3.5),
        "5": node("BasicGuider", model=["1", 0], conditioning=["4", 0]),
        "6": node("RandomNoise", noise_seed=1),
        "7": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
        "8": node("KSamplerSelect", sampler_name="euler"),
        "9": node("BasicScheduler", model=["1", 0], scheduler="simple", steps=20, denoise=1.0),
        "10": node(
            "SamplerCustomAdvanced",
            noise=["6", 0],
            guider=["5", 0],
            sampler=["8", 0],
            sigmas=["9", 0],
            latent_image=["7", 0],
        ),
        "11": node("VAELoader", vae_name="ae"),
        "12": node("VAEDecode", samples=["10", 0], vae=["11", 0]),
        "13": node("SaveImage", images=["12", 0], filename_prefix="x"),
    }


def with_control(saved: dict[str, Any], node: Write) -> dict[str, Any]:
    """Add two pictures for control, whose nodes sort by number and not as text."""
    saved |= {
        "10": node("LoadImage", image="pose.png"),
        "11": node("ControlNetLoader", control_net_name="c"),
        "12": node(
            "ControlNetApplyAdvanced",
            positive=["6", 0],
            negative=["7", 0],
            control_net=["11", 0],
            image=["10", 0],
            strength=1.0,
            start_percent=0.0,
            end_percent=1.0,
        ),
        "1": node("LoadImage", image="depth.png"),
        "2": node("ControlNetApply", conditioning=["12", 0], control_net=["11", 0], image=["1", 0], strength=0.5),
    }
    saved["3"]["inputs"] |= {"positive": ["2", 0], "negative": ["12", 1]}
    return saved


def test_prompt_negative_seed_and_size_go_where_the_sampler_takes_them(saved: dict[str, Any]) -> None:
    values = shot(negative_prompt="雾", width=640, height=360)
    assert changes(saved, values) == {
        ("6", "text"): "新的镜头",
        ("7", "text"): "雾",
        ("3", "seed"): 42,
        ("5", "width"): 640,
        ("5", "height"): 360,
    }


def test_what_a_shot_does_not_give_stays_the_artists(saved: dict[str, Any]) -> None:
    assert changes(saved, shot()) == {("6", "text"): "新的镜头", ("3", "seed"): 42}
    assert changes(saved, shot(width=640)).keys() == {("6", "text"), ("3", "seed"), ("5", "width")}


def test_texts_are_found_behind_conditioning_nodes(saved: dict[str, Any], node: Write) -> None:
    saved = with_control(saved, node)
    saved["12"]["inputs"]["positive"] = ["20", 0]
    saved["20"] = node("ConditioningSetTimestepRange", conditioning=["21", 0], start=0.0, end=1.0)
    saved["21"] = node("ConditioningConcat", conditioning_to=["6", 0], conditioning_from=["6", 0])
    assert changes(saved, shot(negative_prompt="雾")) == {
        ("6", "text"): "新的镜头",
        ("7", "text"): "雾",
        ("3", "seed"): 42,
    }


def test_both_texts_of_an_encoder_for_two_models_are_set(saved: dict[str, Any], node: Write) -> None:
    saved["6"] = node("CLIPTextEncodeSDXL", clip=["4", 1], text_g="a city", text_l="ink", width=1024, height=1024)
    assert changes(saved, shot()).keys() == {("6", "text_g"), ("6", "text_l"), ("3", "seed")}


def test_a_guider_and_a_noise_node_are_followed(node: Write) -> None:
    assert changes(flux(node), shot(width=640, height=368)) == {
        ("3", "clip_l"): "新的镜头",
        ("3", "t5xxl"): "新的镜头",
        ("6", "noise_seed"): 42,
        ("7", "width"): 640,
        ("7", "height"): 368,
    }


def test_primitives_are_set_instead_of_the_inputs_that_they_feed(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("PrimitiveStringMultiline", value="a city")
    saved["21"] = node("PrimitiveInt", value=5)
    saved["22"] = node("PrimitiveInt", value=512)
    saved["6"]["inputs"]["text"] = ["20", 0]
    saved["3"]["inputs"]["seed"] = ["21", 0]
    saved["5"]["inputs"]["width"] = ["22", 0]
    assert changes(saved, shot(width=640)) == {("20", "value"): "新的镜头", ("21", "value"): 42, ("22", "value"): 640}


def test_a_primitive_that_feeds_width_and_height_takes_only_equal_ones(saved: dict[str, Any], node: Write) -> None:
    saved["22"] = node("PrimitiveInt", value=512)
    saved["5"]["inputs"] |= {"width": ["22", 0], "height": ["22", 0]}
    assert changes(saved, shot(width=640, height=640))[("22", "value")] == 640
    (fault,) = bind_faults(saved, shot(width=640, height=360))
    assert (fault.field, fault.value) == ("height", "360")
    assert "node 22" in fault.remedy


def test_two_samplers_of_one_prompt_share_text_and_seed(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("LatentUpscaleBy", samples=["3", 0], upscale_method="bilinear", scale_by=1.5)
    saved["21"] = copied(saved["3"])
    saved["21"]["inputs"] |= {"latent_image": ["20", 0], "denoise": 0.5}
    saved["8"]["inputs"]["samples"] = ["21", 0]
    assert changes(saved, shot(width=640)) == {
        ("6", "text"): "新的镜头",
        ("3", "seed"): 42,
        ("21", "seed"): 42,
        ("5", "width"): 640,
    }


def test_the_same_text_in_two_nodes_is_one_prompt(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("CLIPTextEncodeSDXLRefiner", clip=["4", 1], text="a city", ascore=6.0, width=1024, height=1024)
    saved["21"] = copied(saved["3"])
    saved["21"]["inputs"] |= {"latent_image": ["3", 0], "positive": ["20", 0]}
    saved["8"]["inputs"]["samples"] = ["21", 0]
    assert changes(saved, shot()).keys() == {("6", "text"), ("20", "text"), ("3", "seed"), ("21", "seed")}


def test_two_samplers_of_different_prompts_are_refused(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("CLIPTextEncode", clip=["4", 1], text="a face", title="Face")
    saved["21"] = copied(saved["3"])
    saved["21"]["inputs"] |= {"latent_image": ["3", 0], "positive": ["20", 0]}
    saved["8"]["inputs"]["samples"] = ["21", 0]
    (fault,) = read_faults(saved)
    assert fault.value == 'node 6 (CLIPTextEncode), node 20 (CLIPTextEncode "Face")'
    assert '"shot.prompt"' in fault.remedy
    saved["6"]["_meta"] = {"title": "shot.prompt"}
    assert changes(saved, shot()).keys() == {("6", "text"), ("3", "seed"), ("21", "seed")}


def test_a_text_for_both_prompt_and_negative_is_refused_unless_intended(saved: dict[str, Any]) -> None:
    saved["3"]["inputs"]["negative"] = ["6", 0]
    (fault,) = read_faults(saved)
    assert fault.place == "node 6 (CLIPTextEncode)"
    saved["6"]["_meta"] = {"title": "shot.prompt"}
    assert changes(saved, shot()).keys() == {("6", "text"), ("3", "seed")}
    assert [fault.field for fault in bind_faults(saved, shot(negative_prompt="雾"))] == ["negative_prompt"]


def test_a_prompt_that_other_nodes_compute_is_refused(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("StringConcatenate", string_a="a city", string_b="in ink", delimiter=", ")
    saved["6"]["inputs"]["text"] = ["20", 0]
    (fault,) = read_faults(saved)
    assert fault.place == "node 6 (CLIPTextEncode)"
    saved["20"]["inputs"]["string_a"] = ["21", 0]
    saved["21"] = node("PrimitiveString", value="a city", title="shot.prompt")
    assert changes(saved, shot()).keys() == {("21", "value"), ("3", "seed")}


def test_a_node_that_adds_text_to_other_text_is_not_the_prompt(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("AppendWords", text=["21", 0], value=", in ink")
    saved["21"] = node("PrimitiveString", value="a city")
    saved["6"]["inputs"]["text"] = ["20", 0]
    assert [fault.place for fault in read_faults(saved)] == ["node 6 (CLIPTextEncode)"]


def test_crossed_links_are_followed_as_they_lie(saved: dict[str, Any], node: Write) -> None:
    saved = with_control(saved, node)
    saved["3"]["inputs"] |= {"positive": ["12", 1], "negative": ["12", 0]}
    assert changes(saved, shot(negative_prompt="雾")) == {
        ("7", "text"): "新的镜头",
        ("6", "text"): "雾",
        ("3", "seed"): 42,
    }


def test_a_loaded_pictures_name_is_never_taken_for_text(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("Describe", picture=["21", 0])
    saved["21"] = node("LoadImage", image="a.png")
    saved["6"]["inputs"]["text"] = ["20", 0]
    assert [fault.place for fault in read_faults(saved)] == ["node 6 (CLIPTextEncode)"]


def test_an_unknown_node_on_the_way_to_the_prompt_is_named(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("MysteryConditioning", a=["6", 0], b=["7", 0], mode="x")
    saved["3"]["inputs"]["positive"] = ["20", 0]
    (fault,) = read_faults(saved)
    assert fault.place == "node 20 (MysteryConditioning)"


def test_a_graph_without_a_sampler_needs_titles(node: Write) -> None:
    graph = {
        "1": node("MagicPicture", words="a city", seed=3),
        "2": node("SaveImage", images=["1", 0], filename_prefix="x"),
    }
    prompt, seed = read_faults(graph)
    assert "no sampler with a prompt" in prompt.remedy
    assert (seed.place, seed.field) == ("node 1 (MagicPicture)", "seed")
    graph = {
        "1": node("MagicPicture", words=["3", 0], seed=["4", 0]),
        "2": graph["2"],
        "3": node("Words", text="a", title="shot.prompt"),
        "4": node("PrimitiveInt", value=1, title="shot.seed"),
    }
    assert changes(graph, shot()) == {("3", "text"): "新的镜头", ("4", "value"): 42}


@pytest.mark.parametrize("conditioning", [["20", 0], ["21", 0]])
def test_a_graph_without_negative_text_refuses_only_shots_with_one(
    saved: dict[str, Any], node: Write, conditioning: list[Any]
) -> None:
    saved["20"] = node("ConditioningZeroOut", conditioning=["6", 0])
    saved["21"] = node("MysteryNegative", seed=1, x="y")
    saved["3"]["inputs"]["negative"] = conditioning
    assert changes(saved, shot()).keys() == {("6", "text"), ("3", "seed")}
    assert changes(saved, shot(negative_prompt="")).keys() == {("6", "text"), ("3", "seed")}
    assert [fault.field for fault in bind_faults(saved, shot(negative_prompt="雾"))] == ["negative_prompt"]


def test_a_seed_that_cannot_be_found_is_refused(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("RandomInteger", low=0, high=10)
    saved["3"]["inputs"]["seed"] = ["20", 0]
    (fault,) = read_faults(saved)
    assert (fault.place, fault.field) == ("node 3 (KSampler)", "seed")
    assert '"shot.seed"' in fault.remedy


def test_a_sampler_without_noise_needs_no_seed_if_another_has_one(node: Write) -> None:
    graph = flux(node)
    graph["6"] = node("DisableNoise")
    (fault,) = read_faults(graph)
    assert "every take would be the same" in fault.remedy


def test_references_fill_the_pictures_that_reach_the_sampler_in_numeric_order(
    saved: dict[str, Any], node: Write
) -> None:
    saved = with_control(saved, node)
    saved["30"] = node("LoadImage", image="mask.png")
    saved["31"] = node("SetLatentNoiseMask", samples=["5", 0], mask=["30", 1])
    saved["3"]["inputs"]["latent_image"] = ["31", 0]
    saved["40"] = node("LoadImage", image="unused.png")
    changed = changes(saved, shot(A, B))
    assert (changed["1", "image"], changed["10", "image"]) == ("previs/a.png", "previs/b.png")
    assert not {("30", "image"), ("40", "image")} & changed.keys()
    assert ("10", "image") not in changes(saved, shot(A))
    (fault,) = bind_faults(saved, shot(A, B, C))
    assert fault.field == "reference ref_3"
    assert "2 LoadImage nodes" in fault.remedy


def test_a_title_reserves_a_picture_for_one_reference(saved: dict[str, Any], node: Write) -> None:
    saved = with_control(saved, node)
    saved["1"]["_meta"] = {"title": "shot.reference.ref_2"}
    changed = changes(saved, shot(A, B))
    assert (changed["10", "image"], changed["1", "image"]) == ("previs/a.png", "previs/b.png")
    assert [fault.field for fault in bind_faults(saved, shot(A, C))] == ["reference ref_3"]


def test_a_references_own_strength_goes_to_the_node_that_it_acts_through(saved: dict[str, Any], node: Write) -> None:
    saved = with_control(saved, node)
    changed = changes(saved, shot(replace(A, strength=0.3), replace(B, strength=0.9)))
    assert (changed["2", "strength"], changed["12", "strength"]) == (0.3, 0.9)
    saved["12"]["inputs"]["image"] = ["1", 0]
    assert "reference ref_1, strength" in [f.field for f in bind_faults(saved, shot(replace(A, strength=0.3)))]


def test_a_strength_that_several_pictures_share_is_not_one_references_own(saved: dict[str, Any], node: Write) -> None:
    saved = with_control(saved, node)
    saved["20"] = node("LoadImage", image="hands.png")
    saved["21"] = node("ImageBatch", image1=["10", 0], image2=["20", 0])
    saved["12"]["inputs"]["image"] = ["21", 0]
    assert changes(saved, shot(replace(A, strength=0.3), B))[("2", "strength")] == 0.3
    (fault,) = bind_faults(saved, shot(A, replace(B, strength=0.3)))
    assert fault.field == "reference ref_2, strength"


def test_the_size_of_a_preview_is_not_the_pictures(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("ImageScale", image=["8", 0], upscale_method="lanczos", width=256, height=256, crop="disabled")
    saved["21"] = node("PreviewImage", images=["20", 0])
    assert changes(saved, shot(width=640))[("5", "width")] == 640


def test_a_size_set_by_several_nodes_refuses_only_shots_with_a_size(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("ImageScale", image=["8", 0], upscale_method="lanczos", width=1024, height=1024, crop="disabled")
    saved["9"]["inputs"]["images"] = ["20", 0]
    assert changes(saved, shot()).keys() == {("6", "text"), ("3", "seed")}
    (fault,) = bind_faults(saved, shot(width=640))
    assert "node 5" in fault.remedy
    assert "node 20" in fault.remedy


def test_values_that_no_server_takes_are_refused_together(saved: dict[str, Any]) -> None:
    assert [fault.field for fault in bind_faults(saved, shot(seed=-1, width=1020, height=7))] == [
        "seed",
        "width",
        "height",
    ]


@pytest.mark.parametrize("title", ["shot.promt", "shot.reference.", "shot.width"])
def test_an_unknown_shot_title_is_a_fault(saved: dict[str, Any], title: str) -> None:
    saved["6"]["_meta"] = {"title": title}
    (fault,) = read_faults(saved)
    assert (fault.field, fault.value) == ("title", f'"{title}"')


@pytest.mark.parametrize(("node_id", "title"), [("3", "shot.prompt"), ("5", "shot.seed"), ("6", "shot.reference.a")])
def test_a_title_on_a_node_without_such_a_value_is_a_fault(saved: dict[str, Any], node_id: str, title: str) -> None:
    saved[node_id]["_meta"] = {"title": title}
    assert read_faults(saved)[0].value == f'"{title}"'


@pytest.mark.parametrize(
    ("node_id", "broken", "field", "told"),
    [
        ("6", {"inputs": {"text": "x"}}, "class_type", '"class_type": "CLIPTextEncode"'),
        ("6", {"class_type": 3, "inputs": {}}, "class_type", "class_type"),
        ("6", {"class_type": "CLIPTextEncode"}, "inputs", "add the node's inputs"),
        ("6", "text", "", "not a node"),
        ("6", {"class_type": "CLIPTextEncode", "inputs": {"clip": ["44", 1]}}, "clip", "no node 44"),
        ("6", {"class_type": "CLIPTextEncode", "inputs": {"clip": ["4", -1]}}, "clip", "from 0"),
        ("6", {"class_type": "CLIPTextEncode", "inputs": {"clip": [4, 1]}}, "clip", '["4", 1]'),
        ("6", {"class_type": "CLIPTextEncode", "inputs": {}, "_meta": 3}, "_meta", "title"),
    ],
)
def test_a_broken_node_is_named(saved: dict[str, Any], node_id: str, broken: object, field: str, told: str) -> None:
    saved[node_id] = broken
    (fault,) = read_faults(saved)
    assert fault.place.startswith(f"node {node_id}")
    assert fault.field == field
    assert told in fault.remedy


def test_all_broken_nodes_are_named_at_once(saved: dict[str, Any]) -> None:
    del saved["6"]["class_type"]
    saved["8"]["inputs"]["samples"] = ["33", 0]
    saved["3"]["inputs"] |= {"sampler_name": "DPM++ 2M Karras", "scheduler": "Align Your Steps"}
    assert [(fault.place, fault.field) for fault in read_faults(saved)] == [
        ("node 3 (KSampler)", "sampler_name"),
        ("node 6", "class_type"),
        ("node 8 (VAEDecode)", "samples"),
    ]


def test_nodes_in_a_cycle_are_named(saved: dict[str, Any]) -> None:
    saved["5"]["inputs"]["width"] = ["3", 0]
    (fault,) = read_faults(saved)
    assert "node 3 (KSampler)" in fault.remedy
    assert "node 5 (EmptyLatentImage)" in fault.remedy
    assert "node 6" not in fault.remedy


def test_a_graph_that_only_previews_is_refused(saved: dict[str, Any], node: Write) -> None:
    saved["9"] = node("PreviewImage", images=["8", 0])
    (fault,) = read_faults(saved)
    assert "SaveImage" in fault.remedy


def test_a_sampler_whose_result_is_not_saved_is_ignored(saved: dict[str, Any], node: Write) -> None:
    saved["20"] = node("CLIPTextEncode", clip=["4", 1], text="something else")
    saved["21"] = copied(saved["3"])
    saved["21"]["inputs"]["positive"] = ["20", 0]
    assert changes(saved, shot()).keys() == {("6", "text"), ("3", "seed")}


def test_a_graph_of_great_depth_is_read(saved: dict[str, Any], node: Write) -> None:
    for number in range(100, 3100):
        saved[str(number)] = node("ConditioningSetAreaStrength", conditioning=[str(number + 1), 0], strength=1.0)
    saved["3100"] = saved.pop("6")
    saved["3"]["inputs"]["positive"] = ["100", 0]
    assert read(saved).bind(shot())["3100"]["inputs"]["text"] == "新的镜头"


def test_a_saved_graph_survives_pickling(saved: dict[str, Any]) -> None:
    workflow = read(saved)
    assert pickle.loads(pickle.dumps(workflow)).bind(shot()) == workflow.bind(shot())  # noqa: S301 - our own bytes
    assert workflow.reference_images == ()


words = st.text(max_size=20)
values = st.builds(
    ShotValues,
    words,
    st.none() | words,
    st.integers(0, 2**64 - 1),
    st.none() | st.integers(2, 2048).map(lambda eighth: eighth * 8),
    st.none() | st.integers(2, 2048).map(lambda eighth: eighth * 8),
    st.lists(st.builds(PlacedReference, words, words), max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def guided(fresh_saved: Callable[[], dict[str, Any]], node: Write) -> dict[str, Any]:
    return with_control(fresh_saved(), node)


@given(values)
def test_binding_changes_nothing_but_what_it_names(guided: dict[str, Any], drawn: ShotValues) -> None:
    before = copied(guided)
    bound = read(guided).bind(drawn)
    assert guided == before
    expected = copied(before)
    expected["6"]["inputs"]["text"] = drawn.prompt
    expected["3"]["inputs"]["seed"] = drawn.seed
    if drawn.negative_prompt is not None:
        expected["7"]["inputs"]["text"] = drawn.negative_prompt
    for name, size in (("width", drawn.width), ("height", drawn.height)):
        if size is not None:
            expected["5"]["inputs"][name] = size
    for node_id, reference in zip(("1", "10"), drawn.references, strict=False):
        expected[node_id]["inputs"]["image"] = reference.name
    assert bound == expected


@given(values, values)
def test_binding_again_is_binding_once(guided: dict[str, Any], first: ShotValues, second: ShotValues) -> None:
    once = read(guided).bind(first)
    assert read(once).bind(first) == once
    full = replace(second, negative_prompt="x", width=64, height=64, references=(A, B))
    assert read(once).bind(full) == read(guided).bind(full)


@given(values)
def test_a_bound_graph_shares_nothing_with_the_saved_one(guided: dict[str, Any], drawn: ShotValues) -> None:
    workflow = read(guided)
    bound = workflow.bind(drawn)
    bound["3"]["inputs"]["steps"] = 1
    assert workflow.graph["3"]["inputs"]["steps"] == 20
