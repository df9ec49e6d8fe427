"""Check that prompts are followed through pipes, contexts, loaders and encoders of custom packs, or the run stops."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.errors import WorkflowFaults
from previs.workflow import SavedGraph, ShotValues, read_bindings, read_workflow

Write = Callable[..., dict[str, Any]]
Slots = list[tuple[str, str]]
TESTS = Path(__file__).parents[3]
PROMPT, NEGATIVE = [("6", "text")], [("7", "text")]


@pytest.fixture(scope="module")
def classes() -> dict[str, NodeClass]:
    """Return ComfyUI's own classes and those of packs whose nodes hand on several values in one link."""
    files = (TESTS / "recordings" / "object_info.json", TESTS / "cases" / "object_info_pipes.json")
    content = {name: each for file in files for name, each in json.loads(file.read_text("utf-8")).items()}
    return {name: read_class(name, each) for name, each in content.items()}


def read(content: dict[str, Any], classes: dict[str, NodeClass], **how: Any) -> SavedGraph:
    workflow = read_workflow(copy.deepcopy(content), name="look.json", classes=classes, **how)
    assert isinstance(workflow, SavedGraph)
    return workflow


def texts(content: dict[str, Any], classes: dict[str, NodeClass], **how: Any) -> tuple[Slots, Slots]:
    """Return the inputs of prompt and negative prompt."""
    bindings = read(content, classes, **how).bindings
    prompt, negative = ([each.slot for each in bindings if each.what == w] for w in ("prompt", "negative_prompt"))
    return prompt, negative


def case(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((TESTS / "cases" / "graphs" / f"{name}.json").read_text("utf-8"))
    return content


@pytest.mark.parametrize(
    ("name", "prompt", "negative"),
    [
        ("impact_pipe", PROMPT, NEGATIVE),
        ("rgthree_context", PROMPT, NEGATIVE),
        ("h3_notes", [("6", "local_prompts")], NEGATIVE),
        ("ed_eff", [("1", "positive")], [("1", "negative")]),
    ],
)
def test_graphs_from_the_field_are_bound(
    name: str, prompt: Slots, negative: Slots, classes: dict[str, NodeClass]
) -> None:
    assert texts(case(name), classes) == (prompt, negative)


def test_the_null_of_an_efficiency_node_shifts_no_value(classes: dict[str, NodeClass]) -> None:
    values = ShotValues("a harbour", "fog", 42, 640, 384, (), 2.0, {})
    graph = read(case("ed_eff"), classes).bind(values)
    assert graph["1"]["inputs"].items() >= {"empty_latent_width": 640, "empty_latent_height": 384}.items()
    sampler = {"seed": 42, "steps": 20, "cfg": 7, "sampler_name": "euler", "scheduler": "normal", "denoise": 1}
    assert graph["2"]["inputs"].items() >= sampler.items()


@pytest.mark.parametrize("name", ["impact_pipe", "rgthree_context"])
def test_pipes_are_followed_without_a_server_too(name: str) -> None:
    assert texts(case(name), {}) == (PROMPT, NEGATIVE)


def test_a_director_of_an_unknown_class_stops_with_the_line_that_settles_it() -> None:
    with pytest.raises(WorkflowFaults) as caught:
        read(case("h3_notes"), {})
    lines = "\n".join(line.strip() for line in caught.value.faults[0].remedy.splitlines()[1:])
    explicit = read_bindings(lines.encode(), name="x.bindings.yaml")
    assert texts(case("h3_notes"), {}, explicit=explicit) == ([("6", "local_prompts")], NEGATIVE)


def test_two_texts_that_may_both_be_the_prompt_stop(classes: dict[str, NodeClass], node: Write) -> None:
    graph = case("h3_notes")
    graph["20"] = node("PrimitiveStringMultiline", value="a harbour at dawn")
    graph["6"]["inputs"]["global_prompt"] = ["20", 0]
    with pytest.raises(WorkflowFaults) as caught:
        read(graph, classes)
    (fault,) = caught.value.faults
    assert all(f'"{address}"' in fault.remedy for address in ("6.local_prompts", "20.value"))
    assert "ref_image_notes" not in fault.remedy


ENCODERS = {
    "Singer": {"caption": "", "lyrics": "la la la"},
    "Director": {"scene": "a boat", "director_notes": "never show the face"},
    "Author": {"system_prompt": "You are a poet.", "prompt": "a boat", "style": "ink"},
    "Diarist": {"memo": "", "user_prompt_text": "a boat", "comment": "take 3 was best"},
}


@pytest.mark.parametrize(
    ("name", "field"),
    [("Singer", "caption"), ("Director", "scene"), ("Author", "prompt"), ("Diarist", "user_prompt_text")],
)
def test_of_several_texts_in_a_node_the_persons_is_taken(
    name: str, field: str, saved: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    fields = {each: ["STRING", {"multiline": True}] for each in ENCODERS[name]}
    description = {"input": {"required": {"clip": ["CLIP"], **fields}}, "output": ["CONDITIONING"]}
    saved["6"] = node(name, clip=["4", 1], **ENCODERS[name])
    assert texts(saved, classes | {name: read_class(name, description)}) == ([("6", field)], NEGATIVE)


def with_nodes(saved: dict[str, Any], positive: list[Any], negative: list[Any], **nodes: Any) -> dict[str, Any]:
    """Return the graph with further nodes; the sampler takes its conditioning from them."""
    saved["3"]["inputs"] |= {"positive": positive, "negative": negative}
    return saved | nodes


MODELS = {"model": ["4", 0], "clip": ["4", 1], "vae": ["4", 2]}
RIGHT = {**MODELS, "positive": ["6", 0], "negative": ["7", 0]}
WRONG = {**MODELS, "positive": ["7", 0], "negative": ["7", 0]}
PIPES = {
    "an edited pipe": [("ToBasicPipe", WRONG), ("EditBasicPipe", {"basic_pipe": ["21", 0], "positive": ["6", 0]})],
    "a switch of pipes": [
        ("ToBasicPipe", RIGHT),
        ("ImpactSwitch", {"select": 1, "sel_mode": True, "input1": ["21", 0], "input2": ["21", 0]}),
    ],
    "a sampler that hands on its pipe": [
        ("ToBasicPipe", RIGHT),
        ("ImpactKSamplerBasicPipe", {"basic_pipe": ["21", 0], "seed": 1, "latent_image": ["5", 0], "denoise": 1}),
    ],
}


@pytest.mark.parametrize("name", PIPES)
def test_more_pipes_of_impact_pack(
    name: str, saved: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {str(number): node(kind, **inputs) for number, (kind, inputs) in enumerate(PIPES[name], 21)}
    nodes["30"] = node("FromBasicPipe", basic_pipe=["22", 0])
    assert texts(with_nodes(saved, ["30", 3], ["30", 4], **nodes), classes) == (PROMPT, NEGATIVE)


def test_a_sampler_that_takes_a_pipe_is_found(
    saved: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    saved["21"] = node("ToBasicPipe", **RIGHT)
    saved["3"] = node("ImpactKSamplerBasicPipe", basic_pipe=["21", 0], seed=5, latent_image=["5", 0], denoise=1)
    saved["8"]["inputs"]["samples"] = ["3", 1]
    for known in (classes, {}):
        assert texts(saved, known) == (PROMPT, NEGATIVE)
        seeds = [each.slot for each in read(saved, known).bindings if each.what == "seed"]
        assert seeds == [("3", "seed")]


def test_easy_use_loader_and_samplers(saved: dict[str, Any], classes: dict[str, NodeClass], node: Write) -> None:
    loader = node("easy fullLoader", ckpt_name="a.safetensors", positive="a boat", negative="text", batch_size=1)
    graph = {
        "1": loader,
        "2": node("easy preSampling", pipe=["1", 0], steps=20, cfg=7, seed=3, denoise=1),
        "3": node("easy kSampler", pipe=["2", 0], image_output="Hide", save_prefix="x"),
        "9": node("SaveImage", images=["3", 1], filename_prefix="x"),
    }
    assert texts(graph, classes) == ([("1", "positive")], [("1", "negative")])
    assert read(graph, classes).bind(ShotValues("雾", None, 9))["2"]["inputs"]["seed"] == 9
    graph["5"] = node("easy pipeIn", pipe=["1", 0], pos=["6", 0])
    graph["6"] = saved["6"] | {"inputs": {"text": "a city", "clip": ["1", 3]}}
    graph["2"]["inputs"]["pipe"] = ["5", 0]
    assert texts(graph, classes) == ([("6", "text")], [("1", "negative")])
    graph["7"] = node("easy pipeOut", pipe=["5", 0])
    graph["2"] = saved["3"] | {"inputs": saved["3"]["inputs"] | {"positive": ["7", 2], "negative": ["7", 3]}}
    graph["2"]["inputs"] |= {"model": ["7", 1], "latent_image": ["7", 4]}
    graph["8"] = node("VAEDecode", samples=["2", 0], vae=["7", 5])
    graph["9"]["inputs"]["images"] = ["8", 0]
    del graph["3"]
    assert texts(graph, classes) == ([("6", "text")], [("1", "negative")])


def test_a_context_overrides_the_one_that_it_is_based_on(
    saved: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {
        "20": node("Context (rgthree)", positive=["7", 0], negative=["7", 0]),
        "21": node("Context (rgthree)", base_ctx=["20", 0], positive=["6", 0]),
    }
    graph = with_nodes(saved, ["21", 4], ["21", 5], **nodes)
    assert texts(graph, classes) == (PROMPT, NEGATIVE)


def test_the_first_context_of_a_switch_counts(
    saved: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {
        "20": node("Context (rgthree)", positive=["7", 0], negative=["6", 0]),
        "21": node("Context (rgthree)", positive=["6", 0], negative=["7", 0]),
        "22": node("Context Switch (rgthree)", ctx_01=["21", 0], ctx_02=["20", 0]),
    }
    assert texts(with_nodes(saved, ["22", 4], ["22", 5], **nodes), classes) == (PROMPT, NEGATIVE)


def test_a_context_that_says_nothing_of_the_prompt_stops(
    saved: dict[str, Any], classes: dict[str, NodeClass], node: Write
) -> None:
    nodes = {"20": node("Context (rgthree)", model=["4", 0]), "21": node("Any Switch (rgthree)", any_01=["6", 0])}
    with pytest.raises(WorkflowFaults) as caught:
        read(with_nodes(saved, ["20", 4], ["20", 5], **nodes), classes)
    assert 'prompt: "6.text"' in str(caught.value)
    saved["3"]["inputs"]["positive"] = ["21", 0]
    assert texts(saved | nodes, classes)[0] == PROMPT


def efficient(node: Write) -> dict[str, Any]:
    loader = node("Efficient Loader", ckpt_name="a.safetensors", positive="a boat", negative="text", batch_size=1)
    links = {"model": ["1", 0], "positive": ["1", 1], "negative": ["1", 2], "latent_image": ["1", 3]}
    return {
        "1": loader,
        "2": node("KSampler (Efficient)", seed=7, steps=20, cfg=7, denoise=1, **links),
        "9": node("SaveImage", images=["2", 5], filename_prefix="x"),
    }


def test_an_efficient_loader_takes_linked_texts(classes: dict[str, NodeClass], node: Write) -> None:
    graph = efficient(node)
    graph["4"] = node("PrimitiveStringMultiline", value="a boat")
    graph["1"]["inputs"]["positive"] = ["4", 0]
    for known in (classes, {}):
        assert texts(graph, known) == ([("4", "value")], [("1", "negative")])


def test_efficient_outputs_have_the_roles_of_their_names(classes: dict[str, NodeClass], node: Write) -> None:
    graph = efficient(node)
    graph["2"]["inputs"] |= {"positive": ["1", 2], "negative": ["1", 1]}
    assert texts(graph, classes) == ([("1", "negative")], [("1", "positive")])


def test_efficient_samplers_hand_on_conditioning(classes: dict[str, NodeClass], node: Write) -> None:
    graph = efficient(node)
    second = graph["2"]["inputs"] | {"model": ["2", 0], "positive": ["2", 1], "negative": ["2", 2]}
    graph["3"] = node("KSampler (Efficient)", **(second | {"latent_image": ["2", 3], "denoise": 0.5}))
    graph["9"]["inputs"]["images"] = ["3", 5]
    assert texts(graph, classes) == ([("1", "positive")], [("1", "negative")])
