"""Read node classes as a server describes them: inputs with their rules, and outputs; pure.

Read from ``object_info``, where an input is ``[type, {settings}]``: a choice is ``[[choices], {…}]``, or
``["COMBO", {"options": [choices], …}]`` in newer nodes. Unreadable parts of a description are left out.

Two kinds of input bring further inputs, whose full names follow theirs after a dot: each option of a dynamic combo has
inputs of its own (``format``, ``format.codec``), and an autogrow input stands for a row (``images.image0``).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from previs.comfyui.protocol.wire import as_list, as_mapping, as_number, as_text

COMBO = "COMBO"
ANY = "*"
DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"
AUTOGROW = "COMFY_AUTOGROW_V3"
MATCH_TYPE = "COMFY_MATCHTYPE_V3"

_SECTIONS = ("required", "optional")
_HELD = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO, DYNAMIC_COMBO})
# Settings that mark choices as files of the input folder, which change with every upload.
_UPLOADED = ("image_upload", "video_upload", "audio_upload", "file_upload")
_SEEDS = frozenset({"seed", "noise_seed"})
_DEEPEST = 8  # Combos within combos; ComfyUI's own nodes nest three.
_LONGEST_ROW = 100  # ComfyUI's own limit.
_MOST_INPUTS = 10_000  # Rows of rows multiply.
_SMALLEST_STEP = 1e-9
_API_CATEGORY = "api node"  # ComfyUI 0.3.64 has no mark of its own for such nodes.


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one option of a dynamic combo: its value, and the inputs that it brings, by their own names."""

    key: Any
    inputs: tuple["InputRule", ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Describe the inputs that an autogrow input stands for.

    Attributes:
        rule: What each of them accepts.
        names: Their own names, in order.
        least: How many of them are required.
    """

    rule: "InputRule"
    names: tuple[str, ...]
    least: int


@dataclass(frozen=True, slots=True)
class InputRule:
    """Describe what a node class accepts for one input.

    Attributes:
        type: ``INT``, ``FLOAT``, ``STRING``, ``BOOLEAN``, ``COMBO`` for a choice, or the type of a link such as
            ``IMAGE``; several types are separated by commas, and ``*`` is any type. For a match type, the allowed ones.
        choices: Choices of a ``COMBO``; None if the server lists none.
        multiline: Whether a text has several lines, as prompts do.
        linked_only: Whether the editor shows no widget (``forceInput``), so that only a link is possible.
        controlled: Whether the editor adds a widget after it that sets what happens to the value after each run
            (``control_after_generate``). Editors do so for every seed, whether or not the server asks for it.
        uploaded: Whether the choices are files of the input folder, which change with every upload.
        several: Whether the input takes a list of choices.
        dynamic: Whether the editor strips comments from a text and takes one choice of ``{a|b}``.
        widget: Type of the editor's widget if the server names one for an input that may also be linked.
        drawn: Whether the editor has a widget of its own for the type, so that a node holds the value.
        options: Options of a dynamic combo.
        row: Inputs that an autogrow input stands for.
    """

    name: str
    type: str
    required: bool
    choices: tuple[Any, ...] | None = None
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    multiline: bool = False
    linked_only: bool = False
    controlled: bool = False
    uploaded: bool = False
    several: bool = False
    dynamic: bool = False
    widget: str = ""
    drawn: bool = False
    options: tuple[Option, ...] = ()
    row: Row | None = None

    @property
    def held(self) -> bool:
        """Return whether a node may hold the value itself, in a widget of the editor."""
        return (self.kind in _HELD or self.drawn) and not self.linked_only

    @property
    def kind(self) -> str:
        """Return the type of the value that a node may hold."""
        return self.widget or self.type

    @property
    def link_types(self) -> frozenset[str]:
        """Return the types that a link into this input may have."""
        return frozenset(part.strip() for part in self.type.split(","))

    @property
    def values(self) -> tuple[Any, ...] | None:
        """Return the values to choose from: the choices, or the keys of a dynamic combo's options."""
        return tuple(option.key for option in self.options) if self.options else self.choices

    def option_inputs(self, value: object) -> tuple["InputRule", ...]:
        """Return the rules, by full names, that a dynamic combo's value brings."""
        chosen = next((option.inputs for option in self.options if option.key == value), ())
        return tuple(replace(rule, name=f"{self.name}.{rule.name}") for rule in chosen)

    def row_inputs(self, given: Collection[str]) -> Iterator["InputRule"]:
        """Yield the rules, by full names, of an autogrow input's required inputs and of those in ``given``."""
        if self.row is None:
            return
        for index, own_name in enumerate(self.row.names):
            name, required = f"{self.name}.{own_name}", index < self.row.least
            if required or name in given:
                yield replace(self.row.rule, name=name, required=required and self.row.rule.required)


@dataclass(frozen=True, slots=True)
class NodeClass:
    """Describe a node class of a server.

    Attributes:
        inputs: Rules by input name, in the editor's order: required inputs, then optional ones.
        outputs: Types of the outputs.
        output_names: Names that the editor shows, one for each output.
        is_output: Whether it is an output node: a graph runs only the nodes that output nodes need.
        module: Python module that defines it: ``nodes``, ``comfy_extras.nodes_wan``, ``custom_nodes.NAME``.
        is_api: Whether a maker's service does the work, not the server: Kling, Veo, Runway …
    """

    name: str
    inputs: Mapping[str, InputRule]
    outputs: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    is_output: bool = False
    module: str = ""
    is_api: bool = False

    @property
    def has_options(self) -> bool:
        """Return whether values of its nodes decide which inputs they have."""
        return any(rule.options for rule in self.inputs.values())

    def rules(self, inputs: Mapping[str, Any]) -> dict[str, InputRule]:
        """Return the rules of a node's inputs by full name, with those that its values and links bring."""
        return {rule.name: rule for rule in islice(_expanded(self.inputs.values(), inputs), _MOST_INPUTS)}


def _expanded(rules: Iterable[InputRule], inputs: Mapping[str, Any]) -> Iterator[InputRule]:
    for rule in rules:
        yield rule
        if rule.options:
            yield from _expanded(rule.option_inputs(inputs.get(rule.name)), inputs)
        elif rule.row is not None:
            yield from _expanded(rule.row_inputs(inputs), inputs)


def read_class(name: str, description: Mapping[str, Any]) -> NodeClass:
    """Read a class from its description: the value of ``object_info`` under its name."""
    # An output may list its choices instead of naming a type.
    outputs = tuple(each if isinstance(each, str) else COMBO for each in as_list(description.get("output")))
    names = tuple(str(each) for each in as_list(description.get("output_name")))
    return NodeClass(
        name=name,
        inputs={rule.name: rule for rule in _inputs(description)},
        outputs=outputs,
        output_names=names if len(names) == len(outputs) else outputs,
        is_output=description.get("output_node") is True,
        module=as_text(description.get("python_module")),
        is_api=description.get("api_node") is True or as_text(description.get("category")).startswith(_API_CATEGORY),
    )


def merge_classes(servers: Iterable[Mapping[str, NodeClass | None]]) -> dict[str, NodeClass | None]:
    """Merge the classes of several servers: each from the first server that has it, or None if no server does."""
    merged: dict[str, NodeClass | None] = {}
    for classes in servers:
        merged |= {name: each for name, each in classes.items() if merged.get(name) is None}
    return merged


def _inputs(description: Mapping[str, Any], depth: int = 0) -> Iterator[InputRule]:
    inputs, order = as_mapping(description.get("input")), as_mapping(description.get("input_order"))
    for section in _SECTIONS:
        rules = as_mapping(inputs.get(section))
        names = [name for name in as_list(order.get(section)) if isinstance(name, str) and name in rules]
        for name in dict.fromkeys((*names, *rules)):
            if (rule := _rule(name, rules[name], required=section == "required", depth=depth)) is not None:
                yield rule


def _rule(name: str, described: object, *, required: bool, depth: int) -> InputRule | None:
    if not isinstance(described, list) or not described or not isinstance(described[0], str | list):
        return None
    settings = as_mapping(described[1]) if len(described) > 1 else {}
    kind = described[0] if isinstance(described[0], str) else COMBO
    options = tuple(_options(settings, depth)) if kind == DYNAMIC_COMBO else ()
    return InputRule(
        name=name,
        type=_allowed_types(settings) if kind == MATCH_TYPE else kind,
        required=required,
        choices=_choices(described[0], settings),
        default=settings.get("default"),
        minimum=as_number(settings.get("min")),
        maximum=as_number(settings.get("max")),
        step=_step(settings.get("step")),
        multiline=settings.get("multiline") is True,
        linked_only=settings.get("forceInput") is True,
        controlled=kind in ("INT", COMBO)
        and bool(settings.get("control_after_generate", kind == "INT" and name in _SEEDS)),
        uploaded=any(settings.get(each) for each in _UPLOADED),
        several=bool(settings.get("multiselect")),
        dynamic=settings.get("dynamicPrompts") is True,
        widget=as_text(settings.get("widgetType")),
        drawn="socketless" in settings,
        options=options,
        row=_row(settings, depth) if kind == AUTOGROW else None,
    )


def _choices(kind: object, settings: Mapping[str, Any]) -> tuple[Any, ...] | None:
    choices = kind if isinstance(kind, list) else settings.get("options") if kind == COMBO else None
    return tuple(choices) if isinstance(choices, list) else None


def _options(settings: Mapping[str, Any], depth: int) -> Iterator[Option]:
    for each in as_list(settings.get("options")) if depth < _DEEPEST else []:
        if isinstance(each, Mapping) and isinstance(each.get("key"), str | int | float):
            yield Option(each["key"], tuple(_inputs({"input": each.get("inputs")}, depth + 1)))


def _row(settings: Mapping[str, Any], depth: int) -> Row | None:
    template = as_mapping(settings.get("template"))
    rule = next(_inputs({"input": template.get("input")}, depth + 1), None) if depth < _DEEPEST else None
    if rule is None:
        return None
    prefix, most = as_text(template.get("prefix")), template.get("max")
    length = min(most, _LONGEST_ROW) if isinstance(most, int) else _LONGEST_ROW
    names = [name for name in as_list(template.get("names")) if isinstance(name, str)][:_LONGEST_ROW]
    least = template.get("min")
    return Row(
        rule, tuple(names or (f"{prefix}{index}" for index in range(length))), least if isinstance(least, int) else 0
    )


def _allowed_types(settings: Mapping[str, Any]) -> str:
    """Return the types that may be linked to a match type, separated by commas."""
    return as_text(as_mapping(settings.get("template")).get("allowed_types")) or ANY


def _step(value: object) -> float | None:
    step = as_number(value)
    return step if step is not None and step >= _SMALLEST_STEP else None
