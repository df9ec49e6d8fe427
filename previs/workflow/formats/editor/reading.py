"""Read an editor's file; the only place that checks the form of its parts."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from previs.comfyui.protocol.classes import ANY
from previs.comfyui.protocol.input_check import format_value
from previs.comfyui.protocol.wire import as_list, as_mapping, as_text
from previs.errors import Fault
from previs.workflow.formats.editor.document import Document, EditorGraph, EditorNode, Link, Socket, SubgraphSocket

_BESIDE_NODES = frozenset(
    {"links", "groups", "version", "state", "definitions", "last_node_id", "last_link_id", "floatingLinks", "extra"}
)
_OWN_PACK = "comfy-core"
_LINK_PARTS = 5
_MOST_PARTS = 1000
_HIGHEST_ID = 100_000_000
_SLOT = re.compile(r"[0-9]{1,6}")
_SAVE_AGAIN = "open the file in ComfyUI and save it again"


def is_editor_file(content: Mapping[str, Any]) -> bool:
    """Return whether JSON is in the editor's format: nodes beside something that only the editor writes."""
    nodes = content.get("nodes")
    if isinstance(nodes, Mapping) and "class_type" in nodes:
        return False
    if isinstance(nodes, list) and any(isinstance(node, Mapping) and "type" in node for node in nodes):
        return True
    return "nodes" in content and bool(_BESIDE_NODES & content.keys())


def read_document(content: Mapping[str, Any], faults: list[Fault]) -> Document:
    """Read what is valid of an editor's file; report the rest."""
    definitions = {}
    for content_of_one in _definitions(content, faults):
        identity = _identity(content_of_one.get("id"))
        place = f"subgraph {format_value(content_of_one.get('name', identity))}"
        if identity is None or identity in definitions:
            reason = "needs a unique id: " if identity is None else "occurs twice: "
            faults.append(Fault(place, "id", format_value(content_of_one.get("id")), reason + _SAVE_AGAIN))
        else:
            definitions[identity] = _graph(content_of_one, f"{place}, ", faults)
    return Document(_graph(content, "", faults), definitions, _last_id(content))


def _last_id(content: Mapping[str, Any]) -> int:
    """Read the last number that the editor gave to a node; files of version 1 keep it in ``state``."""
    found = (content.get("last_node_id"), as_mapping(content.get("state")).get("lastNodeId"))
    return max((each for each in found if isinstance(each, int) and 0 <= each <= _HIGHEST_ID), default=0)


def _definitions(content: Mapping[str, Any], faults: list[Fault]) -> Iterator[Mapping[str, Any]]:
    pending = [content]
    while pending:
        holder = pending.pop()
        definitions = _mapping(holder.get("definitions"), "the file", "definitions", faults)
        for each in _list(definitions.get("subgraphs"), "the file", "definitions, subgraphs", faults):
            if isinstance(each, Mapping):
                yield each
                pending.append(each)
            else:
                remedy = f"not a subgraph: {_SAVE_AGAIN}"
                faults.append(Fault("the file", "definitions, subgraphs", format_value(each), remedy))


def _graph(content: Mapping[str, Any], prefix: str, faults: list[Fault]) -> EditorGraph:
    place = prefix.removesuffix(", ") or "the file"
    nodes: dict[str, EditorNode] = {}
    listed = content.get("nodes")
    if not isinstance(listed, list):
        faults.append(Fault(place, "nodes", format_value(listed), f"give the list of nodes: {_SAVE_AGAIN}"))
    for index, each in enumerate(as_list(listed)):
        node = _node(each, f"{prefix}entry {index + 1} of the nodes", prefix, faults)
        if node is None:
            continue
        if node.id in nodes:
            faults.append(Fault(f"{prefix}node {node.id}", "id", "", f"occurs twice: {_SAVE_AGAIN}"))
        nodes[node.id] = node
    return EditorGraph(
        nodes=nodes,
        links=dict(_links(content.get("links"), place, faults)),
        entrance=_identity(as_mapping(content.get("inputNode")).get("id")) or "-10",
        inputs=tuple(_subgraph_sockets(content, "inputs", place, faults)) if prefix else (),
        outputs=tuple(_subgraph_sockets(content, "outputs", place, faults)) if prefix else (),
    )


def _subgraph_sockets(
    content: Mapping[str, Any], key: str, place: str, faults: list[Fault]
) -> Iterator[SubgraphSocket]:
    for each in _list(content.get(key), place, key, faults):
        raw = as_mapping(each)
        if not isinstance(raw.get("name"), str):
            faults.append(Fault(place, key, format_value(each), f"needs a name: {_SAVE_AGAIN}"))
        links = tuple(found for link in as_list(raw.get("linkIds")) if (found := _identity(link)))
        yield SubgraphSocket(as_text(raw.get("name")), _type(raw.get("type")), links)


def _node(content: object, place: str, prefix: str, faults: list[Fault]) -> EditorNode | None:
    if not isinstance(content, Mapping):
        faults.append(Fault(place, "", format_value(content), f"not a node: {_SAVE_AGAIN}"))
        return None
    identity, kind = _identity(content.get("id")), content.get("type")
    if identity is None:
        faults.append(Fault(place, "id", format_value(content.get("id")), f"a node needs an id: {_SAVE_AGAIN}"))
        return None
    place = f"{prefix}node {identity}"
    if not isinstance(kind, str) or not kind:
        faults.append(Fault(place, "type", format_value(kind), f"a node needs the name of its class: {_SAVE_AGAIN}"))
        return None
    place = f"{place} ({kind})"
    title, mode = as_text(content.get("title")).strip(), content.get("mode")
    properties = _mapping(content.get("properties"), place, "properties", faults)
    values, named = _values(content, place, faults)
    pack, version = _pack(properties)
    return EditorNode(
        id=identity,
        type=kind,
        title="" if title == kind else title,
        mode=mode if isinstance(mode, int) else 0,
        sockets=tuple(_sockets(content.get("inputs"), place, faults)),
        outputs=tuple(
            _type(as_mapping(each).get("type")) for each in _short(content.get("outputs"), place, "outputs", faults)
        ),
        values=values,
        named_values=named,
        promoted=tuple(_promoted(properties.get("proxyWidgets"))),
        pack=pack,
        version=version,
    )


def _pack(properties: Mapping[str, Any]) -> tuple[str, str | None]:
    """Read which pack provides a class: its name in ComfyUI's registry, or ``owner/repository`` on GitHub."""
    name = as_text(properties.get("cnr_id")) or as_text(properties.get("aux_id"))
    return ("", as_text(properties.get("ver"))) if name == _OWN_PACK else (name, None)


def _promoted(raw: object) -> Iterator[tuple[str, str]]:
    """Read which inner fields a subgraph's node shows; an invalid entry keeps its position."""
    for each in as_list(raw):
        pair = each if isinstance(each, list) and len(each) > 1 else (None, None)
        yield _identity(pair[0]) or "", as_text(pair[1])


def _values(
    content: Mapping[str, Any], place: str, faults: list[Fault]
) -> tuple[tuple[Any, ...], Mapping[str, Any] | None]:
    """Read widget values; newer editors save names beside them, some custom nodes only names."""
    raw, named = content.get("widgets_values"), content.get("widgets_values_named")
    if isinstance(raw, Mapping):
        return (), raw
    values = tuple(_short(raw, place, "widgets_values", faults))
    return values, named if isinstance(named, Mapping) and named else None


def _sockets(raw: object, place: str, faults: list[Fault]) -> Iterator[Socket]:
    for each in _short(raw, place, "inputs", faults):
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            faults.append(Fault(place, "inputs", format_value(each), f"an input needs a name: {_SAVE_AGAIN}"))
            continue
        link, field = each.get("link"), as_mapping(each.get("widget")).get("name")
        if link is not None and _identity(link) is None:
            faults.append(Fault(place, each["name"], format_value(link), f"not the id of a link: {_SAVE_AGAIN}"))
        yield Socket(each["name"], _type(each.get("type")), _identity(link), field if isinstance(field, str) else None)


def _links(raw: object, place: str, faults: list[Fault]) -> Iterator[tuple[str, Link]]:
    for each in _list(raw, place, "links", faults):
        if each is None:
            continue
        parts = _link_parts(each)
        identity, origin, target = (_identity(part) for part in (parts[0], parts[1], parts[3]))
        slot, target_slot = (_slot(part) for part in (parts[2], parts[4]))
        if identity is None or origin is None or target is None or slot is None or target_slot is None:
            faults.append(Fault(place, "links", format_value(each), f"not a link between nodes: {_SAVE_AGAIN}"))
        else:
            yield identity, Link(origin, slot)


def _link_parts(raw: object) -> list[Any]:
    """Return a link's parts: older files list them, newer ones and subgraphs name them."""
    if isinstance(raw, Mapping):
        return [raw.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    return raw if isinstance(raw, list) and len(raw) >= _LINK_PARTS else [None] * _LINK_PARTS


def _identity(raw: object) -> str | None:
    """Read an id, saved as number or text, as text."""
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    if isinstance(raw, int) and not isinstance(raw, bool):
        return str(raw)
    return raw if isinstance(raw, str) and raw else None


def _slot(raw: object) -> int | None:
    text = _identity(raw)
    return int(text) if text is not None and _SLOT.fullmatch(text) else None


def _type(raw: object) -> str:
    """Read a type; anything else, such as the choices in the oldest files, means any type."""
    return raw if isinstance(raw, str) and raw else ANY


def _list(raw: object, place: str, field: str, faults: list[Fault]) -> list[Any]:
    if raw is not None and not isinstance(raw, list):
        faults.append(Fault(place, field, format_value(raw), f"give a list: {_SAVE_AGAIN}"))
    return as_list(raw)


def _short(raw: object, place: str, field: str, faults: list[Fault]) -> list[Any]:
    """Read a list of a node's parts, truncated beyond what nodes have."""
    listed = _list(raw, place, field, faults)
    if len(listed) > _MOST_PARTS:
        remedy = f"no node has more than {_MOST_PARTS}: {_SAVE_AGAIN}"
        faults.append(Fault(place, field, f"{len(listed)} entries", remedy))
    return listed[:_MOST_PARTS]


def _mapping(raw: object, place: str, field: str, faults: list[Fault]) -> Mapping[str, Any]:
    if raw is not None and not isinstance(raw, Mapping):
        faults.append(Fault(place, field, format_value(raw), f"give an object: {_SAVE_AGAIN}"))
    return as_mapping(raw)
