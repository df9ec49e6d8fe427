"""Number nodes as newer editors do when they open a file: no node of a subgraph shares its id with another."""

import re
from collections.abc import Mapping
from dataclasses import replace

from previs.workflow.formats.editor.document import Document, EditorGraph, EditorNode

_INNER_FIELD = re.compile(r"\s*(\w+)\s*:\s*(\S.*)", re.DOTALL)


def renumbered(document: Document) -> Document:
    """Give new ids to nodes of subgraphs whose ids occur before, in the file's graph or in an earlier subgraph."""
    used, last = set(document.root.nodes), document.last_id
    changes: dict[str, dict[str, str]] = {}
    for identity, graph in document.subgraphs.items():
        changes[identity] = {}
        for node_id in graph.nodes:
            new_id = node_id
            while new_id in used:
                last += 1
                new_id = str(last)
            used.add(new_id)
            if new_id != node_id:
                changes[identity][node_id] = new_id
    if not any(changes.values()):
        return document
    graphs = {identity: _with_ids(graph, changes[identity]) for identity, graph in document.subgraphs.items()}
    return replace(
        document,
        root=_with_hosts(document.root, changes),
        subgraphs={identity: _with_hosts(graph, changes) for identity, graph in graphs.items()},
    )


def _with_ids(graph: EditorGraph, new_ids: Mapping[str, str]) -> EditorGraph:
    nodes = [replace(node, id=new_ids.get(node.id, node.id)) for node in graph.nodes.values()]
    links = {
        identity: replace(link, origin=new_ids.get(link.origin, link.origin)) for identity, link in graph.links.items()
    }
    return replace(graph, nodes={node.id: node for node in nodes}, links=links)


def _with_hosts(graph: EditorGraph, changes: Mapping[str, Mapping[str, str]]) -> EditorGraph:
    nodes = {node.id: _with_shown(node, changes.get(node.type, {})) for node in graph.nodes.values()}
    return replace(graph, nodes=nodes)


def _with_shown(host: EditorNode, new_ids: Mapping[str, str]) -> EditorNode:
    """Replace the ids by which a subgraph's node names the inner fields that it shows."""
    if not new_ids:
        return host
    named = host.named_values
    return replace(
        host,
        promoted=tuple((new_ids.get(node_id, node_id), name) for node_id, name in host.promoted),
        named_values=None if named is None else {_renamed(name, new_ids): value for name, value in named.items()},
    )


def _renamed(name: str, new_ids: Mapping[str, str]) -> str:
    inner = _INNER_FIELD.fullmatch(name)
    return f"{new_ids[inner[1]]}: {inner[2]}" if inner and inner[1] in new_ids else name
