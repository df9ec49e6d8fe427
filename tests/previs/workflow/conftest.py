"""Provide saved graphs, and ComfyUI's own input rules to check every graph."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from previs.comfyui.protocol.graph import Graph, is_link
from tests.copies import copied

RECORDINGS = Path(__file__).parents[2] / "recordings"
EXAMPLES = Path(__file__).parents[3] / "examples" / "workflows"
PICTURES = {"previs/a.png", "previs/b.png"}
MODELS = {
    "control_net_name": ["control_v11p_sd15_canny.pth"],
    "ckpt_name": ["sd_xl_base_1.0.safetensors", "v1-5-pruned-emaonly.safetensors"],
}


@pytest.fixture(scope="session")
def object_info() -> dict[str, Any]:
    """Return a real server's node information, with the models and pictures that the tests name."""
    return json.loads((RECORDINGS / "object_info.json").read_text("utf-8"))


PYTHON_TYPES = {"INT": (int,), "FLOAT": (int, float), "STRING": (str,), "BOOLEAN": (bool,)}


def _choices(name: str, kind: object, options: dict[str, Any]) -> list[Any] | None:
    if name in MODELS:
        return MODELS[name]
    if options.get("image_upload"):
        return sorted(PICTURES)
    return kind if isinstance(kind, list) else None


def _value_fault(name: str, value: Any, kind: Any, options: dict[str, Any]) -> str | None:
    choices = _choices(name, kind, options)
    if choices is not None:
        return None if value in choices else f"{value!r} not in list"
    if type(value) not in PYTHON_TYPES[kind]:
        return f"{value!r} is no {kind}"
    if kind in ("INT", "FLOAT") and not options.get("min", value) <= value <= options.get("max", value):
        return f"{value!r} out of range"
    if kind == "INT" and (value - options.get("min", 0)) % options.get("step", 1):
        return f"{value!r} off the step"
    return None


def _rule_faults(graph: Graph, object_info: dict[str, Any]) -> Iterator[str]:
    for node_id, node in graph.items():
        rules = object_info[node["class_type"]]["input"]
        required, optional = rules.get("required", {}), rules.get("optional", {})
        yield from (f"{node_id}.{name}: missing" for name in required.keys() - node["inputs"].keys())
        for name, value in node["inputs"].items():
            if name not in required | optional:
                yield f"{node_id}.{name}: unknown"
                continue
            kind, *rest = (required | optional)[name]
            options = rest[0] if rest else {}
            if is_link(value):
                given = object_info[graph[value[0]]["class_type"]]["output"][value[1]]
                if given != kind:
                    yield f"{node_id}.{name}: {given} for {kind}"
            elif fault := _value_fault(name, value, kind, options):
                yield f"{node_id}.{name}: {fault}"
    if not any(object_info[node["class_type"]]["output_node"] for node in graph.values()):
        yield "no output node"


@pytest.fixture(scope="session")
def refusals(object_info: dict[str, Any]) -> Callable[[Graph], list[str]]:
    """Return a check of what a server would refuse: types, ranges, steps, lists, required inputs and types of links."""
    return lambda graph: list(_rule_faults(graph, object_info))


SAVED = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": -1,
            "steps": 20,
            "cfg": 7.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_base_1.0.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a city", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "low quality", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "shot", "images": ["8", 0]}},
}


@pytest.fixture
def saved() -> dict[str, Any]:
    """Return ComfyUI's default graph as it exports it, with the seed -1, which other tools use for "random"."""
    return copied(SAVED)


@pytest.fixture(scope="session")
def fresh_saved() -> Callable[[], dict[str, Any]]:
    """Return a factory of such graphs."""
    return lambda: copied(SAVED)


@pytest.fixture(scope="session")
def node() -> Callable[..., dict[str, Any]]:
    """Return a factory of nodes."""

    def write(class_type: str, *, title: str = "", **inputs: object) -> dict[str, Any]:
        meta = {"_meta": {"title": title}} if title else {}
        return {"class_type": class_type, "inputs": inputs, **meta}

    return write


@pytest.fixture
def examples() -> Path:
    """Return the folder of example workflows."""
    return EXAMPLES
