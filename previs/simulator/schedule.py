"""Order a graph's nodes as ComfyUI runs them, and identify results that it reuses."""

import hashlib
import json
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from previs.comfyui.protocol.graph import Graph, links

FileHash = Callable[[str], str]
"""Returns the hash of an input file's bytes, by name."""

LOADERS = frozenset({"LoadImage", "LoadImageMask"})


def signatures(graph: Graph, outputs: tuple[str, ...], file_hash: FileHash) -> dict[str, str]:
    """Return a hash of what each node's result depends on: its class, its values and the nodes before it.

    Only nodes that the outputs need are included. Nodes with the same signature have the same result, so ComfyUI
    reuses it. A signature does not depend on node ids.
    """
    hashes: dict[str, str] = {}

    def of(node_id: str) -> str:
        if node_id not in hashes:
            node = graph[node_id]
            sources = {name: [of(source), index] for name, source, index in links(node)}
            values = {**node["inputs"], **sources}
            if node["class_type"] in LOADERS:
                values["file"] = file_hash(str(node["inputs"].get("image")))
            text = json.dumps([node["class_type"], sorted(values.items())])
            hashes[node_id] = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        return hashes[node_id]

    for output in outputs:
        of(output)
    return hashes


def order(
    graph: Graph, outputs: tuple[str, ...], object_info: Mapping[str, Any], cached: Container[str]
) -> Iterator[str]:
    """Yield the ids of the nodes to run, each after the nodes it needs; of cached nodes yield only outputs.

    If several nodes are ready, ComfyUI prefers an output node, then a node directly before one, then a node two before
    one. Otherwise it takes the first in the order in which it reached them from the outputs.
    """
    waiting = _reached(graph, outputs, cached)
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


def _reached(graph: Graph, outputs: tuple[str, ...], cached: Container[str]) -> list[str]:
    reached: dict[str, None] = {}
    for output in outputs:
        queue = [output]
        while queue:
            node_id = queue.pop()
            if node_id not in reached:
                reached[node_id] = None
                if node_id not in cached:
                    queue += [source for _, source, _ in links(graph[node_id]) if source not in cached]
    return list(reached)
