"""What a server would refuse of a graph, found before anything is posted; pure.

The rules are those of ``validate_prompt`` in ComfyUI's ``execution.py``, as of 0.3.64. What a node class checks by code
of its own (``VALIDATE_INPUTS``) no server tells, and is not judged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from previs.comfyui.protocol.classes import InputRule, NodeClass
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import LINKED, Kind, fits, format_value, judged, misfit, wanted
from previs.errors import Fault

_EXPORT = 'export the graph with "Export (API)"'


_CUSTOM = "custom_nodes."
# What the server leaves to a class that has a VALIDATE_INPUTS for the input.
_JUDGED_BY_CODE = frozenset({"value_not_in_list", "value_out_of_range"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing for which a server would refuse a graph, or drop a part of it.

    Attributes:
        node_id: empty where the graph as a whole is meant.
        title: that an artist gave the node; empty if none.
        input: empty where the node as a whole is meant.
        value: as a person would find it in the file, shortened; empty if there is none.
        remedy: what would be right.
        certain: whether every server with such a class refuses it. Classes of custom nodes may take more than they
            tell, by code of their own.
    """

    kind: Kind
    node_id: str
    class_type: str
    title: str
    input: str
    value: str
    remedy: str
    certain: bool = True

    @property
    def place(self) -> str:
        """The node as a person finds it."""
        if not self.node_id:
            return "the graph"
        named = f'{self.class_type} "{self.title}"' if self.title else self.class_type
        return f"node {self.node_id} ({named})" if named else f"node {self.node_id}"

    @property
    def fault(self) -> Fault:
        """The same in the form of all faults of an input."""
        return Fault(self.place, self.input, self.value, self.remedy)


def findings(
    graph: Graph, classes: Mapping[str, NodeClass | None], packs: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Find everything that a server would not take of one graph; see :class:`Checker`."""
    return Checker(classes, packs).findings(graph)


class Checker:
    """Finds what one server would not take of graphs; of those that differ in few values, quickly.

    Args:
        classes: of the server; none for one that it does not know. Of classes that are not in here nothing is known,
            and nothing is found.
        packs: names of custom node packs, by class.
    """

    def __init__(self, classes: Mapping[str, NodeClass | None], packs: Mapping[str, str] | None = None) -> None:
        self._classes = classes
        self._packs = packs or {}
        self._checks: dict[tuple[str, ...], _Check] = {}

    def findings(self, graph: Graph) -> tuple[Finding, ...]:
        """Find everything: first nodes that no server could take, then inputs, in their order.

        As on the server, the classes of all nodes are looked at, and the inputs of those that some output is made from.

        Args:
            graph: in API format; it may have any form that JSON has, and must not change afterwards.
        """
        check = self._checks.get(tuple(graph))
        if check is None or not check.take(graph):
            check = self._checks[tuple(graph)] = _Check(graph, self._classes, self._packs)
        return check.findings()


class _Check:
    """The check of one graph, and of others of the same shape after it."""

    def __init__(self, graph: Graph, classes: Mapping[str, NodeClass | None], packs: Mapping[str, str]) -> None:
        self._graph = graph
        self._classes = classes
        self._packs = packs
        self._whole = tuple(self._of_whole())
        roots = [node_id for node_id in graph if (known := self._known(node_id)) is not None and known.is_output]
        self._reached, self._circular = self._reach([*roots, *self._unknown_ends()] if self._whole else roots)
        self._by_node: dict[str, tuple[Finding, ...]] = {}
        for node_id in graph:
            self._judge(node_id)

    def take(self, graph: Graph) -> bool:
        """Look at another graph instead; false if it differs in more than values that nodes hold."""
        changed = [node_id for node_id, node in graph.items() if node != self._graph[node_id]]
        if not all(_same_shape(self._graph[node_id], graph[node_id]) for node_id in changed):
            return False
        self._graph = graph
        for node_id in changed:
            self._judge(node_id)
        return True

    def findings(self) -> tuple[Finding, ...]:
        if not self._by_node:
            return self._whole
        return (*self._whole, *(each for node_id in self._graph for each in self._by_node.get(node_id, ())))

    def _judge(self, node_id: str) -> None:
        self._by_node.pop(node_id, None)
        if node_id in self._reached and (found := tuple(self._of_node(node_id))):
            self._by_node[node_id] = found

    def _of_whole(self) -> Iterator[Finding]:
        known = [self._known(node_id) for node_id in self._graph]
        if not any(each is None or each.is_output for each in known):
            yield Finding("no_output", "", "", "", "", "", "add an output node that saves, such as SaveImage")
        yield from (found for node_id in self._graph if (found := self._impossible(node_id)) is not None)

    def _known(self, node_id: str) -> NodeClass | None:
        """The node's class, if the server has it and it was asked for."""
        class_type = _told(self._graph[node_id]).get("class_type")
        return self._classes.get(class_type) if isinstance(class_type, str) else None

    def _impossible(self, node_id: str) -> Finding | None:
        """Why the server would look at nothing else of the graph."""
        class_type = _told(self._graph[node_id]).get("class_type")
        if not isinstance(class_type, str):
            return self._found(node_id, "malformed_node", "class_type", "", f"it has no class_type: {_EXPORT}")
        if class_type not in self._classes or self._classes[class_type] is not None:
            return None
        pack = self._packs.get(class_type)
        install = (
            f"install the custom node pack {pack}"
            if pack
            else "update ComfyUI there if it is one of its own, install the custom node pack that has it"
        )
        remedy = f"the server has no such node class: {install}, or replace the node"
        return self._found(node_id, "unknown_class", "class_type", format_value(class_type), remedy)

    def _unknown_ends(self) -> list[str]:
        """Nodes of unknown classes that nothing uses: most likely they save."""
        used = {source for node_id in self._graph for source in self._sources(node_id)}
        return [node_id for node_id in self._graph if self._known(node_id) is None and node_id not in used]

    def _sources(self, node_id: str) -> list[str]:
        """Nodes that the server looks at for this one's sake: inputs that a class does not declare are passed over."""
        inputs, known = _inputs(self._graph[node_id]), self._known(node_id)
        names = inputs if known is None else [name for name in inputs if name in known.inputs]
        linked = [inputs[name][0] for name in names if _is_pair(inputs[name])]
        return [source for source in linked if isinstance(source, str) and source in self._graph]

    def _reach(self, roots: list[str]) -> tuple[set[str], set[str]]:
        """All nodes that these are made from, themselves included; and those of them that close a circle."""
        entered, done, circular = set[str](), set[str](), set[str]()
        pending = [(node_id, False) for node_id in reversed(roots)]
        while pending:
            node_id, sources_done = pending.pop()
            if sources_done:
                done.add(node_id)
            elif node_id not in entered:
                entered.add(node_id)
                sources = self._sources(node_id)
                circular |= {source for source in sources if source in entered and source not in done}
                pending.append((node_id, True))
                pending += [(source, False) for source in sources]
        return entered, circular

    def _of_node(self, node_id: str) -> Iterator[Finding]:
        if node_id in self._circular:
            yield self._found(node_id, "cycle", "", "", "it is made from its own output: take one of the links out")
        known, node = self._known(node_id), _told(self._graph[node_id])
        if known is None:
            return
        if not isinstance(node.get("inputs"), Mapping):
            value = format_value(node["inputs"]) if "inputs" in node else ""
            yield self._found(node_id, "malformed_node", "inputs", value, f"it has no inputs: {_EXPORT}")
            return
        inputs = _inputs(node)
        for name, rule in known.inputs.items():
            if not judged(rule.type):
                continue
            if name not in inputs:
                if rule.required:
                    yield self._found(node_id, "missing_input", name, "", f"it is required: give {wanted(rule)}")
            elif isinstance(inputs[name], list):
                yield from self._link(node_id, rule, inputs[name])
            elif (wrong := self._value(node_id, known, rule, inputs[name])) is not None:
                yield wrong

    def _value(self, node_id: str, known: NodeClass, rule: InputRule, value: object) -> Finding | None:
        if rule.type in LINKED:
            remedy = f"give {wanted(rule)}: no value can stand for it"
            return self._found(node_id, "missing_link", rule.name, format_value(value), remedy)
        if (wrong := misfit(rule, value)) is None:
            return None
        found = self._found(node_id, wrong.kind, rule.name, format_value(value), wrong.remedy)
        by_code = known.module.startswith(_CUSTOM) and wrong.kind in _JUDGED_BY_CODE
        return replace(found, certain=False) if by_code else found

    def _link(self, node_id: str, rule: InputRule, value: list[Any]) -> Iterator[Finding]:
        if not _is_pair(value):
            remedy = 'a list must be a link: ["node id", number of its output]'
            yield self._found(node_id, "broken_link", rule.name, format_value(value), remedy)
            return
        source, index = value
        if not isinstance(source, str) or source not in self._graph:
            written = f'write ["{source}", {index}]' if str(source) in self._graph else f"give {wanted(rule)}"
            remedy = f"the graph has no such node: {written}"
            yield self._found(node_id, "broken_link", rule.name, format_value(value), remedy)
            return
        if (known := self._known(source)) is None:
            return
        place, outputs = self._found(source, "broken_link", "", "", "").place, known.outputs
        if not isinstance(index, int) or not -len(outputs) <= index < len(outputs):
            has = ", ".join(f"{number}: {type_}" for number, type_ in enumerate(outputs)) or "none"
            remedy = f"{place} has no such output; it has {has}"
            yield self._found(node_id, "broken_link", rule.name, format_value(value), remedy)
        elif not fits(outputs[index], rule):
            remedy = f"give {wanted(rule)}: output {index} of {place} is {outputs[index]}{_better(known, rule)}"
            yield self._found(node_id, "wrong_link_type", rule.name, format_value(value), remedy)

    def _found(self, node_id: str, kind: Kind, name: str, value: str, remedy: str) -> Finding:
        node = _told(self._graph[node_id])
        class_type, title = node.get("class_type"), _told(node.get("_meta")).get("title")
        return Finding(
            kind=kind,
            node_id=node_id,
            class_type=class_type if isinstance(class_type, str) else "",
            title=title.strip() if isinstance(title, str) else "",
            input=name,
            value=value,
            remedy=remedy,
        )


def _told(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _inputs(node: object) -> Mapping[str, Any]:
    return _told(_told(node).get("inputs"))


def _same_shape(one: object, other: object) -> bool:
    """Whether two nodes differ in nothing but values that they hold themselves."""
    rest, others = dict(_told(one)), dict(_told(other))
    inputs, changed = rest.pop("inputs", None), others.pop("inputs", None)
    return (
        isinstance(inputs, Mapping)
        and isinstance(changed, Mapping)
        and rest == others
        and inputs.keys() == changed.keys()
        and not any(
            isinstance(inputs[name], list) or isinstance(changed[name], list)
            for name in inputs
            if inputs[name] != changed[name]
        )
    )


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2  # noqa: PLR2004 - the format's own: node id, output index


def _better(source: NodeClass, rule: InputRule) -> str:
    """The outputs of a source that would have fitted."""
    fitting = [str(index) for index, type_ in enumerate(source.outputs) if fits(type_, rule)]
    return f", output {' or '.join(fitting)} would do" if fitting else ""
