"""Describe graphs in ComfyUI's API format: ``{node id: {"class_type": …, "inputs": {…}}}``.

A link is an input whose value is ``[node id, output index]``.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict, TypeGuard


class _RequiredOfNode(TypedDict):
    class_type: str
    inputs: dict[str, Any]


class Node(_RequiredOfNode, total=False):
    """Describe one node of a graph; ``_meta`` holds the title that an artist gave it."""

    _meta: dict[str, Any]


Graph = dict[str, Node]


def readable(graph: Mapping[str, Any]) -> Graph:
    """Return the nodes that have a class and inputs, of a graph that nobody has checked."""
    found: Graph = {}
    for node_id, node in graph.items():
        match node:
            case {"class_type": str(class_type), "inputs": dict(inputs)}:
                meta = node.get("_meta")
                found[node_id] = {"class_type": class_type, "inputs": dict(inputs)}
                if isinstance(meta, dict):
                    found[node_id]["_meta"] = meta
    return found


def is_link(value: object) -> TypeGuard[list[Any]]:
    """Return whether an input's value links to another node's output."""
    return (
        isinstance(value, list)
        and len(value) == 2  # noqa: PLR2004 - the format: node id, output index
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def links(node: Node) -> Iterator[tuple[str, str, int]]:
    """Yield all links into a node, as (input name, source node id, source output index)."""
    for name, value in node["inputs"].items():
        if is_link(value):
            yield name, value[0], value[1]


def class_types(graphs: Iterable[Graph]) -> frozenset[str]:
    """Return the node classes that graphs use."""
    return frozenset(node["class_type"] for graph in graphs for node in graph.values())


def with_values(graph: Graph, values: Mapping[tuple[str, str], Any]) -> Graph:
    """Return a graph with values for some inputs, by node id and name; unchanged nodes are those of the given graph.

    A board of thousands of takes shares them, so nobody may change a node in place.
    """
    changed = dict(graph)
    for (node_id, name), value in values.items():
        node = changed[node_id]
        changed[node_id] = {**node, "inputs": {**node["inputs"], name: copy.deepcopy(value)}}
    return changed


def with_texts(graph: Graph, texts: Mapping[str, str]) -> Graph:
    """Return a new graph in which every text input that is a key of ``texts`` has its replacement."""
    return {
        node_id: {
            **node,
            "inputs": {
                name: texts.get(value, value) if isinstance(value, str) else value
                for name, value in node["inputs"].items()
            },
        }
        for node_id, node in graph.items()
    }
