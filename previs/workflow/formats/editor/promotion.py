"""Read promoted widgets: fields of inner nodes that a subgraph's node shows, with their values."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from previs.workflow.formats.editor.controls import is_control
from previs.workflow.formats.editor.document import EditorNode
from previs.workflow.formats.editor.subgraphs import GraphInstance

_OWN_INPUT = "-1"
_NESTED = re.compile(r"\s*(\w+)\s*:\s*(\S.*)")


@dataclass(frozen=True, slots=True)
class Promoted:
    """Hold a subgraph node's values of inner fields, by the subgraph's input, or by inner node's id and field."""

    inputs: dict[int, Any] = field(default_factory=dict)
    fields: dict[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _PromotedInputs:
    """Hold the inputs of a subgraph that lead to inner fields, each with the first; of equal names, the first."""

    inputs: dict[int, tuple[str, str]]
    by_name: dict[str, int]
    by_field: dict[tuple[str, str], int]


@dataclass(slots=True)
class Promotions:
    """Read once the values that each subgraph's node has for its instance."""

    values: dict[str, Promoted] = field(default_factory=dict)
    promoted: dict[str, _PromotedInputs] = field(default_factory=dict)

    def of(self, instance: GraphInstance) -> Promoted:
        """Return the values that a subgraph's node has for an instance."""
        if instance.host is None:
            return Promoted()
        if instance.prefix not in self.values:
            outer, host = instance.host
            found = self._read(instance, host)
            for (node_id, name), value in self.of(outer).fields.items():
                if node_id == host.id:
                    self._set(instance, found, name, value)
            self.values[instance.prefix] = found
        return self.values[instance.prefix]

    def field(self, instance: GraphInstance, node: EditorNode, name: str, own: Any) -> Any:  # noqa: ANN401 - whatever a field holds
        """Return a field's value: the promoted one, or else the node's own."""
        return self.of(instance).fields.get((node.id, name), own)

    def shown_field(self, instance: GraphInstance, slot: int) -> tuple[str, str] | None:
        """Return the inner field, as node id and name, that a subgraph's node shows for an input."""
        return self._promoted_inputs(instance).inputs.get(slot)

    def input_called(self, instance: GraphInstance, name: str) -> int | None:
        """Return the subgraph's first input of a name."""
        return self._promoted_inputs(instance).by_name.get(name)

    def _read(self, instance: GraphInstance, host: EditorNode) -> Promoted:
        found, promoted = Promoted(), self._promoted_inputs(instance)
        if host.named_values is not None:
            for name, value in host.named_values.items():
                self._set(instance, found, name, value)
            return found
        inputs = [_input_of(promoted, *entry) for entry in host.promoted]
        if promoted.inputs and all(index is None for index in inputs):
            found.inputs.update(_by_position(list(promoted.inputs), host.values))
            return found
        # Editors that list all promoted fields, including those of inputs, save the values in this order.
        for index, entry, value in zip(inputs, host.promoted, host.values, strict=False):
            if index is not None and value is not None:
                found.inputs[index] = value
            elif value is not None:
                found.fields[entry] = value
        return found

    def _set(self, instance: GraphInstance, found: Promoted, name: str, value: Any) -> None:  # noqa: ANN401 - whatever a field holds
        index = self._promoted_inputs(instance).by_name.get(name)
        if value is None:
            return
        if index is not None:
            found.inputs[index] = value
        elif nested := _NESTED.fullmatch(name):
            found.fields[nested[1], nested[2]] = value

    def _promoted_inputs(self, instance: GraphInstance) -> _PromotedInputs:
        if instance.prefix not in self.promoted:
            self.promoted[instance.prefix] = self._find_promoted(instance)
        return self.promoted[instance.prefix]

    def _find_promoted(self, instance: GraphInstance) -> _PromotedInputs:
        fields = dict(self._fields(instance))
        promoted = _PromotedInputs({}, {}, {})
        for index, entry in enumerate(instance.graph.inputs):
            promoted.by_name.setdefault(entry.name, index)
            found = next((fields[link] for link in entry.links if link in fields), None)
            if found is not None:
                promoted.inputs[index] = found
                promoted.by_field.setdefault(found, index)
        return promoted

    def _fields(self, instance: GraphInstance) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield the subgraph's inner links that end at a field, with the node's id and the field's name."""
        for node in instance.graph.nodes.values():
            below = instance.inner.get(node.id)
            inner = [below.graph.inputs[index].name for index in self._promoted_inputs(below).inputs] if below else []
            for socket in node.sockets:
                link = instance.graph.links.get(socket.link) if socket.link else None
                if socket.link and link is not None and link.origin == instance.graph.entrance:
                    if socket.widget is not None:
                        yield socket.link, (node.id, socket.widget)
                    elif socket.name in inner:
                        yield socket.link, (node.id, socket.name)


def _by_position(promoted: list[int], values: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
    """Yield each promoted input's value, skipping seed controls, which some editors save as values."""
    position = 0
    for count, index in enumerate(promoted):
        if position < len(values) and values[position] is not None:
            yield index, values[position]
        position += 1
        remaining = len(promoted) - count - 1
        if len(values) - position > remaining and is_control(values[position]):
            position += 1


def _input_of(promoted: _PromotedInputs, node_id: str, name: str) -> int | None:
    return promoted.by_name.get(name) if node_id == _OWN_INPUT else promoted.by_field.get((node_id, name))
