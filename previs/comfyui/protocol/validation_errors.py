"""Explain why a server refused a graph; pure.

``POST /prompt`` answers 400 with ``error`` (for the graph as a whole) and ``node_errors`` (by node id), or 200 with
``node_errors`` if only some outputs were refused. Forms seen on ComfyUI 0.3.64.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.wire import as_list, as_mapping
from previs.errors import MOST_FAULTS, Fault
from previs.text.similar import Budget, closest
from previs.text.visible import shortened, visible

_NODE_ID = re.compile(r"Node ID '#(.*)'")
_MAX_CHOICES = 12
_LONGEST_MESSAGE = 200


def classes_to_ask(body: Mapping[str, Any]) -> set[str]:
    """Return node classes whose choices the refusal omits; servers omit lists of over 20 entries."""
    return {
        str(node.get("class_type"))
        for _, node, error in islice(_input_errors(body), MOST_FAULTS)
        if error.get("type") == "value_not_in_list" and not as_mapping(error.get("extra_info")).get("input_config")
    }


def faults_of(body: Mapping[str, Any], graph: Graph, object_info: Mapping[str, Any] | None = None) -> tuple[Fault, ...]:
    """Return the first 50 faults that a refusal of a graph reports; :func:`more_faults` counts the others.

    With descriptions of the classes of :func:`classes_to_ask` in ``object_info``, choices can be named.
    """
    budget = Budget()
    errors = islice(_input_errors(body), MOST_FAULTS)
    faults = [_input_fault(node_id, node, error, object_info or {}, budget) for node_id, node, error in errors]
    return tuple(faults) or (_graph_fault(body, graph),)


def more_faults(body: Mapping[str, Any]) -> int:
    """Return how many faults a refusal reports beyond those of :func:`faults_of`."""
    return sum(1 for _ in islice(_input_errors(body), MOST_FAULTS, None))


def _graph_fault(body: Mapping[str, Any], graph: Graph) -> Fault:
    error = body.get("error")
    if not isinstance(error, Mapping):
        return Fault("the graph", "", _message(error or ""), "the server gave no readable reason")
    message, details = _message(error.get("message", "")), _message(error.get("details", ""))
    if error.get("type") in ("prompt_no_outputs", "no_prompt"):
        return Fault("the graph", "", message, "add an output node that saves, such as SaveImage")
    if found := _NODE_ID.search(details):
        node_id = shortened(found[1])
        class_type = shortened(str(as_mapping(graph.get(found[1])).get("class_type", "no class_type")))
        remedy = "install the custom node on the server, or replace the node"
        return Fault(f"node {node_id} ({class_type})", "class_type", message, remedy)
    return Fault("the graph", "", f"{message} {details}".strip(), "see the server's log")


def _input_fault(
    node_id: str, node: Mapping[str, Any], error: Mapping[str, Any], object_info: Mapping[str, Any], budget: Budget
) -> Fault:
    class_type = str(node.get("class_type", "?"))
    extra = as_mapping(error.get("extra_info"))
    name = str(extra.get("input_name") or error.get("details") or "")
    place = f"node {shortened(node_id)} ({shortened(class_type)})"
    config = extra.get("input_config") or _config(object_info, class_type, name)
    received = extra.get("received_value")
    value = "" if received is None else shortened(repr(received))
    match error.get("type"):
        case "required_input_missing":
            remedy = "this input is required and was not given"
        case "value_not_in_list":
            remedy = _choices(config, received, budget)
        case "value_smaller_than_min" | "value_bigger_than_max":
            remedy = _range(config)
        case "invalid_input_type":
            remedy = f"wants {_kind(config)}"
        case "return_type_mismatch" | "bad_linked_input":
            value, remedy = _message(error.get("details", "")), f"wants a link to {_kind(config)}"
        case _:
            remedy = shortened(f"{error.get('message', '')}: {error.get('details', '')}", 500)
    # A remedy may have several lines, and this one comes from a server.
    return Fault(place, shortened(name), value, visible(remedy))


def _message(said: object) -> str:
    return shortened(str(said), _LONGEST_MESSAGE)


def _config(object_info: Mapping[str, Any], class_type: str, name: str) -> Any:  # noqa: ANN401 - as the wire has it
    sections = as_mapping(as_mapping(object_info.get(class_type)).get("input")).values()
    return next((section[name] for section in map(as_mapping, sections) if name in section), None)


def _choices(config: Any, received: object, budget: Budget) -> str:  # noqa: ANN401 - as the wire has it
    match config:
        case [list() as choices, *_] | ["COMBO", {"options": list() as choices}, *_]:
            known = [str(choice) for choice in choices]
        case _:
            return "the server does not know this name"
    if not known:
        return "the server has none installed"
    if len(known) <= _MAX_CHOICES:
        return "the server has " + ", ".join(map(_message, known))
    close = closest(str(received), known, budget=budget, cutoff=0.3) or known[:3]
    return f"the server has {len(known)} others, the closest are {', '.join(map(_message, close))}"


def _range(config: Any) -> str:  # noqa: ANN401 - as the wire has it
    options = as_mapping(config[1]) if isinstance(config, list) and len(config) > 1 else {}
    return f"must be from {_message(options.get('min', '?'))} to {_message(options.get('max', '?'))}"


def _kind(config: Any) -> str:  # noqa: ANN401 - as the wire has it
    kind = config[0] if isinstance(config, list) and config and isinstance(config[0], str) else "another type"
    return {"INT": "a whole number", "FLOAT": "a number", "STRING": "text", "BOOLEAN": "true or false"}.get(
        kind, _message(kind)
    )


def _node_errors(body: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {key: node for key, node in as_mapping(body.get("node_errors")).items() if isinstance(node, Mapping)}


def _input_errors(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    return ((str(node_id), node, error) for node_id, node in _node_errors(body).items() for error in _errors(node))


def _errors(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [error for error in as_list(node.get("errors")) if isinstance(error, Mapping)]
