"""Read node classes as a server describes them: inputs with their rules, and outputs; pure.

Read from ``object_info``, where an input is ``[type, {settings}]``: a choice is ``[[choices], {…}]``, or
``["COMBO", {"options": [choices], …}]`` in newer nodes. Unreadable parts of a description are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from previs.comfyui.protocol.wire import as_list, as_mapping, as_text

COMBO = "COMBO"
ANY = "*"

_SECTIONS = ("required", "optional")
_HELD = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO})
# Settings that mark choices as files of the input folder, which change with every upload.
_UPLOADED = ("image_upload", "video_upload", "audio_upload", "file_upload")
_SEEDS = frozenset({"seed", "noise_seed"})


@dataclass(frozen=True, slots=True)
class InputRule:
    """Describe what a node class accepts for one input.

    Attributes:
        type: ``INT``, ``FLOAT``, ``STRING``, ``BOOLEAN``, ``COMBO`` for a choice, or the type of a link such as
            ``IMAGE``; several types are separated by commas, and ``*`` is any type.
        choices: Choices of a ``COMBO``; None if the server lists none.
        multiline: Whether a text has several lines, as prompts do.
        linked_only: Whether the editor shows no widget (``forceInput``), so that only a link is possible.
        controlled: Whether the editor adds a widget after it that sets what happens to the value after each run
            (``control_after_generate``). Editors do so for every seed, whether or not the server asks for it.
        uploaded: Whether the choices are files of the input folder, which change with every upload.
        several: Whether the input takes a list of choices.
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

    @property
    def held(self) -> bool:
        """Return whether a node may hold the value itself, in a widget of the editor."""
        return self.type in _HELD and not self.linked_only

    @property
    def link_types(self) -> frozenset[str]:
        """Return the types that a link into this input may have."""
        return frozenset(part.strip() for part in self.type.split(","))


@dataclass(frozen=True, slots=True)
class NodeClass:
    """Describe a node class of a server.

    Attributes:
        inputs: Rules by input name, in the editor's order: required inputs, then optional ones.
        outputs: Types of the outputs.
        output_names: Names that the editor shows, one for each output.
        is_output: Whether it is an output node: a graph runs only the nodes that output nodes need.
        module: Python module that defines it: ``nodes``, ``comfy_extras.nodes_wan``, ``custom_nodes.NAME``.
    """

    name: str
    inputs: Mapping[str, InputRule]
    outputs: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    is_output: bool = False
    module: str = ""


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
    )


def merge_classes(servers: Iterable[Mapping[str, NodeClass | None]]) -> dict[str, NodeClass | None]:
    """Merge the classes of several servers: each from the first server that has it, or None if no server does."""
    merged: dict[str, NodeClass | None] = {}
    for classes in servers:
        merged |= {name: each for name, each in classes.items() if merged.get(name) is None}
    return merged


def _inputs(description: Mapping[str, Any]) -> Iterator[InputRule]:
    inputs, order = as_mapping(description.get("input")), as_mapping(description.get("input_order"))
    for section in _SECTIONS:
        rules = as_mapping(inputs.get(section))
        names = [name for name in as_list(order.get(section)) if isinstance(name, str) and name in rules]
        for name in dict.fromkeys((*names, *rules)):
            if (rule := _rule(name, rules[name], required=section == "required")) is not None:
                yield rule


def _rule(name: str, described: object, *, required: bool) -> InputRule | None:
    if not isinstance(described, list) or not described or not isinstance(described[0], str | list):
        return None
    settings = as_mapping(described[1]) if len(described) > 1 else {}
    kind = described[0] if isinstance(described[0], str) else COMBO
    # Other kinds have options too: those of COMFY_DYNAMICCOMBO_V3 are objects with a key and inputs of their own.
    choices = described[0] if isinstance(described[0], list) else settings.get("options") if kind == COMBO else None
    return InputRule(
        name=name,
        type=kind,
        required=required,
        choices=tuple(choices) if isinstance(choices, list) else None,
        default=settings.get("default"),
        minimum=_number(settings.get("min")),
        maximum=_number(settings.get("max")),
        step=_number(settings.get("step")),
        multiline=settings.get("multiline") is True,
        linked_only=settings.get("forceInput") is True,
        controlled=kind in ("INT", COMBO)
        and bool(settings.get("control_after_generate", kind == "INT" and name in _SEEDS)),
        uploaded=any(settings.get(each) for each in _UPLOADED),
        several=bool(settings.get("multiselect")),
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
