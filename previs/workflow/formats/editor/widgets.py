"""Match a node's widget values to its inputs; the editor saves them in display order, without names."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from previs.comfyui.protocol.classes import ANY, COMBO, InputRule, NodeClass
from previs.comfyui.protocol.input_check import TYPE_NAMES, format_value
from previs.errors import Fault
from previs.workflow.formats.editor.controls import is_button, is_control, refreshing
from previs.workflow.formats.editor.document import EditorNode

# Types that only the editor knows as widgets; their values go to the server unchanged.
_PLAIN = frozenset({"COLOR", "MARKDOWN", "TEXTAREA", "AUDIO_RECORD"})
_MADE_BY_EDITOR = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM"})
_DYNAMIC = frozenset({"COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICSLOT_V3"})
_LORA_ROWS = "Power Lora Loader (rgthree)"
_FILE_NAME = re.compile(r".*\.\w{2,11}")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class WidgetValue:
    """Pair a saved value with the rule of its input."""

    rule: InputRule
    value: Any


class WrongTypeError(ValueError):
    """Report a value of the wrong type; the text names the right one."""


def widget_values(
    node: EditorNode, node_class: NodeClass, linked: frozenset[str], place: str
) -> tuple[list[WidgetValue], list[Fault]]:
    """Return the values of a node's widgets, and faults; ``linked`` names the inputs that a link supplies."""
    faults = [fault for rule in node_class.inputs.values() if (fault := _unreadable(rule, node, linked, place))]
    if faults:
        return [], faults
    found = _by_order(node, node_class) if node.named_values is None else _by_name(node, node_class)
    return [*found, *_loras(node)], []


def _unreadable(rule: InputRule, node: EditorNode, linked: frozenset[str], place: str) -> Fault | None:
    """Report a widget whose value cannot be read from the file."""
    if rule.name in linked:
        return None
    if rule.type in _MADE_BY_EDITOR:
        remedy = "the editor makes its value when it queues: remove the node, or load the picture with LoadImage"
        return Fault(place, rule.name, rule.type, remedy)
    inner = [socket for socket in node.sockets if socket.name.startswith(f"{rule.name}.")]
    fields = rule.type != "COMFY_AUTOGROW_V3" or any(socket.widget is not None for socket in inner)
    if rule.type in _DYNAMIC and node.named_values is None and fields:
        remedy = (
            "the fields that depend on this one have no names in the file: "
            'save it with a newer ComfyUI, or use its "Export (API)" and give that file'
        )
        return Fault(place, rule.name, rule.type, remedy)
    return None


def _is_field(rule: InputRule, node: EditorNode) -> bool:
    if rule.linked_only:
        return False
    return rule.held or rule.type in _PLAIN or any(socket.widget == rule.name for socket in node.sockets)


def _by_name(node: EditorNode, node_class: NodeClass) -> Iterator[WidgetValue]:
    """Read values by name; custom nodes that save only names include fields that the server does not declare."""
    named = node.named_values or {}
    for rule in node_class.inputs.values():
        if _is_field(rule, node) or (rule.type in _DYNAMIC and rule.name in named):
            value = named.get(rule.name)
            yield WidgetValue(rule, default_of(rule) if value is None else value)
    for name, value in named.items():
        head, *parts = name.split(".")
        grown = head in node_class.inputs if node.values else all(part.isidentifier() for part in (head, *parts))
        if grown and name not in node_class.inputs and not is_control(value) and isinstance(value, str | int | float):
            yield WidgetValue(InputRule(name, ANY, required=False), value)


def _loras(node: EditorNode) -> Iterator[WidgetValue]:
    """Read the rows of rgthree's loader; its server side numbers them and does not declare them."""
    values = (node.values or (node.named_values or {}).values()) if node.type == _LORA_ROWS else ()
    rows = [value for value in values if isinstance(value, Mapping) and "lora" in value]
    for number, row in enumerate(rows, start=1):
        yield WidgetValue(InputRule(f"lora_{number}", ANY, required=False), row)


def _by_order(node: EditorNode, node_class: NodeClass) -> Iterator[WidgetValue]:
    rules = [rule for rule in node_class.inputs.values() if _is_field(rule, node)]
    values = list(_without_dummies(node.values, rules, node_class))
    order = _saved_order(node, node_class, rules, values) or rules
    uploads = any(rule.uploaded for rule in order)
    found = dict(zip((rule.name for rule in order), _aligned(order, values, uploads=uploads), strict=True))
    for rule in rules:
        value = found.get(rule.name, _MISSING)
        yield WidgetValue(rule, default_of(rule) if value is _MISSING or value is None else value)


def _without_dummies(values: Sequence[Any], rules: list[InputRule], node_class: NodeClass) -> Iterator[Any]:
    """Skip values of inputs that became links only; editors before 1.16 saved one for them."""
    rules_of_links = [rule for rule in node_class.inputs.values() if rule.linked_only]
    dummies = {rule.name for rule in rules_of_links if replace(rule, linked_only=False).held}
    slots: list[bool] = []
    for name, rule in node_class.inputs.items():
        if name in dummies or rule in rules:
            slots += [name in dummies, False] if rule.controlled else [name in dummies]
    if dummies and len(slots) == len(values):
        yield from (value for value, dummy in zip(values, slots, strict=True) if not dummy)
    else:
        yield from values


def _saved_order(
    node: EditorNode, node_class: NodeClass, rules: list[InputRule], values: list[Any]
) -> list[InputRule] | None:
    """Return the fields as the file lists them, if it lists all and the class has changed since."""
    names = [socket.widget for socket in node.sockets if socket.widget is not None]
    plain = [value for value in values if not is_control(value)]
    if not names or len(names) != len(plain) or set(names) == {rule.name for rule in rules}:
        return None
    return [node_class.inputs.get(name) or InputRule(name, ANY, required=True) for name in names]


def _aligned(rules: list[InputRule], values: list[Any], *, uploads: bool) -> Iterator[Any]:
    """Yield the value of each field, skipping the editor's own values."""
    position = 0
    for index, rule in enumerate(rules):
        remaining = rules[index:]
        if index and uploads and not rule.required and rules[index - 1].required:
            while len(values) - position > len(remaining) and is_button(values[position]):
                position += 1
        yield values[position] if position < len(values) else _MISSING
        position += 1
        position += _added_after(rule, rules[index + 1 :], values[position:])


def _added_after(rule: InputRule, remaining: list[InputRule], values: list[Any]) -> int:
    """Count the editor's own values after a field."""
    spare = len(values) - len(remaining)
    if rule.type == COMBO and spare > 0 and refreshing(values):
        return refreshing(values)
    if rule.controlled and spare > 0 and isinstance(values[0], bool):
        return 1  # The first editors saved a switch there: a new seed after each run.
    if not values or not is_control(values[0]) or rule.type not in ("INT", "FLOAT", COMBO):
        return 0
    if remaining and spare <= 0 and _takes(remaining[0], values[0]):
        return 0
    if not rule.controlled and (rule.type != "INT" or (remaining and _takes(remaining[0], values[0]))):
        return 0
    filtered = rule.type == COMBO and spare > 1 and isinstance(values[1], str)
    return 2 if filtered else 1


def _takes(rule: InputRule, value: str) -> bool:
    if rule.type == COMBO:
        return rule.choices is None or value in rule.choices
    return rule.type not in ("INT", "FLOAT", "BOOLEAN")


def default_of(rule: InputRule) -> Any:  # noqa: ANN401 - whatever a server declares
    """Return the editor's default for a field; None if it would be the first file found."""
    if rule.default is not None:
        return rule.default
    match rule.type:
        case "INT" | "FLOAT":
            return max(rule.minimum or 0, 0)
        case "STRING":
            return ""
        case "BOOLEAN":
            return False
    first = next(iter(rule.choices or ()), None)
    return None if rule.uploaded or (isinstance(first, str) and _FILE_NAME.fullmatch(first)) else first


def coerce(rule: InputRule, value: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    """Convert a field's value to what the server takes.

    Raises:
        WrongTypeError: The value has another type, so it must belong to another field.
    """
    if isinstance(value, list):
        if rule.type in ("INT", "FLOAT", "STRING", "BOOLEAN") or (rule.type == COMBO and not rule.several):
            raise WrongTypeError(_kind(rule))
        # The server would take a list of two for a link; it unwraps this.
        return {"__value__": value}
    match rule.type:
        case "INT" | "FLOAT":
            return _number(rule, value)
        case "BOOLEAN":
            return _boolean(rule, value)
        case "STRING":
            if not isinstance(value, str):
                raise WrongTypeError(_kind(rule))
        case "COMBO":
            _check_choice(rule, value)
    return value


def _number(rule: InputRule, value: Any) -> int | float:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,20}(\.\d{1,20})?\s*", value):
        value = float(value) if "." in value else int(value)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise WrongTypeError(_kind(rule))
    return int(value) if rule.type == "INT" else value


def _boolean(rule: InputRule, value: Any) -> bool:  # noqa: ANN401 - whatever a file holds
    if isinstance(value, bool) or (isinstance(value, int | float) and value in (0, 1)):
        return bool(value)
    raise WrongTypeError(_kind(rule))


def _check_choice(rule: InputRule, value: Any) -> None:  # noqa: ANN401 - whatever a file holds
    texts_only = bool(rule.choices) and all(isinstance(choice, str) for choice in rule.choices or ())
    if not isinstance(value, str) and (texts_only or not isinstance(value, int | float)):
        raise WrongTypeError(_kind(rule))


def _kind(rule: InputRule) -> str:
    return TYPE_NAMES.get(rule.type, f"one of {format_value(list(rule.choices or ()))}")
