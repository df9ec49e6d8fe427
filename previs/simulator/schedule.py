"""The order in which ComfyUI runs a graph's nodes, and when it does not run one again."""

import hashlib
import json
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from previs.comfyui.protocol.graph import Graph, links

Fingerprint = Callable[[str], str]
"""From the name of an input file to a hash of its bytes."""

LOADERS = frozenset({"LoadImage", "LoadImageMask"})


def signatures(graph: Graph, outputs: tuple[str, ...], file_hash: Fingerprint) -> dict[str, str]:
    """For each node that the outputs need, what its result depends on: its class, its values and all before it.

    Two nodes of equal signature have equal results, so ComfyUI keeps the first one's. The id of a node plays no part.
    """
    known: dict[str, str] = {}

    def of(node_id: str) -> str:
        if node_id not in known:
            node = graph[node_id]
            sources = {name: [of(source), index] for name, source, index in links(node)}
            values = {**node["inputs"], **sources}
            if node["class_type"] in LOADERS:
                values["file"] = file_hash(str(node["inputs"].get("image")))
            text = json.dumps([node["class_type"], sorted(values.items())])
            known[node_id] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return known[node_id]

    for output in outputs:
        of(output)
    return known


def order(
    graph: Graph, outputs: tuple[str, ...], object_info: Mapping[str, Any], cached: Container[str]
) -> Iterator[str]:
    """Ids of the nodes to run, each after all it needs; of cached nodes only outputs come, to be told again.

    Of several that could run, ComfyUI takes the first, in the order it met them on the way back from the outputs,
    that is an output node, or leads to one directly, or leads to one over a further node, or else the first of all.
    """
    waiting = _met(graph, outputs, cached)
    needs = {node_id: _needed(graph, node_id, cached) for node_id in waiting}
    leads_to: dict[str, list[str]] = {node_id: [] for node_id in waiting}
    for node_id, sources in needs.items():
        for source in sources:
            leads_to[source].append(node_id)
    final = {node_id for node_id in waiting if object_info[graph[node_id]["class_type"]]["output_node"]}
    close = {node_id for node_id in waiting if final.intersection(leads_to[node_id])}
    near = {node_id for node_id in waiting if close.intersection(leads_to[node_id])}
    while waiting:
        ready = [node_id for node_id in waiting if not needs[node_id]]
        preferred = (node_id for group in (final, close, near, ready) for node_id in ready if node_id in group)
        chosen = next(preferred)
        yield chosen
        waiting.remove(chosen)
        for node_id in leads_to[chosen]:
            needs[node_id].discard(chosen)


def _needed(graph: Graph, node_id: str, cached: Container[str]) -> set[str]:
    return set() if node_id in cached else {source for _, source, _ in links(graph[node_id]) if source not in cached}


def _met(graph: Graph, outputs: tuple[str, ...], cached: Container[str]) -> list[str]:
    met: dict[str, None] = {}
    for output in outputs:
        ahead = [output]
        while ahead:
            node_id = ahead.pop()
            if node_id not in met:
                met[node_id] = None
                if node_id not in cached:
                    ahead += [source for _, source, _ in links(graph[node_id]) if source not in cached]
    return list(met)
