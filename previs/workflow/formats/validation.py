"""Check that a saved graph in API format is valid before anything is read from it."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeGuard

from previs.comfyui.protocol.graph import Graph, is_link, links
from previs.comfyui.protocol.input_check import format_value
from previs.comfyui.protocol.wire import as_mapping, as_text
from previs.errors import Fault
from previs.workflow.binding.limits import SEED_MAX
from previs.workflow.binding.traversal import NEVER_SAVE, is_sampler, place_of, saving, unused
from previs.workflow.formats.samplers import SAMPLERS, SCHEDULERS, read_sampler, read_scheduler

# Classes of ComfyUI's own nodes by their characteristic inputs, most specific first.
_CHARACTERISTIC_INPUTS = {
    "noise_seed": "KSamplerAdvanced",
    "sampler_name": "KSampler",
    "ckpt_name": "CheckpointLoaderSimple",
    "control_net_name": "ControlNetLoader",
    "filename_prefix": "SaveImage",
    "samples": "VAEDecode",
    "pixels": "VAEEncode",
    "text": "CLIPTextEncode",
    "batch_size": "EmptyLatentImage",
    "image": "LoadImage",
}
_READS_SAMPLER_NAME = frozenset({"", "KSampler", "KSamplerAdvanced", "KSamplerSelect"})
_READS_SEED = frozenset({"", "KSampler", "KSamplerAdvanced", "SamplerCustom", "RandomNoise"})
_SEEDS = ("seed", "noise_seed")
_NODES_SHOWN = 10
_LONGEST_NAME = 200
_EXPORT = 'in ComfyUI export the whole graph with "Export (API)" or "Save (API Format)"'


def _class_of(node: Mapping[str, Any]) -> str:
    return as_text(node.get("class_type"))


def _inputs_of(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_mapping(node.get("inputs"))


def _description(node_id: str, node: Mapping[str, Any]) -> str:
    """Describe a node as :func:`previs.workflow.binding.traversal.place_of` does, even an invalid one."""
    title = as_text(as_mapping(node.get("_meta")).get("title")).strip()
    words = f'{_class_of(node).strip()} "{title}"'.strip() if title else _class_of(node).strip()
    return f"node {node_id} ({words})" if words else f"node {node_id}"


def _class_fault(place: str, node: Mapping[str, Any]) -> Fault | None:
    if _class_of(node).strip():
        return None
    found = format_value(node["class_type"]) if "class_type" in node else "missing"
    inputs = _inputs_of(node)
    likely = next((name for key, name in _CHARACTERISTIC_INPUTS.items() if key in inputs), None)
    missing = f'"class_type": "{likely}"' if likely else "the node's class_type"
    return Fault(place, "class_type", found, f'add {missing} beside "inputs"; better, {_EXPORT}')


def _foreign_names(place: str, node: Mapping[str, Any]) -> Iterator[Fault]:
    """Report samplers and schedulers under other tools' names, which no server accepts.

    A name that no tool is known to use may be a custom node's; the server checks it.
    """
    if _class_of(node) not in _READS_SAMPLER_NAME:
        return
    sampler, scheduler = _inputs_of(node).get("sampler_name"), _inputs_of(node).get("scheduler")
    if isinstance(sampler, str) and sampler not in SAMPLERS and (reading := read_sampler(sampler)):
        carried = f' and "scheduler": "{reading[1]}"' if reading[1] else ""
        remedy = f'another tool\'s name: write "sampler_name": "{reading[0]}"{carried}'
        yield Fault(place, "sampler_name", format_value(sampler), remedy)
    if isinstance(scheduler, str) and scheduler not in SCHEDULERS and (ours := read_scheduler(scheduler)):
        yield Fault(place, "scheduler", format_value(scheduler), f'another tool\'s name: write "scheduler": "{ours}"')


def _seed_faults(node_id: str, node: object) -> Iterator[Fault]:
    """Report seeds that no server accepts, such as "random" as -1; shots replace those of a whole graph."""
    if not isinstance(node, Mapping) or _class_of(node) not in _READS_SEED:
        return
    for name in _SEEDS:
        value = _inputs_of(node).get(name)
        if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value <= SEED_MAX:
            remedy = f'ComfyUI accepts 0 to 2^64-1: write "{name}": 0 (each shot\'s seed replaces it)'
            yield Fault(_description(node_id, node), name, format_value(value), remedy)


def _is_numeric_link(value: object) -> TypeGuard[list[int]]:
    """Return whether a value would be a link if its node id were text."""
    return isinstance(value, list) and [type(part) for part in value] == [int, int]


def _link_faults(place: str, node: Mapping[str, Any], node_ids: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in _inputs_of(node).items():
        if is_link(value):
            if value[0] not in node_ids:
                yield Fault(place, name, format_value(value), f"the graph has no node {value[0]}: {_EXPORT}")
            elif value[1] < 0:
                yield Fault(place, name, format_value(value), "the second part of a link is an output number, from 0")
        elif _is_numeric_link(value) and str(value[0]) in node_ids:
            remedy = f'write the node id of a link as text: ["{value[0]}", {value[1]}]'
            yield Fault(place, name, format_value(value), remedy)


def _node_faults(node_id: str, node: object, node_ids: Mapping[str, Any]) -> Iterator[Fault]:
    if not isinstance(node, Mapping):
        remedy = 'not a node: remove it, or write {"class_type": …, "inputs": {…}}'
        yield Fault(f"node {node_id}", "", format_value(node), remedy)
        return
    place = _description(node_id, node)
    names = (node_id, _class_of(node), *_inputs_of(node))
    if long := next((each for each in names if len(each) > _LONGEST_NAME), None):
        remedy = f"the name of a node, a class or an input has at most {_LONGEST_NAME} characters: {_EXPORT}"
        yield Fault("the graph", "", format_value(long), remedy)
        return
    if fault := _class_fault(place, node):
        yield fault
    if not isinstance(node.get("inputs"), Mapping):
        found = format_value(node["inputs"]) if "inputs" in node else "missing"
        yield Fault(place, "inputs", found, 'add the node\'s inputs: "inputs": {…}')
    if not isinstance(node.get("_meta", {}), Mapping):
        yield Fault(place, "_meta", format_value(node["_meta"]), 'write "_meta": {"title": "…"}, or remove it')
    yield from _foreign_names(place, node)
    yield from _link_faults(place, node, node_ids)


def cycle_fault(graph: Graph, where: str) -> Fault | None:
    """Report a cycle of links, which no server runs; every link must lead to a node that exists."""
    sorter = TopologicalSorter({node_id: [source for _, source, _ in links(node)] for node_id, node in graph.items()})
    try:
        sorter.prepare()
    except CycleError as error:
        *cycle, _ = error.args[1]
        places = ", ".join(place_of(graph, node_id) for node_id in cycle[:_NODES_SHOWN])
        if len(cycle) > _NODES_SHOWN:
            places += f" and {len(cycle) - _NODES_SHOWN:,} more"
        return Fault(where, "", "a cycle of links", f"these nodes depend on each other, which no server runs: {places}")
    return None


def _saving_fault(graph: Graph) -> Fault | None:
    """Report a graph that certainly saves no file; custom nodes get the benefit of the doubt."""
    ends = [graph[node_id] for node_id in unused(graph)]
    if saving(graph):
        return None
    if not all(node["class_type"] in NEVER_SAVE | {"VAEDecode"} or is_sampler(node) for node in ends):
        return None
    remedy = "no node saves the picture (a preview does not): add a SaveImage node"
    return Fault("the graph", "", "", remedy)


def _fragment_fault(content: Mapping[str, Any]) -> Fault | None:
    """Report a fragment of a graph, such as a sampler's values without the nodes that it needs."""
    nodes = [node for node in content.values() if isinstance(node, Mapping)]
    if any(is_link(value) or _is_numeric_link(value) for node in nodes for value in _inputs_of(node).values()):
        return None
    if any(_class_of(node).strip() and "filename_prefix" in _inputs_of(node) for node in nodes):
        return None
    remedy = (
        f"a fragment of a graph, in which no node links to another: {_EXPORT}, "
        'or give settings instead: {"checkpoint": …, "sampler": …, "steps": …}'
    )
    return Fault("the graph", "", "", remedy)


def graph_faults(content: Mapping[str, Any]) -> list[Fault]:
    """Report everything that prevents a server from running a graph.

    Every node needs a class and inputs, links must lead to existing nodes without a cycle, and a node must save.
    """
    faults = [fault for node_id, node in content.items() for fault in _node_faults(node_id, node, content)]
    if fragment := _fragment_fault(content):
        seeds = [fault for node_id, node in content.items() for fault in _seed_faults(node_id, node)]
        faults += [*seeds, fragment]
    if faults:
        return faults
    graph: Graph = dict(content)
    fault = cycle_fault(graph, "the graph") or _saving_fault(graph)
    return [fault] if fault else []
