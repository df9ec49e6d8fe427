"""Resolve where inputs get their values: along links, reroutes and bypassed nodes, into and out of subgraphs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from previs.comfyui.protocol.classes import ANY
from previs.errors import Fault
from previs.workflow.formats.editor.document import BYPASSED, MUTED, EditorNode, Link
from previs.workflow.formats.editor.promotion import Promotions
from previs.workflow.formats.editor.subgraphs import GraphInstance
from previs.workflow.formats.editor.virtual_nodes import GETTERS, PRIMITIVE, REROUTES, SETTERS


@dataclass(frozen=True, slots=True)
class Output:
    """Represent a link to the output of a node that runs."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class StoredValue:
    """Represent a value that is stored elsewhere in the file."""

    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class Muted:
    """Represent a link to a muted node; the input gets no value, not even its own field's."""


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """Represent a link to nothing, or in a cycle."""

    fault: Fault


Source = Output | StoredValue | Muted | BrokenLink | None


@dataclass(frozen=True, slots=True, eq=False)
class _InputStep:
    """Follow the link of a socket; if that yields nothing, the promoted value counts."""

    instance: GraphInstance
    node: EditorNode
    index: int
    type: str | None = None
    own: StoredValue | None = None

    @property
    def key(self) -> tuple[object, ...]:
        return "into", self.instance.prefix, self.node.id, self.index, self.type, self.own is None


@dataclass(frozen=True, slots=True, eq=False)
class _OutputStep:
    """Resolve an output for an input of a type."""

    instance: GraphInstance
    node: EditorNode
    slot: int
    type: str
    own: None = None

    @property
    def key(self) -> tuple[object, ...]:
        return "out of", self.instance.prefix, self.node.id, self.slot, self.type


_Step = _InputStep | _OutputStep


@dataclass(slots=True)
class LinkResolver:
    """Resolve the links of one file as the editor does, each only once.

    Args:
        field_value: Returns the value that a node has for a field.

    Attributes:
        notices: Links that the file names but does not have, and whose inputs the editor leaves empty, in sentences.
    """

    promotions: Promotions
    field_value: Callable[[GraphInstance, EditorNode, str], Any]
    known: dict[tuple[object, ...], Source] = field(default_factory=dict)
    setters: dict[str, dict[str, EditorNode]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def source(self, instance: GraphInstance, node: EditorNode, index: int) -> Source:
        """Return the source of a node's socket."""
        step: _Step | Source = _InputStep(instance, node, index)
        path: dict[tuple[object, ...], StoredValue | None] = {}
        while isinstance(step, _InputStep | _OutputStep):
            if step.key in self.known:
                step = self.known[step.key]
            elif step.key in path:
                step = BrokenLink(_cycle(instance, node, index))
            else:
                path[step.key] = step.own
                step = self._follow_input(step) if isinstance(step, _InputStep) else self._follow_output(step)
        for key, own in reversed(path.items()):
            step = own if step is None else step
            self.known[key] = step
        return step

    def _follow_input(self, step: _InputStep) -> _Step | Source:
        instance, node = step.instance, step.node
        socket = instance.sockets(node)[step.index]
        if socket.link is None:
            return None
        link = instance.graph.links.get(socket.link)
        if link is None:
            remedy = "the file has no link of this id: draw it again in ComfyUI, or remove it, and save"
            return BrokenLink(Fault(instance.place(node), socket.name, f"link {socket.link}", remedy))
        end = Fault(instance.place(node), socket.name, "", "")
        return self._follow_link(instance, link, step.type or socket.type, end)

    def _follow_link(self, instance: GraphInstance, link: Link, wanted: str, end: Fault) -> _Step | Source:
        """Follow a link to its start; ``end`` locates faults."""
        if instance.host is not None and link.origin == instance.graph.entrance:
            return self._through_entrance(instance, link.slot, end)
        origin = instance.graph.nodes.get(link.origin)
        if origin is None:
            remedy = "the file does not have the node that the link comes from: draw it again in ComfyUI and save"
            return BrokenLink(Fault(end.place, end.field, f"node {instance.prefix}{link.origin}", remedy))
        return _OutputStep(instance, origin, link.slot, wanted)

    def _through_entrance(self, instance: GraphInstance, slot: int, end: Fault) -> _Step | Source:
        assert instance.host is not None  # noqa: S101 - checked by the caller
        outer, host = instance.host
        sockets = outer.sockets(host)
        if slot >= len(sockets):
            remedy = f"the subgraph has only {len(sockets)} inputs: draw the link again in ComfyUI and save"
            return BrokenLink(Fault(end.place, end.field, f"input {slot} of the subgraph", remedy))
        values = self.promotions.of(instance).inputs
        own = (
            StoredValue(values[slot], outer.place(host))
            if slot in values
            else self._of_shown_field(instance, slot, end)
        )
        return own if sockets[slot].link is None else _InputStep(outer, host, slot, own=own)

    def _of_shown_field(self, instance: GraphInstance, slot: int, end: Fault) -> StoredValue | None:
        """Return the value of the field that a subgraph's node shows for an input, for the input's other links."""
        shown = self.promotions.shown_field(instance, slot)
        if shown is None:
            return None
        node, name = instance.graph.nodes[shown[0]], shown[1]
        if (end.place, end.field) == (instance.place(node), name):
            return None
        below = instance.inner.get(node.id)
        if below is None:
            value = self.field_value(instance, node, name)
            return None if value is None else StoredValue(value, instance.place(node))
        inner = self.promotions.input_called(below, name)
        values = self.promotions.of(below).inputs
        if inner in values:
            return StoredValue(values[inner], instance.place(node))
        return None if inner is None else self._of_shown_field(below, inner, end)

    def _follow_output(self, step: _OutputStep) -> _Step | Source:
        instance, node = step.instance, step.node
        if node.mode == BYPASSED and node.type != PRIMITIVE:
            index = _passed_through(step)
            return None if index is None else _InputStep(instance, node, index)
        if node.type in REROUTES | SETTERS:
            return _InputStep(instance, node, 0, step.type) if node.sockets else None
        if node.type in GETTERS:
            return self._from_setter(step)
        if node.type == PRIMITIVE:
            return self._from_primitive(step)
        if node.mode == MUTED:
            return Muted()
        if node.id in instance.inner:
            return self._out_of_subgraph(step, instance.inner[node.id])
        return Output(instance.full_id(node), step.slot)

    def _out_of_subgraph(self, step: _OutputStep, below: GraphInstance) -> _Step | Source:
        outputs = below.graph.outputs
        end = Fault(step.instance.place(step.node), f"output {step.slot}", "", "")
        if step.slot >= len(outputs):
            remedy = f"the subgraph has only {len(outputs)} outputs: draw the link again in ComfyUI and save"
            return BrokenLink(Fault(end.place, end.field, "", remedy))
        output = outputs[step.slot]
        links = [below.graph.links[link] for link in output.links if link in below.graph.links]
        if not links and output.links:
            self.notices.append(
                f"{end.place}: what its output {output.name} feeds is left empty: the subgraph in the file has no link "
                f"{', '.join(output.links)}: draw it again in ComfyUI and save"
            )
        return self._follow_link(below, links[0], step.type, end) if links else None

    def _from_setter(self, step: _OutputStep) -> _Step | Source:
        if step.instance.prefix not in self.setters:
            nodes = step.instance.graph.nodes.values()
            named = {_name_of(node): node for node in nodes if node.type in SETTERS and node.sockets}
            self.setters[step.instance.prefix] = named
        name = _name_of(step.node)
        setter = self.setters[step.instance.prefix].get(name) if name else None
        if setter is None:
            remedy = "no setter node has the name of this getter: give both the same name in ComfyUI and save"
            return BrokenLink(Fault(step.instance.place(step.node), "", name, remedy))
        return _InputStep(step.instance, setter, 0, step.type)

    def _from_primitive(self, step: _OutputStep) -> Source:
        own = (step.node.named_values or {}).get("value", next(iter(step.node.values), None))
        value = self.promotions.field(step.instance, step.node, "value", own)
        return None if value is None else StoredValue(value, step.instance.place(step.node))


def _name_of(node: EditorNode) -> str:
    """Return the name of a setter or getter."""
    name = next(iter((node.named_values or {}).values() if node.named_values else node.values), None)
    return name if isinstance(name, str) else ""


def _cycle(instance: GraphInstance, node: EditorNode, index: int) -> Fault:
    remedy = "its link leads through reroutes or bypassed nodes in a cycle and comes from no node: draw it again"
    return Fault(instance.place(node), instance.sockets(node)[index].name, "", remedy)


def _passed_through(step: _OutputStep) -> int | None:
    """Return the input that a bypassed node passes to an output: the one beside it, or the first of its type."""
    sockets, outputs = step.instance.sockets(step.node), step.instance.outputs(step.node)
    if not sockets:
        return None
    if step.type == ANY:
        return step.slot if step.slot < len(sockets) else 0
    given = outputs[step.slot] if step.slot < len(outputs) else ANY
    if step.slot < len(sockets) and _fits(sockets[step.slot].type, given, step.type):
        return step.slot
    types = tuple(socket.type for socket in sockets)
    return types.index(step.type) if step.type in types else _first_fitting(types, given, step.type)


@lru_cache(maxsize=1024)
def _first_fitting(types: tuple[str, ...], given: str, wanted: str) -> int | None:
    return next((index for index, kind in enumerate(types) if _fits(kind, given, wanted)), None)


def _fits(kind: str, given: str, wanted: str) -> bool:
    return _connects(kind, given) and _connects(kind, wanted)


def _connects(one: str, other: str) -> bool:
    """Return whether the editor connects two types: equal regardless of case, or with a type in common."""
    if ANY in (one, other):
        return True
    types = [{part.strip().lower() for part in each.split(",")} for each in (one, other)]
    return bool(types[0] & types[1])
