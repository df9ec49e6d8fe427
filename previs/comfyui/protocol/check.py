"""Find what a server would refuse of a graph before it is posted; pure.

The rules are those of ``validate_prompt`` in ComfyUI's ``execution.py``, as of 0.3.64 and 0.33.0. Servers do not
describe what a node class checks in its own code (``VALIDATE_INPUTS``), so that is not checked here. Newer servers
accept any value of a dynamic combo, and its node fails; such values are found here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from previs.comfyui.protocol.classes import InputRule, NodeClass
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import (
    LINKED,
    Kind,
    Misfit,
    accepts_link,
    check_value,
    describe_rule,
    format_value,
    is_checkable,
)
from previs.comfyui.protocol.wire import as_mapping, as_text
from previs.errors import Fault
from previs.text.similar import Budget
from previs.text.visible import shortened

_EXPORT = 'export the graph with "Export (API)"'
_CUSTOM = "custom_nodes."
# Its choices are written by an artist in the editor, and the server accepts any.
_FREE_CHOICES = frozenset({"CustomCombo"})
# The server skips these checks for an input if the class has a VALIDATE_INPUTS for it.
_CLASS_MAY_CHECK = frozenset({"value_not_in_list", "value_out_of_range"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Describe one reason for which a server would refuse a graph, or drop a part of it.

    Attributes:
        node_id: Id of the node; empty if the finding concerns the whole graph.
        title: Title that an artist gave the node; empty if none.
        input: Name of the input; empty if the finding concerns the whole node.
        value: Value as it looks in the file, shortened; empty if there is none.
        remedy: What would be right.
        certain: Whether every server with such a class refuses it. Classes of custom nodes may accept more than they
            declare, by their own code.
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
        """Return the node in words, so that a person can find it."""
        if not self.node_id:
            return "the graph"
        node_id, class_type, title = map(shortened, (self.node_id, self.class_type, self.title))
        name = f'{class_type} "{title}"' if title else class_type
        return f"node {node_id} ({name})" if name else f"node {node_id}"

    @property
    def fault(self) -> Fault:
        """Return the finding as a fault."""
        return Fault(self.place, shortened(self.input), self.value, self.remedy)


def findings(
    graph: Graph, classes: Mapping[str, NodeClass | None], packs: Mapping[str, str] | None = None
) -> tuple[Finding, ...]:
    """Return everything that a server would refuse of one graph; see :class:`Checker`."""
    return Checker(classes, packs).findings(graph)


class Checker:
    """Find what one server would refuse of graphs; fast for graphs that differ in few values.

    Args:
        classes: Node classes of the server; None for a class that it lacks. Nodes of other classes are not checked.
        packs: Names of custom node packs, by class.
    """

    def __init__(self, classes: Mapping[str, NodeClass | None], packs: Mapping[str, str] | None = None) -> None:
        self._classes = classes
        self._packs = packs or {}
        self._checks: dict[tuple[str, ...], _Check] = {}
        self._budget = Budget()

    def findings(self, graph: Graph) -> tuple[Finding, ...]:
        """Return all findings: first unusable nodes, then inputs, each in the order of the graph.

        As on the server, the classes of all nodes are checked, and the inputs of those that an output node needs. The
        graph may be any JSON object, and must not change afterwards.
        """
        check = self._checks.get(tuple(graph))
        if check is None or not check.update(graph):
            check = self._checks[tuple(graph)] = _Check(graph, self._classes, self._packs, self._budget)
        return check.findings()


class _Check:
    """Check one graph, and later graphs of the same shape."""

    def __init__(
        self, graph: Graph, classes: Mapping[str, NodeClass | None], packs: Mapping[str, str], budget: Budget
    ) -> None:
        self._graph = graph
        self._classes = classes
        self._packs = packs
        self._budget = budget
        self._of_graph = tuple(self._check_graph())
        roots = [node_id for node_id in graph if (known := self._known(node_id)) is not None and known.is_output]
        self._reached, self._circular = self._reach([*roots, *self._unknown_ends()] if self._of_graph else roots)
        self._by_node: dict[str, tuple[Finding, ...]] = {}
        for node_id in graph:
            self._check_again(node_id)

    def update(self, graph: Graph) -> bool:
        """Check another graph instead; return false if it differs in more than values that nodes hold."""
        changed = [node_id for node_id, node in graph.items() if node != self._graph[node_id]]
        if not all(self._keeps_shape(node_id, graph[node_id]) for node_id in changed):
            return False
        self._graph = graph
        for node_id in changed:
            self._check_again(node_id)
        return True

    def _keeps_shape(self, node_id: str, node: object) -> bool:
        """Return whether a node's new values bring the same inputs as before, and its links stay."""
        known = self._known(node_id)
        return _same_shape(self._graph[node_id], node) and (
            known is None
            or not known.has_options
            or known.rules(_inputs(self._graph[node_id])).keys() == known.rules(_inputs(node)).keys()
        )

    def findings(self) -> tuple[Finding, ...]:
        if not self._by_node:
            return self._of_graph
        return (*self._of_graph, *(each for node_id in self._graph for each in self._by_node.get(node_id, ())))

    def _check_again(self, node_id: str) -> None:
        self._by_node.pop(node_id, None)
        if node_id in self._reached and (found := tuple(self._check_node(node_id))):
            self._by_node[node_id] = found

    def _check_graph(self) -> Iterator[Finding]:
        known = [self._known(node_id) for node_id in self._graph]
        if not any(each is None or each.is_output for each in known):
            yield Finding("no_output", "", "", "", "", "", "add an output node that saves, such as SaveImage")
        yield from (found for node_id in self._graph if (found := self._check_class(node_id)) is not None)

    def _known(self, node_id: str) -> NodeClass | None:
        """Return the node's class, or None if the server lacks it or was not asked for it."""
        class_type = as_mapping(self._graph[node_id]).get("class_type")
        return self._classes.get(class_type) if isinstance(class_type, str) else None

    def _check_class(self, node_id: str) -> Finding | None:
        """Return the finding that makes the server refuse the graph without checking any input."""
        class_type = as_mapping(self._graph[node_id]).get("class_type")
        if not isinstance(class_type, str):
            return self._found(node_id, "malformed_node", "class_type", "", f"it has no class_type: {_EXPORT}")
        if class_type not in self._classes or self._classes[class_type] is not None:
            return None
        pack = self._packs.get(class_type)
        install = (
            f"install the custom node pack {pack}"
            if pack
            else "update ComfyUI there if the class is its own, install the custom node pack that has it"
        )
        remedy = f"the server has no such node class: {install}, or replace the node"
        return self._found(node_id, "unknown_class", "class_type", format_value(class_type), remedy)

    def _unknown_ends(self) -> list[str]:
        """Return nodes of unknown classes whose outputs are unused: most likely they save."""
        used = {source for node_id in self._graph for source in self._sources(node_id)}
        return [node_id for node_id in self._graph if self._known(node_id) is None and node_id not in used]

    def _sources(self, node_id: str) -> list[str]:
        """Return nodes that the server checks because of this one; it ignores inputs unknown to the class."""
        inputs, known = _inputs(self._graph[node_id]), self._known(node_id)
        names = inputs if known is None else inputs.keys() & known.rules(inputs).keys()
        linked = [inputs[name][0] for name in names if _is_pair(inputs[name])]
        return [source for source in linked if isinstance(source, str) and source in self._graph]

    def _reach(self, roots: list[str]) -> tuple[set[str], set[str]]:
        """Return the roots with all nodes upstream of them, and the nodes among these that close a cycle."""
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

    def _check_node(self, node_id: str) -> Iterator[Finding]:
        if node_id in self._circular:
            yield self._found(node_id, "cycle", "", "", "it depends on its own output: remove one of the links")
        known, node = self._known(node_id), as_mapping(self._graph[node_id])
        if known is None:
            return
        if not isinstance(node.get("inputs"), Mapping):
            value = format_value(node["inputs"]) if "inputs" in node else ""
            yield self._found(node_id, "malformed_node", "inputs", value, f"it has no inputs: {_EXPORT}")
            return
        inputs = _inputs(node)
        for name, rule in known.rules(inputs).items():
            if name not in inputs:
                if rule.required and is_checkable(rule.type):
                    yield self._found(node_id, "missing_input", name, "", f"it is required: give {describe_rule(rule)}")
            elif (reason := _unjudgeable(rule, inputs[name])) is not None:
                yield self._unjudged(node_id, name, inputs[name], reason)
            elif (wrong := self._check_input(rule, inputs[name])) is not None and known.name not in _FREE_CHOICES:
                found = self._found(node_id, wrong.kind, name, format_value(inputs[name]), wrong.remedy)
                uncertain = known.module.startswith(_CUSTOM) and wrong.kind in _CLASS_MAY_CHECK
                yield replace(found, certain=not uncertain)

    def _unjudged(self, node_id: str, name: str, value: object, reason: str) -> Finding:
        remedy = f"not checked: {reason}"
        return replace(self._found(node_id, "not_checked", name, format_value(value), remedy), certain=False)

    def _check_input(self, rule: InputRule, value: object) -> Misfit | None:
        if isinstance(value, list):
            return self._check_link(rule, value)
        if rule.type in LINKED:
            return Misfit("missing_link", f"give {describe_rule(rule)}: a value cannot replace it")
        return check_value(rule, value, self._budget)

    def _check_link(self, rule: InputRule, value: list[Any]) -> Misfit | None:
        if not _is_pair(value):
            return Misfit("broken_link", 'a list must be a link: ["node id", number of its output]')
        source, index = value
        if not isinstance(source, str) or source not in self._graph:
            remedy = f'write ["{source}", {index}]' if str(source) in self._graph else f"give {describe_rule(rule)}"
            return Misfit("broken_link", f"the graph has no such node: {remedy}")
        if (known := self._known(source)) is None:
            return None
        place, outputs = self._found(source, "broken_link", "", "", "").place, known.outputs
        if not isinstance(index, int) or not -len(outputs) <= index < len(outputs):
            has = ", ".join(f"{number}: {type_}" for number, type_ in enumerate(outputs)) or "none"
            return Misfit("broken_link", f"{place} has no such output; it has {has}")
        if accepts_link(rule, outputs[index]):
            return None
        found = f"output {index} of {place} is {outputs[index]}{_alternatives(known, rule)}"
        return Misfit("wrong_link_type", f"give {describe_rule(rule)}: {found}")

    def _found(self, node_id: str, kind: Kind, name: str, value: str, remedy: str) -> Finding:
        node = as_mapping(self._graph[node_id])
        title = as_text(as_mapping(node.get("_meta")).get("title")).strip()
        return Finding(kind, node_id, as_text(node.get("class_type")), title, name, value, remedy)


def _inputs(node: object) -> Mapping[str, Any]:
    return as_mapping(as_mapping(node).get("inputs"))


def _same_shape(one: object, other: object) -> bool:
    """Return whether two nodes differ only in values that they hold themselves, not in links."""
    rest, other_rest = dict(as_mapping(one)), dict(as_mapping(other))
    inputs, changed = rest.pop("inputs", None), other_rest.pop("inputs", None)
    return (
        isinstance(inputs, Mapping)
        and isinstance(changed, Mapping)
        and rest == other_rest
        and inputs.keys() == changed.keys()
        and not any(
            isinstance(inputs[name], list) or isinstance(changed[name], list)
            for name in inputs
            if inputs[name] != changed[name]
        )
    )


def _unjudgeable(rule: InputRule, value: object) -> str | None:
    """Return why an input cannot be checked, if so."""
    if not is_checkable(rule.type):
        return f"previs does not know how servers read inputs of type {rule.type}"
    if rule.options and isinstance(value, list):
        return f"a link supplies it, and its value decides which inputs {rule.name}.… the node takes"
    return None


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2  # noqa: PLR2004 - the format: node id, output index


def _alternatives(source: NodeClass, rule: InputRule) -> str:
    """Return the outputs of a source that the input would accept, in words."""
    fitting = [str(index) for index, type_ in enumerate(source.outputs) if accepts_link(rule, type_)]
    return f", output {' or '.join(fitting)} would do" if fitting else ""
