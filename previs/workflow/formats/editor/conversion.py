"""Convert an editor's file to the graph that the editor would send."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.classes import ANY, InputRule, NodeClass
from previs.comfyui.protocol.graph import Graph, Node, links
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.workflow.binding.traversal import place_of
from previs.workflow.detection.saves import saving_nodes
from previs.workflow.formats.editor.document import EditorNode, Socket
from previs.workflow.formats.editor.dynamic_prompts import has_choices, resolve
from previs.workflow.formats.editor.numbering import renumbered
from previs.workflow.formats.editor.promotion import Promotions
from previs.workflow.formats.editor.reading import read_document
from previs.workflow.formats.editor.resolution import BrokenLink, LinkResolver, Output, Source, StoredValue
from previs.workflow.formats.editor.subgraphs import GraphInstance, expand
from previs.workflow.formats.editor.values import WrongTypeError, coerce
from previs.workflow.formats.editor.virtual_nodes import BROADCASTS
from previs.workflow.formats.editor.widgets import widget_values
from previs.workflow.formats.validation import cycle_fault

_SUBGRAPH = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP = re.compile(r"workflow[>/].+")
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Converted:
    """Hold a graph that was converted from an editor's file.

    Attributes:
        graph: Nodes by the file's ids; those within subgraphs have ids in parts: ``57:8``.
        packs: Custom node packs by class type, if the file names them.
        alternatives: Texts with choices such as ``{a|b}`` by node id and input; the graph has the first of each choice.
        notices: What of the file was left out, in sentences.
    """

    graph: Graph
    packs: Mapping[str, str]
    alternatives: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def classes_in(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the node classes that the conversion needs."""
    return frozenset(node.type for _, node in expand(read_document(document, []), []).running())


def convert(document: Mapping[str, Any], classes: Mapping[str, NodeClass | None], *, name: str) -> Converted:
    """Convert an editor's file to the graph that the editor would send, by the node classes of the servers.

    Raises:
        WorkflowFaults: Everything that cannot be converted.
    """
    faults: list[Fault] = []
    read = read_document(document, faults)
    top = expand(renumbered(read) if _is_new(classes) else read, faults)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    running = list(top.running())
    faults += _duplicates(running) + _unknown(running, classes)
    conversion = _Conversion(classes)
    graph = conversion.graph(running)
    faults += dict.fromkeys(fault for found in conversion.faults.values() for fault in found)
    if not faults and (fault := cycle_fault(graph, "the file")):
        faults.append(fault)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    packs = {node.type: node.pack for _, node in running if node.pack}
    alternatives = {slot: text for slot, text in conversion.alternatives.items() if slot[0] in graph}
    return Converted(graph, packs, alternatives, (*conversion.notices, *conversion.resolver.notices))


def _is_new(classes: Mapping[str, NodeClass | None]) -> bool:
    """Return whether servers are new enough to have an editor that numbers repeated ids anew.

    Both came with the inputs that bring further inputs.
    """
    rules = (rule for each in classes.values() if each is not None for rule in each.inputs.values())
    return any(rule.options or rule.row is not None for rule in rules)


def _duplicates(running: list[tuple[GraphInstance, EditorNode]]) -> list[Fault]:
    """Find an id that a node of the file shares with one within a subgraph, whose id is made of parts."""
    counts = Counter(instance.full_id(node) for instance, node in running)
    remedy = "this id occurs twice: open the file in ComfyUI and save it again"
    return [Fault(f"node {node_id}", "id", "", remedy) for node_id, count in counts.items() if count > 1]


def _unknown(running: list[tuple[GraphInstance, EditorNode]], classes: Mapping[str, NodeClass | None]) -> list[Fault]:
    """Report classes that no server has or could run; one fault per class, with all its nodes.

    If only links lead to and from these nodes, they convert, and the check of the graph reports their classes.
    """
    found: dict[str, list[tuple[GraphInstance, EditorNode]]] = {}
    for instance, node in running:
        if classes.get(node.type) is None or node.type in BROADCASTS:
            found.setdefault(node.type, []).append((instance, node))
    if all(_has_no_fields(node) for nodes in found.values() for _, node in nodes):
        return []
    return [Fault(_places(nodes), "", "", _install(nodes[0][1])) for nodes in found.values()]


def _has_no_fields(node: EditorNode) -> bool:
    """Return whether links alone make a node, so that a graph can hold it although its class is unknown."""
    elsewhere = node.type in BROADCASTS or _SUBGRAPH.fullmatch(node.type) or _GROUP.fullmatch(node.type)
    fields = node.values or node.named_values or any(socket.widget is not None for socket in node.sockets)
    return not elsewhere and not fields and bool(node.sockets)


def _places(nodes: list[tuple[GraphInstance, EditorNode]]) -> str:
    instance, node = nodes[0]
    if len(nodes) == 1:
        return instance.place(node)
    ids = [instance.full_id(node) for instance, node in nodes]
    named = ", ".join(ids[:_MOST_NAMED]) + (f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else "")
    return f"nodes {named} ({node.type})"


def _install(node: EditorNode) -> str:
    if node.type in BROADCASTS:
        return "it feeds nodes without links: convert it to real links, in its menu in ComfyUI, and save"
    if _SUBGRAPH.fullmatch(node.type):
        return "the file does not contain this subgraph: open it in ComfyUI and save it again"
    if _GROUP.fullmatch(node.type):
        return 'a group node of an old ComfyUI: choose "Convert to nodes" in its menu there, and save'
    if node.pack:
        return f"no server has this class; it comes with the custom node pack {node.pack}: install the pack there"
    if node.version is not None:
        saved = f" (the file was saved with {node.version})" if node.version else ""
        return f"no server has this class; it is ComfyUI's own{saved}: update ComfyUI there"
    return "no server has this class: install the custom node pack that provides it"


@dataclass(slots=True)
class _Conversion:
    classes: Mapping[str, NodeClass | None]
    promotions: Promotions = field(default_factory=Promotions)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    alternatives: dict[tuple[str, str], str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    fields: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    resolver: LinkResolver = field(init=False)

    def __post_init__(self) -> None:
        self.resolver = LinkResolver(self.promotions, self._field_value)

    def graph(self, running: list[tuple[GraphInstance, EditorNode]]) -> Graph:
        graph: Graph = {}
        for instance, node in running:
            node_class = self.classes.get(node.type)
            if node_class is not None or _has_no_fields(node):
                known = node_class or NodeClass(node.type, {})
                graph[instance.full_id(node)] = self._node(instance, node, known)
        self._drop_parked(graph)
        return graph

    def _drop_parked(self, graph: Graph) -> None:
        """Drop nodes with faults, and what they feed, if no output needs them: artists park nodes beside the graph.

        A node that only shows its result is no such output if another one saves: the editor makes some of their values.
        """
        sources = {node_id: [source for _, source, _ in links(node)] for node_id, node in graph.items()}
        users: dict[str, list[str]] = {}
        for node_id in graph:
            for source in sources[node_id]:
                users.setdefault(source, []).append(node_id)
        outputs = [node_id for node_id, node in graph.items() if self._is_output(node)]
        saving = [node_id for node_id in saving_nodes(graph, self.classes) if node_id in outputs]
        needed = _reachable(saving or outputs or users, sources)
        for node_id in _reachable(self.faults.keys() - needed, users):
            if node_id in outputs:
                fault = next(iter(self.faults.get(node_id, ())), None)
                why = f"{fault.field}: {fault.remedy}" if fault else "a node before it cannot be read"
                self.notices.append(f"{place_of(graph, node_id)} is left out, and nothing saved needs it: {why}")
            graph.pop(node_id, None)
            self.faults.pop(node_id, None)

    def _is_output(self, node: Node) -> bool:
        node_class = self.classes.get(node["class_type"])
        return node_class is None or node_class.is_output

    def _field_value(self, instance: GraphInstance, node: EditorNode, name: str) -> Any:  # noqa: ANN401 - any field's
        place = instance.prefix, node.id
        if place not in self.fields:
            node_class = self.classes.get(node.type)
            fields = widget_values(node, node_class, frozenset(), "")[0] if node_class is not None else []
            self.fields[place] = {each.rule.name: each.value for each in reversed(fields)}
        return self.promotions.field(instance, node, name, self.fields[place].get(name))

    def _node(self, instance: GraphInstance, node: EditorNode, node_class: NodeClass) -> Node:
        sources = self._sources(instance, node, node_class)
        linked = frozenset(name for name, source in sources.items() if source is not None)
        fields, obstacles = widget_values(node, node_class, linked, instance.place(node))
        rules = {**node_class.inputs, **{each.rule.name: each.rule for each in fields}}
        faults = [*obstacles, *(source.fault for source in sources.values() if isinstance(source, BrokenLink))]
        inputs: dict[str, Any] = {}
        for each in fields:
            # What a subgraph's node shows goes to the server as it is.
            processed = each.rule.dynamic and isinstance(each.value, str) and each.rule.name not in sources
            own = resolve(each.value) if processed else each.value
            value = self.promotions.field(instance, node, each.rule.name, own)
            if each.rule.name not in linked and value is not None:
                inputs[each.rule.name] = _coerced(each.rule, value, instance.place(node), "", faults)
                if processed and value == own and has_choices(each.value):
                    self.alternatives[instance.full_id(node), each.rule.name] = each.value
        for name, source in sources.items():
            match source:
                case Output(node_id, slot):
                    inputs[name] = [node_id, slot]
                case StoredValue(value, place):
                    rule = rules.get(name) or InputRule(name, ANY, required=False)
                    inputs[name] = _coerced(rule, value, instance.place(node), place, faults)
        if faults:
            self.faults[instance.full_id(node)] = faults
        converted: Node = {"class_type": node.type, "inputs": inputs}
        if node.title:
            converted["_meta"] = {"title": node.title}
        return converted

    def _sources(self, instance: GraphInstance, node: EditorNode, node_class: NodeClass) -> dict[str, Source]:
        """Find the sources of the linked inputs, by the names that the server knows."""
        sources = {}
        known = node_class.inputs.keys() | (node.named_values or {}).keys()
        for index, socket in enumerate(node.sockets):
            name = _server_name(socket, known)
            if socket.link is not None and name is not None:
                sources[name] = self.resolver.source(instance, node, index)
        return sources


def _server_name(socket: Socket, known: Collection[str]) -> str | None:
    """Return the name by which the server knows an input; None for a field that the class no longer has."""
    if socket.widget is None or socket.name in known or socket.name.partition(".")[0] in known:
        return socket.name
    return socket.widget if socket.widget in known else None


def _reachable(starts: Iterable[str], steps: Mapping[str, list[str]]) -> set[str]:
    found, pending = set[str](), list(starts)
    while pending:
        node_id = pending.pop()
        if node_id not in found:
            found.add(node_id)
            pending += steps.get(node_id, ())
    return found


def _coerced(rule: InputRule, value: Any, place: str, held_by: str, faults: list[Fault]) -> Any:  # noqa: ANN401 - any field's
    try:
        return coerce(rule, value)
    except WrongTypeError as mismatch:
        origin = f"this value of {held_by} goes" if held_by else "the file has this value"
        remedy = (
            f"{origin} where the class takes {mismatch}: the class may have changed since; "
            "open the file in ComfyUI, set this field and save"
        )
        faults.append(Fault(place, rule.name, format_value(value), remedy))
        return None
