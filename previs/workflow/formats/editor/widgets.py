"""Match a node's widget values to its inputs; the editor saves them in display order, without names."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from previs.comfyui.protocol.classes import ANY, AUTOGROW, COMBO, DYNAMIC_COMBO, InputRule, NodeClass
from previs.comfyui.protocol.input_check import describe_rule, format_value
from previs.errors import Fault
from previs.workflow.formats.editor.controls import is_button, is_control, refreshing
from previs.workflow.formats.editor.document import EditorNode
from previs.workflow.formats.editor.values import default_of

# Types that only the editor knows as widgets; their values go to the server unchanged.
_PLAIN = frozenset({"COLOR", "MARKDOWN", "TEXTAREA", "AUDIO_RECORD"})
_MADE = frozenset({"LOAD_3D", "LOAD_3D_ANIMATION", "WEBCAM"})
# Widgets that only show something: the editor sends these values, whatever the file holds.
_FOR_DISPLAY: Mapping[str, Any] = {"IMAGECOMPARE": ["", ""]}
_OPEN = frozenset({"COMFY_DYNAMICSLOT_V3"})
_CUSTOM_COMBO = "CustomCombo"
_LORA_ROWS = "Power Lora Loader (rgthree)"
_MISSING = object()
MADE_BY_EDITOR = object()
"""Stands for a value that the editor makes when it queues."""


@dataclass(frozen=True, slots=True)
class WidgetValue:
    """Pair a saved value with the rule of its input."""

    rule: InputRule
    value: Any


def widget_values(
    node: EditorNode, node_class: NodeClass, linked: frozenset[str], place: str
) -> tuple[list[WidgetValue], list[Fault]]:
    """Return the values of a node's widgets, and faults; ``linked`` names the inputs that a link supplies."""
    if faults := [_unnamed(rule, place) for rule in node_class.inputs.values() if _needs_names(rule, node, linked)]:
        return [], faults
    found = _by_order(node, node_class) if node.named_values is None else _by_name(node, node_class)
    fields = [*found, *_loras(node), *_custom_choices(node)]
    open_fields = [each for each in fields if each.rule.name not in linked]
    if faults := [fault for each in open_fields if (fault := _unreadable(each, node, place))]:
        return [], faults
    return [each for each in fields if each.value is not MADE_BY_EDITOR], []


def _needs_names(rule: InputRule, node: EditorNode, linked: frozenset[str]) -> bool:
    """Return whether a file without names leaves open which values belong to an input."""
    if node.named_values is not None or rule.name in linked:
        return False
    inner = any(socket.widget is not None and socket.name.startswith(f"{rule.name}.") for socket in node.sockets)
    return rule.type in _OPEN or (rule.type == AUTOGROW and inner) or (rule.type == DYNAMIC_COMBO and not rule.options)


def _unnamed(rule: InputRule, place: str) -> Fault:
    remedy = (
        "the fields that depend on this one have no names in the file: "
        'save it with a newer ComfyUI, or use its "Export (API)" and give that file'
    )
    return Fault(place, rule.name, rule.type, remedy)


def _unreadable(field: WidgetValue, node: EditorNode, place: str) -> Fault | None:
    """Report a value that is not in the file, or one whose fields cannot be told from those that follow."""
    rule = field.rule
    if field.value is MADE_BY_EDITOR:
        remedy = "the editor makes its value when it queues: remove the node, or load the picture with LoadImage"
        return Fault(place, rule.name, rule.type, remedy)
    if rule.options and node.named_values is None and field.value not in (rule.values or ()):
        remedy = f"the class has no such option: give {describe_rule(rule)}, in ComfyUI, and save"
        return Fault(place, rule.name, format_value(field.value), remedy)
    return None


def _is_field(rule: InputRule, fields: Collection[str]) -> bool:
    if rule.linked_only:
        return False
    return rule.held or rule.type in _PLAIN | _MADE or rule.name in fields


def _shown(node: EditorNode) -> frozenset[str]:
    """Return the names of the inputs that the file marks as fields."""
    return frozenset(socket.widget for socket in node.sockets if socket.widget is not None)


def _value_of(rule: InputRule, saved: Any) -> Any:  # noqa: ANN401 - whatever a file holds
    if rule.type in _FOR_DISPLAY:
        return _FOR_DISPLAY[rule.type]
    if rule.type in _MADE:
        return MADE_BY_EDITOR
    return default_of(rule) if saved is _MISSING or saved is None else saved


def _by_name(node: EditorNode, node_class: NodeClass) -> Iterator[WidgetValue]:
    """Read values by name; custom nodes that save only names include fields that the server does not declare."""
    named, found = node.named_values or {}, set[str]()
    for each in _named_fields(node_class.inputs.values(), named, _shown(node)):
        found.add(each.rule.name)
        yield each
    for name, value in named.items():
        head, *parts = name.split(".")
        grown = head in node_class.inputs if node.values else all(part.isidentifier() for part in (head, *parts))
        known = name in found or name in node_class.inputs
        if grown and not known and not is_control(value) and isinstance(value, str | int | float):
            yield WidgetValue(InputRule(name, ANY, required=False), value)


def _named_fields(
    rules: Iterable[InputRule], named: Mapping[str, Any], fields: Collection[str]
) -> Iterator[WidgetValue]:
    for rule in rules:
        if _is_field(rule, fields):
            value = _value_of(rule, named.get(rule.name))
            yield WidgetValue(rule, value)
            yield from _named_fields(rule.option_inputs(value), named, fields)


def _loras(node: EditorNode) -> Iterator[WidgetValue]:
    """Read the rows of rgthree's loader; its server side numbers them and does not declare them."""
    values = (node.values or (node.named_values or {}).values()) if node.type == _LORA_ROWS else ()
    rows = [value for value in values if isinstance(value, Mapping) and "lora" in value]
    for number, row in enumerate(rows, start=1):
        yield WidgetValue(InputRule(f"lora_{number}", ANY, required=False), row)


def _custom_choices(node: EditorNode) -> Iterator[WidgetValue]:
    """Read the list of choices that an artist gave a node, which the editor sends in inputs of its own making."""
    if node.type == _CUSTOM_COMBO and node.named_values is None:
        for number, value in enumerate(node.values[1:]):
            yield WidgetValue(InputRule(f"option{number}" if number else "index", ANY, required=False), value)


def _by_order(node: EditorNode, node_class: NodeClass) -> Iterator[WidgetValue]:
    fields = _shown(node)
    rules = [rule for rule in node_class.inputs.values() if _is_field(rule, fields)]
    values = node.values
    if any(rule.options for rule in rules):
        yield from _aligned(rules, values, fields)
        return
    values = tuple(_without_dummies(values, rules, node_class))
    order = _saved_order(node, node_class, rules, values)
    if order is None:
        yield from _aligned(rules, values, fields)
        return
    found = {each.rule.name: each for each in _aligned(order, values, fields)}
    yield from (found.get(rule.name) or WidgetValue(rule, _value_of(rule, _MISSING)) for rule in rules)


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
    node: EditorNode, node_class: NodeClass, rules: list[InputRule], values: Sequence[Any]
) -> list[InputRule] | None:
    """Return the fields as the file lists them, if it lists all and the class has changed since."""
    names = [socket.widget for socket in node.sockets if socket.widget is not None]
    plain = [value for value in values if not is_control(value)]
    if not names or len(names) != len(plain) or set(names) == {rule.name for rule in rules}:
        return None
    return [node_class.inputs.get(name) or InputRule(name, ANY, required=True) for name in names]


def _aligned(rules: list[InputRule], values: Sequence[Any], fields: Collection[str]) -> Iterator[WidgetValue]:
    """Yield each field with its value, skipping the editor's own values; a combo's value brings further fields."""
    uploads = any(rule.uploaded for rule in rules)
    pending, position, after_required = deque(rules), 0, False
    while pending:
        if uploads and after_required and not pending[0].required:
            while len(values) - position > len(pending) and is_button(values[position]):
                position += 1
        rule = pending.popleft()
        value = _value_of(rule, values[position] if position < len(values) else _MISSING)
        yield WidgetValue(rule, value)
        position += 1
        pending.extendleft(reversed([each for each in rule.option_inputs(value) if _is_field(each, fields)]))
        position += _added_after(rule, list(pending), values[position:])
        after_required = rule.required


def _added_after(rule: InputRule, remaining: list[InputRule], values: Sequence[Any]) -> int:
    """Count the editor's own values after a field."""
    spare = len(values) - len(remaining)
    if rule.type == COMBO and spare > 0 and refreshing(values):
        return refreshing(values)
    if rule.controlled and spare > 0 and isinstance(values[0], bool | None):
        return 1  # The first editors saved a switch there: a new seed after each run; Efficiency nodes save null.
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
