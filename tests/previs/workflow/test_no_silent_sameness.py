"""Check that two prompts never make the same picture without a word, for random graphs of known node classes.

The graphs are made by type: a link's source is any class that has an output of the type, and so on upstream. Of what
pipes and contexts carry, only conditioning and texts come from far; the rest comes from loaders. What is saved is
worked out by rules of this module's own, and must differ if the prompts do.
"""

import contextlib
import functools
import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from previs.comfyui.protocol.classes import ANY, DYNAMIC_COMBO, MATCH_TYPE, InputRule, NodeClass, read_class
from previs.comfyui.protocol.graph import Graph, is_link
from previs.errors import WorkflowFaults
from previs.workflow import SavedGraph, ShotValues
from previs.workflow.saved import read_graph

TESTS = Path(__file__).parents[2]
WORDS = ("a boat", "fog", "You are a painter.", "ink", "", "{it}")
SIMPLE = {
    "MODEL": ("CheckpointLoaderSimple", 0),
    "CLIP": ("CheckpointLoaderSimple", 1),
    "VAE": ("CheckpointLoaderSimple", 2),
    "CONDITIONING": ("CLIPTextEncode", 0),
    "LATENT": ("EmptyLatentImage", 0),
    "IMAGE": ("LoadImage", 0),
    "MASK": ("LoadImage", 1),
    "STRING": ("PrimitiveStringMultiline", 0),
    "BOOLEAN": ("PrimitiveBoolean", 0),
    "INT": ("PrimitiveInt", 0),
    "FLOAT": ("PrimitiveFloat", 0),
    "BASIC_PIPE": ("ToBasicPipe", 0),
    "RGTHREE_CONTEXT": ("Context (rgthree)", 0),
    "PIPE_LINE": ("easy pipeIn", 0),
}
PASSING = (("ComfySwitchNode", 0), ("Any Switch (rgthree)", 0))
ROUTED = ("CONDITIONING", "STRING")
ENCODERS = tuple(f"CLIPTextEncode{suffix}" for suffix in ("", "SDXL", "Flux", "SD3", "HiDream", "Lumina2"))
MODELS = ("MODEL", "CLIP", "VAE")
CARRIERS = ("CONDITIONING", "BASIC_PIPE", "RGTHREE_CONTEXT", "PIPE_LINE")
HELD = {"INT": 1, "FLOAT": 1.0, "BOOLEAN": True}


@functools.cache
def classes() -> dict[str, NodeClass]:
    content = json.loads(gzip.decompress((TESTS / "recordings-0.33.0" / "object_info.json.gz").read_bytes()))
    content |= json.loads((TESTS / "cases" / "object_info_pipes.json").read_text("utf-8"))
    return {name: read_class(name, each) for name, each in content.items() if not each.get("api_node")}


@functools.cache
def sources() -> dict[str, list[tuple[str, int]]]:
    """Return the classes and outputs that make each type; models come from loaders and patches, not from samplers."""
    found: dict[str, list[tuple[str, int]]] = {kind: list(PASSING) for kind in ROUTED}
    for name, known in classes().items():
        carries = any(rule.type in CARRIERS for rule in known.inputs.values())
        for output, kind in enumerate(known.outputs):
            if kind not in (ANY, MATCH_TYPE) and not (kind in MODELS and carries):
                found.setdefault(kind, []).append((name, output))
    return found


class Impossible(Exception):
    """Report that no class makes a type."""


class Maker:
    """Make a random graph, upstream from a sampler."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.graph: Graph = {}

    def node(self, class_type: str, kind: str, depth: int, **given: Any) -> str:
        """Add a node with its sources; ``kind`` is what its outputs of any type are to carry."""
        inputs = dict(given)
        carries = any(each in CARRIERS[1:] for each in classes()[class_type].outputs)
        for rule in classes()[class_type].inputs.values():
            if rule.name not in given:
                far = not carries or rule.type in (*CARRIERS, "STRING")
                inputs |= self.value(rule, kind, depth if far else 0)
        node_id = str(len(self.graph) + 1)
        self.graph[node_id] = {"class_type": class_type, "inputs": inputs}
        return node_id

    def value(self, rule: InputRule, kind: str, depth: int) -> dict[str, Any]:
        if rule.type == DYNAMIC_COMBO:
            option = rule.options[0]
            within = [self.value(each, kind, depth) for each in rule.option_inputs(option.key)]
            return {rule.name: option.key} | {name: value for each in within for name, value in each.items()}
        if rule.row is not None:
            count = max(rule.row.least, self.random.choice((0, 1)))
            names = [f"{rule.name}.{name}" for name in rule.row.names[:count]]
            return {name: self.link(self.linked_kind(rule.row.rule, kind), depth - 1) for name in names}
        if rule.held and not (rule.type == "STRING" and depth > 0 and self.random.random() < 0.4):
            return {rule.name: self.held(rule)}
        if not rule.required and self.random.random() < 0.5:
            return {}
        try:
            return {rule.name: self.link(self.linked_kind(rule, kind), depth - 1)}
        except Impossible:
            if rule.required:
                raise
            return {}

    def held(self, rule: InputRule) -> Any:
        if rule.type == "STRING":
            return self.random.choice(WORDS) if rule.multiline or rule.name in ("text", "value") else rule.default or ""
        if rule.type == "BOOLEAN":
            return self.random.random() < 0.5
        return rule.default if rule.default is not None else (rule.choices or (HELD.get(rule.type, "x"),))[0]

    def linked_kind(self, rule: InputRule, kind: str) -> str:
        return kind if rule.type == ANY else self.random.choice(rule.type.split(","))

    def link(self, kind: str, depth: int) -> list[Any]:
        for _ in range(3 if depth > 0 else 0):
            class_type, output = self.random.choice(sources().get(kind) or [("", 0)])
            if not class_type:
                break
            size = len(self.graph)
            try:
                return [self.node(class_type, kind, depth), output]
            except Impossible:
                for node_id in list(self.graph)[size:]:
                    del self.graph[node_id]
        if kind not in SIMPLE:
            raise Impossible(kind)
        class_type, output = SIMPLE[kind]
        return [self.node(class_type, kind, 0), output]


def random_graph(random: Random) -> Graph:
    """Return a graph with one sampler, or with more upstream of it."""
    maker = Maker(random)
    depth = random.choice((2, 3, 4))
    if random.random() < 0.2:
        sampler = maker.node("ImpactKSamplerBasicPipe", "", 2, basic_pipe=maker.link("BASIC_PIPE", depth))
        latent = 1
    else:
        links = {name: maker.link("CONDITIONING", depth) for name in ("positive", "negative")}
        sampler, latent = maker.node("KSampler", "", 1, **links), 0
    vae = maker.link("VAE", 0)
    decoded = maker.node("VAEDecode", "", 0, samples=[sampler, latent], vae=vae)
    maker.node("SaveImage", "", 0, images=[decoded, 0])
    return maker.graph


class Flow:
    """Work out what reaches an input: a value made of the classes and values that it depends on."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.known: dict[tuple[str, int], int] = {}

    def input(self, node_id: str, name: str) -> int:
        value = self.graph[node_id]["inputs"].get(name)
        return self.output(value[0], value[1]) if is_link(value) else hash(repr(value))

    def output(self, node_id: str, output: int) -> int:
        if (node_id, output) not in self.known:
            self.known[node_id, output] = self._output(node_id, output)
        return self.known[node_id, output]

    def _output(self, node_id: str, output: int) -> int:
        node = self.graph[node_id]
        inputs, class_type = node["inputs"], node["class_type"]
        kinds = classes()[class_type].outputs
        kind = kinds[output]
        if class_type == "ConditioningZeroOut" and self.graph[inputs["conditioning"][0]]["class_type"] in ENCODERS:
            return 0
        if class_type == "ComfySwitchNode" and (choice := self.constant(inputs["switch"])) is not None:
            return self.input(node_id, "on_true" if choice else "on_false")
        if class_type == "Any Switch (rgthree)" and any(map(is_link, inputs.values())):
            return self.input(node_id, min(name for name, value in inputs.items() if is_link(value)))
        name = classes()[class_type].output_names[output].casefold()[:3]
        role = name if name in ("pos", "neg") else ""
        pipe = self.pipe(node_id)
        if kind == "CONDITIONING" and role and (pipe or class_type.startswith("Context")):
            return self.piped(node_id, role)
        if kind == "CONDITIONING" and not pipe and kinds.count(kind) > 1:
            role = role or ("pos" if output == kinds.index(kind) else "neg")
            other = "neg" if role == "pos" else "pos"
            names = [each for each in inputs if not each.startswith(other)]
        else:
            names = list(inputs)
        return hash((class_type, output, tuple((each, self.input(node_id, each)) for each in names)))

    def piped(self, node_id: str, role: str) -> int:
        """Work out the conditioning of a role that a node of pipes hands on."""
        inputs = self.graph[node_id]["inputs"]
        own = next((each for each in inputs if each.startswith(role)), None)
        if own is not None:
            return self.input(node_id, own)
        pipe = self.pipe(node_id)
        return self.piped(inputs[pipe][0], role) if pipe else 0

    def pipe(self, node_id: str) -> str:
        """Return the first input that takes a pipe or a context; nothing if there is none."""
        inputs = self.graph[node_id]["inputs"]
        return min((name for name in inputs if name.startswith(("basic_pipe", "base_ctx", "pipe", "ctx_"))), default="")

    def constant(self, value: Any) -> bool | None:
        if is_link(value):
            node = self.graph[value[0]]
            return self.constant(node["inputs"]["value"]) if node["class_type"] == "PrimitiveBoolean" else None
        return value if isinstance(value, bool) else None


def picture(graph: Graph) -> int:
    """Return what a graph saves."""
    return Flow(graph).input(list(graph)[-1], "images")


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32))
def test_two_prompts_make_two_pictures_or_a_notice(seed: int) -> None:
    try:
        workflow = read_graph(random_graph(Random(seed)), name="random.json", known=[], classes=classes())
    except WorkflowFaults:
        return
    assert isinstance(workflow, SavedGraph)
    notices = workflow.report(ShotValues("a boat", None, 1)).notices
    one, other = (workflow.bind(ShotValues(prompt, None, 1)) for prompt in ("a boat in fog", "a city of glass"))
    if any(notice.startswith("prompt is not used") for notice in notices):
        assert one == other
    else:
        assert picture(one) != picture(other)


def test_many_random_graphs_are_bound() -> None:
    bound = 0
    for seed in range(200):
        with contextlib.suppress(WorkflowFaults):
            workflow = read_graph(random_graph(Random(seed)), name="random.json", known=[], classes=classes())
            bound += "prompt" not in workflow.gaps
    print(f"{bound} of 200 random graphs take a prompt, and need no question")  # noqa: T201 - shown with -s
    assert bound > 60
