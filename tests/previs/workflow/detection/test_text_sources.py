"""Check the way of a prompt through switches, prompt enhancers, templates, joins and look-ups of texts."""

import copy
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.errors import WorkflowFaults
from previs.workflow import SavedGraph, ShotValues, read_bindings, read_workflow

Write = Callable[..., dict[str, Any]]
OBJECT_INFO = Path(__file__).parents[3] / "recordings-0.33.0" / "object_info.json.gz"
SYSTEM = "You are an expert prompt engineer. Rewrite what follows."


@pytest.fixture(scope="module")
def classes() -> dict[str, NodeClass]:
    """Return the classes of ComfyUI 0.33.0, and one that describes pictures in words."""
    content = json.loads(gzip.decompress(OBJECT_INFO.read_bytes()))
    content["Captioner"] = {"input": {"required": {"image": ["IMAGE"]}}, "output": ["STRING"]}
    return {name: read_class(name, each) for name, each in content.items()}


@pytest.fixture
def graph(saved: dict[str, Any], node: Write) -> dict[str, Any]:
    """Return the graph with its prompt in node 20, and a literal switch in node 21."""
    saved["20"] = node("PrimitiveStringMultiline", value="a boat at dawn")
    saved["21"] = node("PrimitiveBoolean", value=True)
    return saved


def read(content: dict[str, Any], classes: dict[str, NodeClass], **how: Any) -> SavedGraph:
    workflow = read_workflow(copy.deepcopy(content), name="look.json", classes=classes, **how)
    assert isinstance(workflow, SavedGraph)
    return workflow


def prompt(content: dict[str, Any], classes: dict[str, NodeClass]) -> list[str]:
    """Return the addresses of the inputs that take the prompt."""
    return [f"{each.node_id}.{each.input}" for each in read(content, classes).bindings if each.what == "prompt"]


def encoded(graph: dict[str, Any], **nodes: dict[str, Any]) -> dict[str, Any]:
    """Return the graph with further nodes, the last of which gives the encoder its text."""
    numbered = {name.removeprefix("n"): each for name, each in nodes.items()}
    graph["6"]["inputs"]["text"] = [list(numbered)[-1], 0]
    return graph | numbered


def test_the_text_that_a_constant_switch_chooses_is_the_prompt(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    switch = node("ComfySwitchNode", switch=["21", 0], on_false="a city", on_true=["20", 0])
    content = encoded(graph, n22=switch)
    assert prompt(content, classes) == prompt(content, {}) == ["20.value"]
    graph["21"]["inputs"]["value"] = False
    assert prompt(content, classes) == prompt(content, {}) == ["22.on_false"]


def test_an_override_of_a_switch_that_turns_the_prompt_away_is_refused(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    graph["30"] = node("ComfySwitchNode", switch=["21", 0], on_false=["4", 0], on_true=["4", 0])
    graph["31"] = node("PrimitiveBoolean", value=False)
    graph["3"]["inputs"]["model"] = ["30", 0]
    switch = node("ComfySwitchNode", switch=["31", 0], on_false=["20", 0], on_true="a city")
    workflow = read(encoded(graph, n22=switch), classes)
    assert workflow.bind(ShotValues("x", None, 1, overrides={"21.value": False}))["21"]["inputs"]["value"] is False
    with pytest.raises(WorkflowFaults) as caught:
        workflow.bind(ShotValues("x", None, 1, overrides={"31.value": True}))
    (fault,) = caught.value.faults
    assert (fault.field, fault.value) == ("overrides", "31.value")
    assert "node 20 (PrimitiveStringMultiline)" in fault.remedy


@pytest.mark.parametrize(
    ("class_type", "inputs"),
    [
        ("ImpactSwitch", {"select": 2, "sel_mode": False, "input1": ["6", 0], "input2": ["20", 0]}),
        ("ImpactConditionalBranch", {"cond": True, "tt_value": ["20", 0], "ff_value": ["23", 0]}),
        ("easy textIndexSwitch", {"index": ["24", 0], "text0": ["20", 0], "text1": ["23", 0]}),
        ("Any Switch (rgthree)", {"any_02": ["23", 0], "any_01": ["20", 0]}),
    ],
)
def test_switches_of_other_packs(class_type: str, inputs: dict[str, Any], graph: dict[str, Any], node: Write) -> None:
    inputs = {name: ["23", 0] if value == ["6", 0] else value for name, value in inputs.items()}
    others = {"n23": node("PrimitiveString", value="a city"), "n24": node("PrimitiveInt", value=0)}
    assert prompt(encoded(graph, **others, n25=node(class_type, **inputs)), {}) == ["20.value"]


def test_a_switch_whose_choice_is_computed_stops(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {
        "n22": node("StringContains", string=["20", 0], substring="boat", case_sensitive=True),
        "n23": node("ComfySwitchNode", switch=["22", 0], on_false="a city", on_true=["20", 0]),
    }
    with pytest.raises(WorkflowFaults) as caught:
        read(encoded(graph, **nodes), classes)
    assert 'prompt: "20.value"' in str(caught.value)
    assert '"23.on_false"' in str(caught.value)


def test_what_only_the_other_side_of_a_switch_needs_takes_nothing(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    graph["30"] = node("LoadImage", image="a.png")
    graph["31"] = node("VAEEncode", pixels=["30", 0], vae=["4", 2])
    graph["32"] = node("ComfySwitchNode", switch=["21", 0], on_true=["5", 0], on_false=["31", 0])
    graph["3"]["inputs"]["latent_image"] = ["32", 0]
    workflow = read(graph, classes)
    assert [each.slot for each in workflow.bindings if each.what == "width"] == [("5", "width")]
    assert not [each for each in workflow.bindings if each.what == "reference"]
    explicit = read_bindings(b'schema: previs.bindings/1\nreferences: {hero: "30.image"}', name="x.bindings.yaml")
    assert [each.slot for each in read(graph, classes, explicit=explicit).bindings if each.what == "reference"]


def test_the_prompt_goes_into_its_enhancer(graph: dict[str, Any], classes: dict[str, NodeClass], node: Write) -> None:
    nodes = {
        "n22": node("PrimitiveStringMultiline", value=SYSTEM),
        "n23": node("StringConcatenate", string_a=["22", 0], string_b=["20", 0], delimiter=""),
        "n24": node("TextGenerate", clip=["4", 1], prompt=["23", 0], max_length=256),
    }
    content = encoded(graph, **nodes)
    assert prompt(content, classes) == prompt(content, {}) == ["20.value"]
    graph["20"]["inputs"]["value"] = ""
    assert prompt(content, classes) == ["20.value"]


def test_a_text_added_to_an_enhanced_prompt_stays(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {
        "n22": node("TextGenerate", clip=["4", 1], prompt=["20", 0], max_length=256),
        "n23": node("PreviewAny", source=["22", 0]),
        "n24": node("StringConcatenate", string_a=["23", 0], string_b="muted sketch style", delimiter=", "),
    }
    content = encoded(graph, **nodes)
    assert prompt(content, classes) == ["20.value"]
    content["22"]["inputs"]["image"] = ["30", 0]
    content["30"] = node("LoadImage", image="a.png")
    with pytest.raises(WorkflowFaults, match="combined from several"):
        read(content, classes)


@pytest.mark.parametrize("template", ["A still of {it}, 35 mm", "<|turn>user\n{it}<|turn|>"])
def test_the_prompt_is_put_into_a_template(
    template: str, graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    replaced = node("StringReplace", string=template, find="{it}", replace=["20", 0])
    width = node("StringReplace", string=["22", 0], find="35", replace=["24", 0])
    size = node("PreviewAny", source=1024)
    assert prompt(encoded(graph, n24=size, n22=replaced, n23=width), classes) == ["20.value"]
    graph["25"] = node("PrimitiveStringMultiline", value=template)
    replaced["inputs"]["string"] = ["25", 0]
    assert prompt(encoded(graph, n22=replaced), classes) == ["20.value"]
    formatted = {"f_string": template.replace("it", "a"), "values.a": ["20", 0]}
    assert prompt(encoded(graph, n22=node("StringFormat", **formatted)), classes) == ["20.value"]


def test_a_template_that_only_nodes_fill_stops(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {
        "n30": node("LoadImage", image="a.png"),
        "n31": node("Captioner", image=["30", 0]),
        "n32": node("StringReplace", string="A still of {it}", find="{it}", replace=["31", 0]),
    }
    with pytest.raises(WorkflowFaults, match="cannot be traced"):
        read(encoded(graph, **nodes), classes)


def test_the_caption_of_a_picture_stays_beside_the_prompt(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {
        "n30": node("LoadImage", image="a.png"),
        "n31": node("Captioner", image=["30", 0]),
        "n32": node("StringConcatenate", string_a=["20", 0], string_b=["31", 0], delimiter=", "),
    }
    assert prompt(encoded(graph, **nodes), classes) == ["20.value"]
    del graph["20"]
    nodes["n32"]["inputs"]["string_a"] = ""
    content = encoded(graph, **nodes)
    assert prompt(content, classes) == ["32.string_a"]


def test_a_graph_that_describes_its_picture_takes_no_text(
    graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    del graph["20"]
    nodes = {"n30": node("LoadImage", image="a.png"), "n31": node("Captioner", image=["30", 0])}
    workflow = read(encoded(graph, **nodes), classes)
    assert workflow.report(ShotValues("x", None, 1)).notices[0] == "prompt is not used: the graph takes no text"


@pytest.mark.parametrize(
    ("lora", "trigger", "words"),
    [
        ("qwen-360-diffusion.safetensors", "equirectangular 360 image, ", "a spacious, warm living room"),
        ("styles/pixel_art_v2.safetensors", "pixel art", "a boat at dawn, fog, gulls"),
        ("sdxl\\ohwx_hero.safetensors", "ohwx", "portrait of a sailor"),
    ],
)
def test_the_trigger_of_a_lora_stays(
    lora: str, trigger: str, words: str, graph: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    graph["20"]["inputs"]["value"] = words
    graph["4b"] = node("LoraLoaderModelOnly", model=["4", 0], lora_name=lora, strength_model=1)
    joined = {"string_a": ["22", 0], "string_b": ["20", 0], "delimiter": ""}
    nodes = {"n22": node("PrimitiveString", value=trigger), "n23": node("StringConcatenate", **joined)}
    assert prompt(encoded(graph, **nodes), classes) == ["20.value"]
    graph["4b"]["inputs"]["lora_name"] = "lightning-4steps.safetensors"
    with pytest.raises(WorkflowFaults, match="combined from several"):
        read(encoded(graph, **nodes), classes)


def test_a_preset_that_is_looked_up_stays(graph: dict[str, Any], classes: dict[str, NodeClass], node: Write) -> None:
    nodes = {
        "n22": node("CustomCombo", choice="Night", index=0, option1="Night"),
        "n23": node("JsonExtractString", json_string='{"Night": "moonlit, cold"}', key=["22", 0]),
        "n24": node("StringConcatenate", string_a=["23", 0], string_b=["20", 0], delimiter=", "),
    }
    assert prompt(encoded(graph, **nodes), classes) == ["20.value"]
    with pytest.raises(WorkflowFaults, match="cannot be traced"):
        read(encoded(graph, n23=nodes["n23"], n22=nodes["n22"], n25=node("PreviewAny", source=["23", 0])), classes)


def test_a_text_for_both_roles_is_the_prompt_where_guidance_is_one(graph: dict[str, Any]) -> None:
    graph["3"]["inputs"] |= {"negative": ["6", 0], "cfg": 1.0}
    workflow = read(graph, {})
    assert [each.slot for each in workflow.bindings if each.what == "prompt"] == [("6", "text")]
    assert "negative_prompt" in workflow.gaps
    graph["3"]["inputs"]["cfg"] = 7.5
    with pytest.raises(WorkflowFaults, match="both prompt and negative prompt"):
        read(graph, {})


def test_an_upscaling_graph_takes_a_picture_and_says_that_it_takes_no_prompt(
    classes: dict[str, NodeClass], node: Write
) -> None:
    content = {
        "1": node("LoadImage", image="a.png"),
        "2": node("UpscaleModelLoader", model_name="RealESRGAN_x4plus.safetensors"),
        "3": node("ImageUpscaleWithModel", upscale_model=["2", 0], image=["1", 0]),
        "4": node("SaveImage", images=["3", 0], filename_prefix="x"),
    }
    for known in (classes, {}):
        workflow = read(content, known)
        assert [(each.slot, each.role) for each in workflow.bindings if each.what == "reference"] == [
            (("1", "image"), "start")
        ]
        assert "prompt is not used: the graph takes no text" in workflow.report(ShotValues("x", None, 1)).notices


@pytest.mark.parametrize(
    ("class_type", "inputs", "address"),
    [
        ("Segmenter", {"image": ["1", 0], "query_text": "the sailor"}, "2.query_text"),
        ("Relight", {"image": ["1", 0], "instruction_text": "lit from the left by a lamp"}, ""),
        ("Painter of Worlds", {"image": ["1", 0], "words": "a boat"}, "2.words"),
        ("Restyler", {"image": ["1", 0], "look": "ink on wet paper, soft edges"}, "2.look"),
    ],
)
def test_a_text_that_no_sampler_is_known_to_use_stops(
    class_type: str, inputs: dict[str, Any], address: str, node: Write
) -> None:
    content = {
        "1": node("LoadImage", image="a.png"),
        "2": node(class_type, **inputs),
        "4": node("SaveImage", images=["2", 0], filename_prefix="x"),
    }
    if not address:
        assert "prompt" in read(content, {}).gaps
        return
    with pytest.raises(WorkflowFaults) as caught:
        read(content, {})
    assert f'prompt: "{address}"' in str(caught.value)
    explicit = read_bindings(b"schema: previs.bindings/1\nprompt: []", name="x.bindings.yaml")
    assert "prompt" in read(content, {}, explicit=explicit).unused
