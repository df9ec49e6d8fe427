"""The values of a node's fields, which the editor saves in the order of its fields and without their names."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from previs.comfyui.protocol.classes import ANY, COMBO, InputRule, NodeClass
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault
from previs.workflow.formats.editor.controls import is_button, is_control, refreshing
from previs.workflow.formats.editor.document import EditorNode

# Types that are fields in the editor beside those of every node class, and whose values go to the server as they are.
_PLAIN = frozenset({"COLOR", "MARKDOWN", "TEXTAREA", "AUDIO_RECORD"})
_MADE_BY_EDITOR = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM"})
_DYNAMIC = frozenset({"COMFY_DYNAMICCOMBO_V3", "COMFY_AUTOGROW_V3", "COMFY_DYNAMICSLOT_V3"})
_LORA_ROWS = "Power Lora Loader (rgthree)"
_FILE_NAME = re.compile(r".*\.\w{2,11}")
_MISSING = object()


@dataclass(frozen=True, slots=True)
class WidgetValue:
    """A field's value as saved, and the rule that it is held against."""

    rule: InputRule
    value: Any


class WrongTypeError(ValueError):
    """A value is none that a rule takes at all; says what would be."""


def widget_values(
    node: EditorNode, node_class: NodeClass, linked: frozenset[str], place: str
) -> tuple[list[WidgetValue], list[Fault]]:
    """Find the values of a node's fields.

    Args:
        node: as saved.
        node_class: what the server tells of its class.
        linked: names of inputs that a link gives a value.
        place: of the node, for faults.
    """
    faults = [fault for rule in node_class.inputs.values() if (fault := _unreadable(rule, node, linked, place))]
    if faults:
        return [], faults
    found = _by_order(node, node_class) if node.named_values is None else _by_name(node, node_class)
    return [*found, *_loras(node)], []


def _unreadable(rule: InputRule, node: EditorNode, linked: frozenset[str], place: str) -> Fault | None:
    """Find what the file alone does not tell."""
    if rule.name in linked:
        return None
    if rule.type in _MADE_BY_EDITOR:
        remedy = "the editor makes its value when it queues: take the node out, or give the picture by LoadImage"
        return Fault(place, rule.name, rule.type, remedy)
    inner = [socket for socket in node.sockets if socket.name.startswith(f"{rule.name}.")]
    if rule.type in _DYNAMIC and node.named_values is None and (rule.type != "COMFY_AUTOGROW_V3" or _any_field(inner)):
        remedy = (
            "the fields that this one brings with it have no names in the file: "
            'save it with a newer ComfyUI, or use its "Export (API)" and give that file'
        )
        return Fault(place, rule.name, rule.type, remedy)
    return None


def _any_field(sockets: Sequence[Any]) -> bool:
    return any(socket.widget is not None for socket in sockets)


def _is_field(rule: InputRule, node: EditorNode) -> bool:
    if rule.held or (rule.type in _PLAIN and not rule.linked_only):
        return True
    return not rule.linked_only and any(socket.widget == rule.name for socket in node.sockets)


def _by_name(node: EditorNode, node_class: NodeClass) -> Iterator[WidgetValue]:
    """Read values that have names.

    Custom nodes that save nothing but names have fields there that the server takes and does not tell of.
    """
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
    """Read the rows of rgthree's loader, which its server side knows by number and does not tell of."""
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
    """Leave out the values of inputs that became links only: editors before 1.16 saved one for them, too."""
    dummies = {
        rule.name for rule in node_class.inputs.values() if rule.linked_only and replace(rule, linked_only=False).held
    }
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
    """Give the fields as the file lists them where it lists them all, and the class has got others since."""
    names = [socket.widget for socket in node.sockets if socket.widget is not None]
    plain = [value for value in values if not is_control(value)]
    if not names or len(names) != len(plain) or set(names) == {rule.name for rule in rules}:
        return None
    return [node_class.inputs.get(name) or InputRule(name, ANY, required=True) for name in names]


def _aligned(rules: list[InputRule], values: list[Any], *, uploads: bool) -> Iterator[Any]:
    """Give the value of each field, without what the editor adds for itself in between."""
    position = 0
    for index, rule in enumerate(rules):
        to_come = rules[index:]
        if index and uploads and not rule.required and rules[index - 1].required:
            while len(values) - position > len(to_come) and is_button(values[position]):
                position += 1
        yield values[position] if position < len(values) else _MISSING
        position += 1
        position += _added_after(rule, rules[index + 1 :], values[position:])


def _added_after(rule: InputRule, to_come: list[InputRule], values: list[Any]) -> int:
    """Count the values after a field that are the editor's own."""
    spare = len(values) - len(to_come)
    if rule.type == COMBO and spare > 0 and refreshing(values):
        return refreshing(values)
    if rule.controlled and spare > 0 and isinstance(values[0], bool):
        return 1  # The first editors had a switch there: a new seed after each run.
    if not values or not is_control(values[0]) or rule.type not in ("INT", "FLOAT", COMBO):
        return 0
    if to_come and spare <= 0 and _takes(to_come[0], values[0]):
        return 0
    if not rule.controlled and (rule.type != "INT" or (to_come and _takes(to_come[0], values[0]))):
        return 0
    filtered = rule.type == COMBO and spare > 1 and isinstance(values[1], str)
    return 2 if filtered else 1


def _takes(rule: InputRule, value: str) -> bool:
    if rule.type == COMBO:
        return rule.choices is None or value in rule.choices
    return rule.type not in ("INT", "FLOAT", "BOOLEAN")


def default_of(rule: InputRule) -> Any:  # noqa: ANN401 - whatever a server tells
    """Give the value that the editor gives a field that has none; none where it would take the first file it finds."""
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
    """Give a field's value as the server takes it.

    Raises:
        MisfitError: The value is of another kind, so that it must be another field's.
    """
    if isinstance(value, list):
        if rule.type in ("INT", "FLOAT", "STRING", "BOOLEAN") or (rule.type == COMBO and not rule.several):
            raise WrongTypeError(_kind(rule))
        # A list of two would be taken for a link; the server unwraps it.
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
    if not isinstance(value, str | int | float):
        raise WrongTypeError(_kind(rule))
    texts_only = bool(rule.choices) and all(isinstance(choice, str) for choice in rule.choices or ())
    if texts_only and not isinstance(value, str):
        raise WrongTypeError(_kind(rule))


def _kind(rule: InputRule) -> str:
    return {
        "INT": "a whole number",
        "FLOAT": "a number",
        "STRING": "a text",
        "BOOLEAN": "true or false",
    }.get(rule.type, f"one of {format_value(list(rule.choices or ()))}")
