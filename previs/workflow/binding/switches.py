"""Leave of each switch whose choice is constant only the input that it chooses."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from previs.comfyui.protocol.graph import Graph, Node, is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.traversal import outputs_of, upstream

# Inputs of switches by condition, in lower case: ComfyUI's own, Impact Pack's, and those of packs that name them alike.
_TRUE = ("true", "tt_value")
_FALSE = ("false", "ff_value")
_SELECTORS = frozenset({"select", "index"})
_NUMBERED = re.compile(r"(?P<stem>.*?)_?(?P<number>(?<![0-9])[0-9]{1,9})")
# Nodes of rgthree-comfy that hand on the first input that is not empty.
_FIRST = frozenset({"Any Switch (rgthree)", "Context Switch (rgthree)", "Context Switch Big (rgthree)"})
# ComfyUI's own nodes that can be bypassed, with the input that they then hand on.
_BYPASSED = {"LTXVImgToVideoInplace": "latent"}
_HANDS_ON = re.compile(r"primitive.*|reroute.*|.*switch.*|.*(boolean|bool|int|integer|constant)", re.IGNORECASE)


def with_choices_made(graph: Graph) -> Graph:
    """Return the graph with each constant switch reduced to one input, which its node hands on.

    Servers do not run what only the other inputs need, so nothing in it takes a shot's values.
    """
    reduced = dict(graph)
    constants: dict[str, object] = {}
    for node_id in upstream(graph, graph):
        node = reduced[node_id]
        name = _chosen(reduced, node, constants)
        if name is not None and name in node["inputs"]:
            reduced[node_id] = {**node, "inputs": {name: node["inputs"][name]}}
    return reduced


def turned_away(graph: Graph, overrides: Mapping[Slot, Any], slots: Iterable[Slot]) -> list[str]:
    """Return the nodes of inputs that outputs depend on as the graph is saved, and not with some overrides."""
    if not overrides:
        return []
    changed: Graph = dict(graph)
    for (node_id, name), value in overrides.items():
        changed[node_id] = {**changed[node_id], "inputs": {**changed[node_id]["inputs"], name: value}}
    before, after = _live_inputs(graph), _live_inputs(changed)
    return [slot[0] for slot in slots if slot in before and slot not in after]


def _live_inputs(graph: Graph) -> set[Slot]:
    reduced = with_choices_made(graph)
    return {(i, name) for i in upstream(reduced, outputs_of(reduced)) for name in reduced[i]["inputs"]}


def _chosen(graph: Graph, node: Node, constants: dict[str, object]) -> str | None:
    """Return the input that a switch chooses; None if the node is no switch or its choice is not constant."""
    inputs = node["inputs"]
    if node["class_type"] in _FIRST:
        return min((name for name, value in inputs.items() if is_link(value)), default=None)
    if node["class_type"] in _BYPASSED:
        return _BYPASSED[node["class_type"]] if _constant(graph, inputs.get("bypass"), constants) is True else None
    by_condition = {name: _condition(name) for name in inputs}
    branches = {condition: name for name, condition in by_condition.items() if condition is not None}
    rest = [name for name, condition in by_condition.items() if condition is None]
    if branches and len(rest) == 1 and len(branches) == len(inputs) - 1:
        choice = _constant(graph, inputs[rest[0]], constants)
        return branches.get(choice) if isinstance(choice, bool) else None
    return _chosen_by_number(graph, inputs, constants)


def _condition(name: str) -> bool | None:
    plain = name.casefold()
    if plain.endswith(_TRUE):
        return True
    return False if plain.endswith(_FALSE) else None


def _chosen_by_number(graph: Graph, inputs: Mapping[str, Any], constants: dict[str, object]) -> str | None:
    selector = next((name for name in inputs if name in _SELECTORS), None)
    found = {name: match for name in inputs if (match := _NUMBERED.fullmatch(name)) and is_link(inputs[name])}
    linked = [name for name, value in inputs.items() if is_link(value) and name != selector]
    if selector is None or not found or len(found) != len(linked) or len({each["stem"] for each in found.values()}) > 1:
        return None
    number = _constant(graph, inputs[selector], constants)
    if isinstance(number, bool) or not isinstance(number, int):
        return None
    return next((name for name, match in found.items() if int(match["number"]) == number), None)


def _constant(graph: Graph, value: object, constants: dict[str, object]) -> object:
    """Return what a value is: itself, or what a primitive behind its links holds; None if it is computed.

    ``constants`` remembers the constants of nodes, whose sources do not change any more.
    """
    path: list[str] = []
    while is_link(value):
        if value[0] in constants:
            value = constants[value[0]]
            break
        path.append(value[0])
        inputs = graph[value[0]]["inputs"]
        hands_on = len(inputs) == 1 and _HANDS_ON.fullmatch(graph[value[0]]["class_type"])
        value = next(iter(inputs.values())) if hands_on else None
    constants.update(dict.fromkeys(path, value))
    return value
