import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.comfyui.protocol.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.workflow import PlacedReference, ShotValues, Workflow, WorkflowSettings, read_workflow

LEAST = {"checkpoint": "sd_xl_base_1.0.safetensors"}
ISSUE = LEAST | {
    "width": 1024,
    "height": 576,
    "steps": 30,
    "cfg_scale": 7.5,
    "sampler": "euler_a",
    "scheduler": "normal",
}
CONTROLLED = ISSUE | {
    "controlnet": "control_v11p_sd15_canny.pth",
    "reference_images": ["ref1.jpg", "ref2.jpg"],
    "reference_strength": 0.8,
}
SHOT = ShotValues("电影风格，广角镜头，城市夜景", None, 42)
A = PlacedReference("previs/a.png", "ref_1")
B = PlacedReference("previs/b.png", "ref_2")


def shot(*references: PlacedReference, **values: object) -> ShotValues:
    return replace(ShotValues("a street", None, 42, references=references), **values)


def read(**settings: object) -> WorkflowSettings:
    workflow = read_workflow(LEAST | settings, name="look.json")
    assert isinstance(workflow, WorkflowSettings)
    return workflow


def faults_of(settings: dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        read_workflow(settings, name="look.json")
    assert caught.value.source == "look.json"
    return caught.value.faults


def bind_faults(workflow: Workflow, values: ShotValues) -> tuple[Fault, ...]:
    with pytest.raises(WorkflowFaults) as caught:
        workflow.bind(values, place="shot 3 (shot_id SH030)")
    assert all(fault.place == "shot 3 (shot_id SH030)" for fault in caught.value.faults)
    return caught.value.faults


def test_a_checkpoint_is_enough(refusals: Callable[[Graph], list[str]]) -> None:
    graph = read().bind(SHOT)
    assert refusals(graph) == []
    assert {node_id: node["class_type"] for node_id, node in graph.items()} == {
        "checkpoint": "CheckpointLoaderSimple",
        "positive": "CLIPTextEncode",
        "negative": "CLIPTextEncode",
        "empty": "EmptyLatentImage",
        "sampler": "KSampler",
        "decode": "VAEDecode",
        "save": "SaveImage",
    }
    assert graph["positive"]["inputs"]["text"] == "电影风格，广角镜头，城市夜景"
    assert graph["negative"]["inputs"]["text"] == "low quality, blurry"


def test_the_settings_reach_their_inputs() -> None:
    graph = read(**ISSUE).bind(SHOT)
    sampler = graph["sampler"]["inputs"]
    assert graph["checkpoint"]["inputs"] == {"ckpt_name": "sd_xl_base_1.0.safetensors"}
    assert graph["empty"]["inputs"] == {"width": 1024, "height": 576, "batch_size": 1}
    assert (sampler["seed"], sampler["steps"], sampler["cfg"], sampler["denoise"]) == (42, 30, 7.5, 1.0)
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("euler_ancestral", "normal")


def test_each_reference_guides_by_its_edges_in_a_chain(refusals: Callable[[Graph], list[str]]) -> None:
    settings = read(**CONTROLLED)
    assert settings.reference_images == ("ref1.jpg", "ref2.jpg")
    graph = settings.bind(shot(PlacedReference("previs/a.png", "own", 0.5), B))
    assert refusals(graph) == []
    first, second = graph["reference_1_control"]["inputs"], graph["reference_2_control"]["inputs"]
    assert graph["reference_1"]["inputs"]["image"] == "previs/a.png"
    assert graph["reference_1_scaled"]["inputs"] == {
        "image": ["reference_1", 0],
        "upscale_method": "lanczos",
        "width": 1024,
        "height": 576,
        "crop": "center",
    }
    assert (first["strength"], second["strength"]) == (0.5, 0.8)
    assert (first["positive"], first["negative"]) == (["positive", 0], ["negative", 0])
    assert (second["positive"], second["negative"]) == (["reference_1_control", 0], ["reference_1_control", 1])
    assert graph["sampler"]["inputs"]["positive"] == ["reference_2_control", 0]
    assert graph["sampler"]["inputs"]["negative"] == ["reference_2_control", 1]
    assert graph["sampler"]["inputs"]["latent_image"] == ["empty", 0]


def test_without_references_a_controlnet_is_not_loaded() -> None:
    graph = read(controlnet="control_v11p_sd15_canny.pth").bind(SHOT)
    assert "controlnet" not in graph


def test_a_reference_without_controlnet_is_where_the_picture_starts(refusals: Callable[[Graph], list[str]]) -> None:
    graph = read(width=640).bind(shot(A))
    assert refusals(graph) == []
    assert graph["start"]["inputs"]["pixels"] == ["reference_1_scaled", 0]
    assert graph["reference_1_scaled"]["inputs"]["width"] == 640
    assert graph["sampler"]["inputs"]["latent_image"] == ["start", 0]
    assert "empty" not in graph


def test_a_batch_from_a_reference_repeats_it(refusals: Callable[[Graph], list[str]]) -> None:
    graph = read(batch_size=4).bind(shot(A))
    assert refusals(graph) == []
    assert graph["batch"]["inputs"] == {"samples": ["start", 0], "amount": 4}
    assert graph["sampler"]["inputs"]["latent_image"] == ["batch", 0]


@pytest.mark.parametrize(
    ("settings", "own_strength", "denoise"),
    [
        ({}, None, 0.6),
        ({"reference_strength": 1}, None, 0.5),
        ({"reference_strength": 0}, None, 1.0),
        ({"denoise": 0.35}, None, 0.35),
        ({"denoise": 0.35, "reference_strength": 0.2}, None, 0.35),
        ({"denoise": 0.35}, 0.2, 0.9),
        ({"reference_strength": 0.8}, 0.3, 0.85),
    ],
)
def test_strength_and_denoise_decide_the_repainted_share(
    settings: dict[str, Any], own_strength: float | None, denoise: float
) -> None:
    graph = read(**settings).bind(shot(PlacedReference("previs/a.png", "r", own_strength)))
    assert graph["sampler"]["inputs"]["denoise"] == denoise


def test_without_a_start_picture_everything_is_painted() -> None:
    assert read(denoise=0.5).bind(SHOT)["sampler"]["inputs"]["denoise"] == 1.0


def test_a_shots_own_values_take_precedence_over_the_settings() -> None:
    graph = read(negative_prompt="blurry").bind(shot(negative_prompt="", width=320, height=240))
    assert graph["negative"]["inputs"]["text"] == ""
    assert graph["empty"]["inputs"] == {"width": 320, "height": 240, "batch_size": 1}


@pytest.mark.parametrize(
    ("width", "nearest"),
    [
        (1020, "1016 and 1024"),
        (1023, "1016 and 1024"),
        (10, "16 and 24"),
        (-5, "16 and 24"),
        (20000, "16376 and 16384"),
    ],
)
def test_an_invalid_width_is_refused_with_the_two_nearest(width: int, nearest: str) -> None:
    (fault,) = faults_of(LEAST | {"width": width})
    assert (fault.place, fault.field, fault.value) == ("settings", "width", str(width))
    assert nearest in fault.remedy
    (fault,) = bind_faults(read(), shot(width=width))
    assert fault.field == "width"
    assert nearest in fault.remedy


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint", "  "),
        ("checkpoint", None),
        ("width", True),
        ("width", "1024"),
        ("height", 576.0),
        ("steps", 0),
        ("steps", 10_001),
        ("steps", True),
        ("cfg_scale", math.nan),
        ("cfg_scale", math.inf),
        ("cfg_scale", -1),
        ("cfg_scale", 101),
        ("cfg_scale", "7.5"),
        ("cfg_scale", True),
        ("denoise", 0),
        ("denoise", 1.01),
        ("denoise", math.nan),
        ("reference_strength", -0.1),
        ("reference_strength", 10.1),
        ("reference_strength", False),
        ("batch_size", 0),
        ("batch_size", 4097),
        ("sampler", "euler_b"),
        ("sampler", 3),
        ("scheduler", "turbo"),
        ("controlnet", ""),
        ("negative_prompt", None),
        ("reference_images", "ref1.jpg"),
    ],
)
def test_a_value_that_no_server_takes_is_one_fault(field: str, value: object) -> None:
    (fault,) = faults_of(LEAST | {field: value})
    assert (fault.place, fault.field) == ("settings", field)
    assert fault.remedy


def test_a_fault_in_a_list_names_its_index() -> None:
    (fault,) = faults_of(LEAST | {"controlnet": "c.pth", "reference_images": ["a.png", 3]})
    assert (fault.field, fault.value) == ("reference_images[1]", "3")


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("step", "steps"),
        ("check_point", "checkpoint"),
        ("cfg", "cfg_scale"),
        ("sampler_name", "write sampler"),
        ("Width", "width"),
        ("lora", "API format"),
        ("seed", "shot list"),
        ("frobnicate", "the settings are checkpoint, width"),
    ],
)
def test_an_unknown_key_is_refused_with_what_to_do(key: str, told: str) -> None:
    (fault,) = faults_of(LEAST | {key: 1})
    assert fault.field == key
    assert told in fault.remedy


def test_all_faults_come_at_once() -> None:
    wrong = {"width": 1020, "steps": 0, "sampler": "euler_b", "lora": "x", "cfg_scale": math.nan}
    assert [fault.field for fault in faults_of(wrong)] == [
        "checkpoint",
        "width",
        "steps",
        "cfg_scale",
        "sampler",
        "lora",
    ]


def test_settings_that_contradict_each_other_are_refused_together() -> None:
    contradicting = LEAST | {"sampler": "DPM++ 2M Karras", "scheduler": "beta", "controlnet": "c.pth", "denoise": 0.5}
    assert [fault.field for fault in faults_of(contradicting)] == ["scheduler", "denoise"]


def test_several_start_pictures_are_refused_rather_than_dropped() -> None:
    (fault,) = faults_of(LEAST | {"reference_images": ["a.png", "b.png"]})
    assert fault.field == "reference_images"
    (fault,) = bind_faults(read(), shot(A, B))
    assert (fault.field, fault.value) == ("references", "2 references")
    assert "name a controlnet" in fault.remedy


@pytest.mark.parametrize(
    ("settings", "values", "fields"),
    [
        ({}, {"seed": -1}, ["seed"]),
        ({}, {"seed": 2**64}, ["seed"]),
        ({}, {"seed": -1, "width": 1020, "height": 7}, ["seed", "width", "height"]),
        ({"batch_size": 65}, {"references": (A,)}, ["batch_size"]),
        ({"reference_strength": 1.5}, {"references": (A,)}, ["reference ref_1, strength"]),
        ({}, {"references": (PlacedReference("a.png", "x", math.nan),)}, ["reference x, strength"]),
        ({"controlnet": "c"}, {"references": (PlacedReference("a.png", "x", 11),)}, ["reference x, strength"]),
    ],
)
def test_a_shot_that_no_server_takes_is_refused(
    settings: dict[str, Any], values: dict[str, Any], fields: list[str]
) -> None:
    assert [fault.field for fault in bind_faults(read(**settings), shot(**values))] == fields


def test_settings_keep_their_name_through_pickling() -> None:
    settings = pickle.loads(pickle.dumps(read(width=640)))  # noqa: S301 - our own bytes
    assert settings == read(width=640)
    assert settings.source == "look.json"


def test_settings_made_in_code_have_a_name_too() -> None:
    assert WorkflowSettings(checkpoint="a").source == "the workflow settings"


references = st.lists(
    st.builds(
        PlacedReference,
        st.sampled_from(("previs/a.png", "previs/b.png")),
        st.text(max_size=3),
        st.none() | st.floats(0, 1),
    ),
    max_size=3,
)
sizes = st.none() | st.integers(2, 2048).map(lambda eighth: eighth * 8)


@given(
    st.booleans(),
    st.integers(1, 64),
    st.builds(ShotValues, st.text(), st.none() | st.text(), st.integers(0, 2**64 - 1), sizes, sizes),
    references,
)
def test_every_graph_satisfies_every_input_rule(
    refusals: Callable[[Graph], list[str]],
    controlled: bool,  # noqa: FBT001 - drawn
    batch_size: int,
    values: ShotValues,
    drawn: list[PlacedReference],
) -> None:
    settings = read(batch_size=batch_size, controlnet="control_v11p_sd15_canny.pth" if controlled else None)
    kept = tuple(drawn if controlled else drawn[:1])
    graph = settings.bind(
        ShotValues(values.prompt, values.negative_prompt, values.seed, values.width, values.height, kept)
    )
    assert refusals(graph) == []
    assert graph == settings.bind(
        ShotValues(values.prompt, values.negative_prompt, values.seed, values.width, values.height, kept)
    )
