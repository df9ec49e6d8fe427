"""Fields of inner nodes that a subgraph's node shows, and whose values stand with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from previs.workflow.formats.editor.controls import is_control
from previs.workflow.formats.editor.document import EditorNode
from previs.workflow.formats.editor.subgraphs import Level

_OWN_INPUT = "-1"
_NESTED = re.compile(r"\s*(\w+)\s*:\s*(.+)")


@dataclass(frozen=True, slots=True)
class Promoted:
    """The values that a subgraph's node holds for its inside.

    Attributes:
        inputs: by the number of the subgraph's input.
        fields: by the inner node's id and the field's name.
    """

    inputs: dict[int, Any] = field(default_factory=dict)
    fields: dict[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Shown:
    """The inputs of a subgraph that lead to a field inside, by what they can be named by; the first of equal ones."""

    inputs: list[int]
    by_name: dict[str, int]
    by_field: dict[tuple[str, str], int]


@dataclass(slots=True)
class Promotions:
    """What every level's node holds for it; read once."""

    known: dict[str, Promoted] = field(default_factory=dict)
    shown: dict[str, _Shown] = field(default_factory=dict)

    def of(self, level: Level) -> Promoted:
        """Give what a level's node holds for it."""
        if level.host is None:
            return Promoted()
        if level.prefix not in self.known:
            outer, host = level.host
            found = self._read(level, host)
            for (node_id, name), value in self.of(outer).fields.items():
                if node_id == host.id:
                    self._set(level, found, name, value)
            self.known[level.prefix] = found
        return self.known[level.prefix]

    def field(self, level: Level, node: EditorNode, name: str, own: Any) -> Any:  # noqa: ANN401 - whatever a field holds
        """Give the value of a node's field: the one that its level's node holds, or else its own."""
        return self.of(level).fields.get((node.id, name), own)

    def _read(self, level: Level, host: EditorNode) -> Promoted:
        found, shown = Promoted(), self._shown(level)
        if host.named_values is not None:
            for name, value in host.named_values.items():
                self._set(level, found, name, value)
            return found
        inputs = [_input_of(shown, *entry) for entry in host.promoted]
        if shown.inputs and all(index is None for index in inputs):
            found.inputs.update(_by_position(shown.inputs, host.values))
            return found
        # Editors that list all shown fields, those of inputs included, keep the values in the list's order.
        for index, entry, value in zip(inputs, host.promoted, host.values, strict=False):
            if index is not None and value is not None:
                found.inputs[index] = value
            elif value is not None:
                found.fields[entry] = value
        return found

    def _set(self, level: Level, found: Promoted, name: str, value: Any) -> None:  # noqa: ANN401 - whatever a field holds
        index = self._shown(level).by_name.get(name)
        if value is None:
            return
        if index is not None:
            found.inputs[index] = value
        elif nested := _NESTED.fullmatch(name):
            found.fields[nested[1], nested[2]] = value

    def _shown(self, level: Level) -> _Shown:
        if level.prefix not in self.shown:
            self.shown[level.prefix] = self._find_shown(level)
        return self.shown[level.prefix]

    def _find_shown(self, level: Level) -> _Shown:
        fields = dict(self._fields(level))
        shown = _Shown([], {}, {})
        for index, entry in enumerate(level.graph.inputs):
            shown.by_name.setdefault(entry.name, index)
            found = next((fields[link] for link in entry.links if link in fields), None)
            if found is not None:
                shown.inputs.append(index)
                shown.by_field.setdefault(found, index)
        return shown

    def _fields(self, level: Level) -> Iterator[tuple[str, tuple[str, str]]]:
        """Give the links from the subgraph's entrance that end at a field, with the node's id and the field's name."""
        for node in level.graph.nodes.values():
            below = level.inner.get(node.id)
            inner = () if below is None else [below.graph.inputs[index].name for index in self._shown(below).inputs]
            for socket in node.sockets:
                link = level.graph.links.get(socket.link) if socket.link else None
                if socket.link and link is not None and link.origin == level.graph.entrance:
                    if socket.widget is not None:
                        yield socket.link, (node.id, socket.widget)
                    elif socket.name in inner:
                        yield socket.link, (node.id, socket.name)


def _by_position(shown: list[int], values: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
    """Give each shown input its value; some editors count what is done with a seed after a run as a value, too."""
    position = 0
    for count, index in enumerate(shown):
        if position < len(values) and values[position] is not None:
            yield index, values[position]
        position += 1
        to_come = len(shown) - count - 1
        if len(values) - position > to_come and is_control(values[position]):
            position += 1


def _input_of(shown: _Shown, node_id: str, name: str) -> int | None:
    return shown.by_name.get(name) if node_id == _OWN_INPUT else shown.by_field.get((node_id, name))
