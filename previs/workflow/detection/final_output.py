"""Decide which of several saved outputs is the shot's frame: the one with a title, or else the last of the chain."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from previs.comfyui.protocol.graph import Graph, Node, is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.traversal import is_sampler, place_of, places_of, title_of, upstream
from previs.workflow.detection.saves import saving_nodes, unsaved_notices

OUTPUT_TITLE = "shot.output"

# What these make of a picture describes it: a mask, edges, a depth map. Names end like those of comfyui_controlnet_aux.
_MAPS = frozenset({"MaskToImage", "Canny", "ConvertMaskToImage", "Mask To Image"})
_MAP_SUFFIX = "Preprocessor"
# These put a picture beside others to compare them: of ComfyUI, KJNodes and other packs.
_SIDE_BY_SIDE = re.compile(r"ImageStitch|Image ?Conca|ImageGrid|.*Compar")
_SEEDS = ("seed", "noise_seed")


def output_ranks(graph: Graph, node_ids: Iterable[str]) -> dict[str, int]:
    """Return the rank of each output node: 0 for those of which one is the shot's frame; equals have equal ranks.

    A node with the title ``shot.output`` comes first; a map made from a picture, or a picture beside its sources, after
    all others. Otherwise a node ranks by how many of the others build on it. Of several outputs of one node the first
    is its picture; others are its alpha channel, or the same in another format.
    """
    sources = {node_id: frozenset(upstream(graph, [node_id])) - {node_id} for node_id in node_ids if node_id in graph}
    keys = {
        node_id: (
            title_of(graph[node_id]) != OUTPUT_TITLE,
            _is_map(graph, node_id) or any(_only_compares(graph, own, other) for other in sources.values()),
            sum(_builds_on(graph, other, own) for other in sources.values()),
            sum(_saves_earlier_output(graph[other], graph[node_id]) for other in sources),
        )
        for node_id, own in sources.items()
    }
    order = sorted(set(keys.values()))
    return {node_id: order.index(key) for node_id, key in keys.items()}


def output_notices(graph: Graph, values: Mapping[Slot, Any] | None = None) -> list[str]:
    """Say what is not kept, and which of several nodes that save makes the shot's frame.

    Args:
        graph: The saved graph.
        values: What a shot sets in it.
    """
    bound: Graph = dict(graph)
    for (node_id, name), value in (values or {}).items():
        bound[node_id] = {**bound[node_id], "inputs": {**bound[node_id]["inputs"], name: value}}
    shown = _final_output_notice(bound)
    return [*unsaved_notices(bound), *([shown] if shown else [])]


def _final_output_notice(graph: Graph) -> str:
    """Return a sentence, or nothing if one node alone saves or a title decides."""
    saving = saving_nodes(graph)
    if len(saving) <= 1:
        return ""
    ranks = output_ranks(graph, saving)
    first = [node_id for node_id in saving if not ranks[node_id]]
    if any(title_of(graph[node_id]) == OUTPUT_TITLE for node_id in first):
        return ""
    choose = f"the title {OUTPUT_TITLE} on a node that saves chooses another"
    if len(first) == 1:
        others = places_of(graph, (node_id for node_id in saving if node_id != first[0]))
        return f"{place_of(graph, first[0])} makes the shot's frame; what {others} saves is kept beside it: {choose}"
    return f"of {places_of(graph, first)} the largest makes the shot's frame, and the others are kept: {choose}"


def _builds_on(graph: Graph, later: Collection[str], earlier: Collection[str]) -> bool:
    """Return whether an output's sources continue those of another one.

    They contain all of them, or they go on to sample where the other one only decodes and saves.
    """
    more = [node_id for node_id in later if node_id not in earlier]
    rest = [node_id for node_id in earlier if node_id not in later]
    if len(rest) == len(earlier) or not more:
        return False
    return not rest or (_samples(graph, more) and not _samples(graph, rest))


def _only_compares(graph: Graph, later: Collection[str], earlier: Collection[str]) -> bool:
    """Return whether an output only puts another one's picture beside others."""
    more = [node_id for node_id in later if node_id not in earlier]
    stitches = any(_SIDE_BY_SIDE.match(graph[node_id]["class_type"]) for node_id in more)
    return stitches and not _samples(graph, more) and _builds_on(graph, later, earlier)


def _saves_earlier_output(one: Node, other: Node) -> bool:
    """Return whether two nodes save outputs of the same node, the first node an earlier one."""
    links = [value for value in one["inputs"].values() if is_link(value)]
    others = [value for value in other["inputs"].values() if is_link(value)]
    return len(links) == len(others) == 1 and links[0][0] == others[0][0] and links[0][1] < others[0][1]


def _samples(graph: Graph, node_ids: Iterable[str]) -> bool:
    return any(is_sampler(graph[node_id]) or _has_seed(graph[node_id]) for node_id in node_ids)


def _has_seed(node: Node) -> bool:
    return any(name in node["inputs"] for name in _SEEDS)


def _is_map(graph: Graph, node_id: str) -> bool:
    images = graph[node_id]["inputs"].get("images")
    source = graph.get(images[0]) if isinstance(images, list) and images and isinstance(images[0], str) else None
    return source is not None and (source["class_type"] in _MAPS or source["class_type"].endswith(_MAP_SUFFIX))
