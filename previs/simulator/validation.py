"""Validate a prompt as ComfyUI does, with the error messages that ``POST /prompt`` answers.

Pure: the caller passes the answer to ``GET /object_info`` and the names of input files.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.graph import Graph, Node
from previs.simulator.dynamic_inputs import declared_inputs

Reason = dict[str, Any]
Value = Any
"""Any JSON value."""
Declared = tuple[Value, dict[str, Any]]
"""Declaration of an input: its type or list of choices, and its configuration."""

LONGEST_LIST_SHOWN = 20
"""Maximum of choices that ComfyUI lists in an error; of more it gives the number only."""

_CONVERSIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
_ANY = frozenset({"*", "COMFY_MATCHTYPE_V3"})
"""Types that fit every other; ComfyUI leaves those that must match each other to its editor."""
_UNCHECKED = frozenset({("CustomCombo", "choice")})
"""Inputs whose choices are not in ``object_info``: the node takes any."""
_UPLOADS = {"image_upload": "image", "audio_upload": "audio", "video_upload": "video"}
"""Switches of choices whose classes look for the file; ``Painter.mask``, a text, is read only when the node runs."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Represent the result of a validation.

    Attributes:
        graph: Graph with its values converted to the types of their inputs, as the server runs it.
        outputs: Ids of the output nodes that can run, in the graph's order.
        error: ``error`` in the answer; None if at least one output can run.
        node_errors: ``node_errors`` in the answer; may be filled without an ``error``.
    """

    graph: Graph
    outputs: tuple[str, ...]
    error: dict[str, Any] | None
    node_errors: dict[str, Any]


class BrokenNodeError(Exception):
    """Report a node that makes ComfyUI 0.33.0 fail while it reads the graph."""


def validate(
    graph: Mapping[str, Any],
    object_info: Mapping[str, Any],
    *,
    input_files: Container[str] = (),
    names_missing_nodes: bool = False,
) -> ValidationResult:
    """Validate a graph in API format as ComfyUI does before it queues it; the graph is not changed.

    Args:
        graph: Nodes by id.
        object_info: Node classes.
        input_files: Names of files that loaders find, with subfolders: ``storyboard/hero.png``.
        names_missing_nodes: Whether to refuse unknown nodes as ComfyUI 0.33.0 does; see
            :class:`previs.simulator.versions.Version`.

    Raises:
        BrokenNodeError: With ``names_missing_nodes``, a node is no object.
    """
    missing = _missing_node if names_missing_nodes else _invalid_prompt
    candidates: list[str] = []
    for node_id, node in graph.items():
        if not isinstance(node, dict) or "class_type" not in node:
            return missing(node_id, node)
        class_type = node["class_type"]
        if not isinstance(class_type, str) or class_type not in object_info:
            return missing(node_id, node)
        if object_info[class_type]["output_node"]:
            candidates.append(node_id)
    if not candidates:
        return _refused("prompt_no_outputs", "Prompt has no outputs", "", {})
    return _Validation(_copied(graph), object_info, input_files).validate_outputs(candidates)


def _copied(graph: Mapping[str, Any]) -> Graph:
    """Return a copy whose inputs can be changed; leave out inputs that are not a mapping."""
    copied: dict[str, Any] = {}
    for node_id, node in graph.items():
        copied[node_id] = {name: value for name, value in node.items() if name != "inputs"}
        if isinstance(node.get("inputs"), dict):
            copied[node_id]["inputs"] = dict(node["inputs"])
    return copied


def _refused(kind: str, message: str, details: str, node_errors: dict[str, Any]) -> ValidationResult:
    return ValidationResult({}, (), _reason(kind, message, details, {}), node_errors)


def _invalid_prompt(node_id: str, node: Value) -> ValidationResult:
    """Refuse a node without a known class as ComfyUI 0.3.64 does."""
    named = isinstance(node, dict) and "class_type" in node
    why = f"node {node['class_type']} does not exist." if named else "a node is missing the class_type property."
    return _refused("invalid_prompt", f"Cannot execute because {why}", f"Node ID '#{node_id}'", {})


def _missing_node(node_id: str, node: Value) -> ValidationResult:
    """Refuse a node without a known class as ComfyUI 0.33.0 does."""
    meta = node.get("_meta", {}) if isinstance(node, dict) else None
    if not isinstance(meta, dict):
        raise BrokenNodeError(node_id)
    class_type = node.get("class_type")
    title = meta.get("title", class_type)
    message = f"Node '{title}' not found. The custom node may not be installed."
    if "class_type" not in node:
        name = title or f"ID #{node_id}"
        message = f"Node '{name}' has no class_type. The workflow may be corrupted or a custom node is missing."
    extra = {"node_id": node_id, "class_type": class_type, "node_title": title}
    return ValidationResult({}, (), _reason("missing_node_type", message, f"Node ID '#{node_id}'", extra), {})


@dataclass(slots=True)
class _NodeResult:
    valid: bool
    reasons: list[Reason]


@dataclass(slots=True)
class _Validation:
    graph: Graph
    object_info: Mapping[str, Any]
    input_files: Container[str]
    results: dict[str, _NodeResult] = field(default_factory=dict)
    open_nodes: set[str] = field(default_factory=set)

    def validate_outputs(self, candidates: list[str]) -> ValidationResult:
        good: list[str] = []
        sentences: list[str] = []
        node_errors: dict[str, Any] = {}
        for output in candidates:
            try:
                result = self._validate_node(output)
            except LookupError as broken:
                result = _NodeResult(valid=False, reasons=[_raised("exception_during_validation", broken, {})])
                self.results[output] = result
            if result.valid:
                good.append(output)
                continue
            sentences += [f"{reason['message']}: {reason['details']}" for reason in result.reasons]
            self._add_errors(output, node_errors)
        if good:
            return ValidationResult(graph=self.graph, outputs=tuple(good), error=None, node_errors=node_errors)
        kind, message = "prompt_outputs_failed_validation", "Prompt outputs failed validation"
        return _refused(kind, message, "\n".join(sentences), node_errors)

    def _add_errors(self, output: str, node_errors: dict[str, Any]) -> None:
        # ComfyUI reports every error found so far for this output too, also those of earlier outputs.
        for node_id, result in self.results.items():
            if not result.valid and result.reasons:
                class_type = self.graph[node_id]["class_type"]
                entry = {"errors": result.reasons, "dependent_outputs": [], "class_type": class_type}
                node_errors.setdefault(node_id, entry)["dependent_outputs"].append(output)

    def _validate_node(self, node_id: str) -> _NodeResult:
        """Validate a node and the nodes before it; raise LookupError if a link leads nowhere, as ComfyUI does."""
        if node_id in self.results:
            return self.results[node_id]
        if node_id in self.open_nodes:
            raise _EndlessError
        self.open_nodes.add(node_id)
        node = self.graph[node_id]
        inputs = node["inputs"]
        result = _NodeResult(valid=True, reasons=[])
        for name, required, kind, config in declared_inputs(self.object_info[node["class_type"]], inputs):
            if name in inputs:
                unchecked = (node["class_type"], name) in _UNCHECKED
                self._check_input(result, inputs, name, ("*" if unchecked else kind, config))
            elif required:
                reason = _reason("required_input_missing", "Required input is missing", name, {"input_name": name})
                result.reasons.append(reason)
        result.reasons += self._missing_files(node)
        result.valid = result.valid and not result.reasons
        self.open_nodes.discard(node_id)
        return self.results.setdefault(node_id, result)

    def _check_input(self, result: _NodeResult, inputs: dict[str, Any], name: str, declared: Declared) -> None:
        value = inputs[name]
        if isinstance(value, list):
            result.valid &= self._check_link(result.reasons, name, value, declared)
            return
        converted, reason = _converted(name, value, declared)
        reason = reason or _out_of_range(name, converted, declared) or _not_offered(name, converted, declared)
        if reason:
            result.reasons.append(reason)
        inputs[name] = converted

    def _check_link(self, reasons: list[Reason], name: str, value: list[Any], declared: Declared) -> bool:
        extra: dict[str, Any] = {"input_name": name, "input_config": list(declared)}
        if len(value) != 2:  # noqa: PLR2004 - the format's own: node id, output index
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            reasons.append(_reason("bad_linked_input", message, name, {**extra, "received_value": value}))
            return True
        source, index = value
        if not isinstance(source, str) or source not in self.graph:
            raise KeyError(source)
        received = _output_type(self.object_info[self.graph[source]["class_type"]], index)
        if not _fits(received, declared[0]):
            details = f"{name}, received_type({received}) mismatch input_type({declared[0]})"
            extra |= {"received_type": received, "linked_node": value}
            reasons.append(_reason("return_type_mismatch", "Return type mismatch between linked nodes", details, extra))
            return True
        try:
            return self._validate_node(source).valid
        except LookupError as broken:
            reason = _raised("exception_during_inner_validation", broken, {**extra, "linked_node": value})
            self.results[source] = _NodeResult(valid=False, reasons=[reason])
            return False

    def _missing_files(self, node: Node) -> Iterator[Reason]:
        for name, _, kind, config in declared_inputs(self.object_info[node["class_type"]], node["inputs"]):
            value = node["inputs"].get(name)
            if kind == "STRING" or not isinstance(value, str) or value in self.input_files:
                continue
            for switch, medium in _UPLOADS.items():
                if config.get(switch):
                    details = f"{name} - Invalid {medium} file: {value}"
                    message = "Custom validation failed for node"
                    yield _reason("custom_validation_failed", message, details, {"input_name": name})


class _EndlessError(LookupError):
    """Report a node that depends on itself; ComfyUI gets Python's ``RecursionError``."""

    def __str__(self) -> str:
        return "maximum recursion depth exceeded"


class _NoSuchOutputError(LookupError):
    """Report a link to an output that its node does not have; ComfyUI gets Python's ``IndexError``."""

    def __str__(self) -> str:
        return "tuple index out of range"


_NAMES_IN_COMFYUI = {_EndlessError: "RecursionError", _NoSuchOutputError: "IndexError"}


def _reason(kind: str, message: str, details: str, extra: dict[str, Any]) -> Reason:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def _raised(kind: str, raised: LookupError, extra: dict[str, Any]) -> Reason:
    message = "Exception when validating inner node" if "inner" in kind else "Exception when validating node"
    name = _NAMES_IN_COMFYUI.get(type(raised), type(raised).__name__)
    more = {"exception_message": str(raised)} if "inner" in kind else {}
    return _reason(kind, message, str(raised), {**extra, **more, "exception_type": name, "traceback": []})


def _output_type(info: Mapping[str, Any], index: object) -> Value:
    outputs = info["output"]
    if not isinstance(index, int) or not -len(outputs) <= index < len(outputs):
        raise _NoSuchOutputError
    return outputs[index]


def _fits(received: Value, expected: Value) -> bool:
    if received == expected or _ANY.intersection(map(str, (received, expected))):
        return True
    if not isinstance(received, str) or not isinstance(expected, str):
        return False
    return bool({part.strip() for part in received.split(",")} & {part.strip() for part in expected.split(",")})


def _converted(name: str, value: Value, declared: Declared) -> tuple[Value, Reason | None]:
    kind, _ = declared
    convert = _CONVERSIONS.get(kind) if isinstance(kind, str) else None
    if isinstance(value, dict) and "__value__" in value:
        value = value["__value__"]
    try:
        return (convert(value) if convert else value), None
    except (TypeError, ValueError, OverflowError) as failure:
        message = f"Failed to convert an input value to a {kind} value"
        extra = {**_received(name, value, declared), "exception_message": str(failure)}
        return value, _reason("invalid_input_type", message, f"{name}, {value}, {failure}", extra)


def _received(name: str, value: Value, declared: Declared) -> dict[str, Any]:
    return {"input_name": name, "input_config": list(declared), "received_value": value}


def _out_of_range(name: str, value: Value, declared: Declared) -> Reason | None:
    _, config = declared
    if not isinstance(value, int | float):
        return None
    extra = _received(name, value, declared)
    if "min" in config and value < config["min"]:
        return _reason("value_smaller_than_min", f"Value {value} smaller than min of {config['min']}", name, extra)
    if "max" in config and value > config["max"]:
        return _reason("value_bigger_than_max", f"Value {value} bigger than max of {config['max']}", name, extra)
    return None


def _not_offered(name: str, value: Value, declared: Declared) -> Reason | None:
    kind, config = declared
    if any(config.get(switch) for switch in _UPLOADS) or config.get("remote"):
        return None
    choices = kind if isinstance(kind, list) else config.get("options", []) if kind == "COMBO" else None
    if choices is None or value in choices:
        return None
    is_long = len(choices) > LONGEST_LIST_SHOWN
    shown = f"(list of length {len(choices)})" if is_long else str(choices)
    extra = _received(name, value, declared) | ({"input_config": None} if is_long else {})
    return _reason("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", extra)
