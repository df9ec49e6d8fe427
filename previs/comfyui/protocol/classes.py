"""Node classes as a server describes them: inputs with their rules, and outputs; pure.

Read from ``object_info``, where an input is ``[type, {settings}]``: a choice is ``[[choices], {…}]``, or
``["COMBO", {"options": [choices], …}]`` in newer nodes. A server may say anything: what cannot be read is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

COMBO = "COMBO"
ANY = "*"

_SECTIONS = ("required", "optional")
_HELD = frozenset({"INT", "FLOAT", "STRING", "BOOLEAN", COMBO})
# Choices that name files of the input folder change with every upload.
_UPLOADED = ("image_upload", "video_upload", "audio_upload", "file_upload")
_SEEDS = frozenset({"seed", "noise_seed"})


@dataclass(frozen=True, slots=True)
class InputRule:
    """What a node class takes for one input.

    Attributes:
        type: ``INT``, ``FLOAT``, ``STRING``, ``BOOLEAN``, ``COMBO`` for a choice, or the type of a link: ``IMAGE``;
            several with commas between, ``*`` for any.
        choices: of a ``COMBO``; none where the server tells none.
        default: none where the server tells none.
        minimum: of a number.
        maximum: of a number.
        step: of a number.
        multiline: whether a text has several lines, as prompts have.
        linked_only: whether the editor shows no field for it (``forceInput``), so that it can only be a link.
        controlled: whether the editor puts a field of its own after it: what to do with it after each run
            (``control_after_generate``). Editors do so for every seed, whether the server asks for it or not.
        uploaded: whether the choices are files of the input folder, which change with every upload.
        several: whether it takes a list of choices.
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
        """Whether a node may hold the value itself, in a field of the editor."""
        return self.type in _HELD and not self.linked_only

    @property
    def link_types(self) -> frozenset[str]:
        """The types that a link into it may have."""
        return frozenset(part.strip() for part in self.type.split(","))


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A node class of a server.

    Attributes:
        inputs: by name, in the editor's order: required ones, then optional ones.
        outputs: types.
        output_names: as the editor shows them; as many as outputs.
        is_output: whether a graph runs for its sake.
        module: the Python module it comes from: ``nodes``, ``comfy_extras.nodes_wan``, ``custom_nodes.NAME``.
    """

    name: str
    inputs: Mapping[str, InputRule]
    outputs: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    is_output: bool = False
    module: str = ""


def read_class(name: str, told: Mapping[str, Any]) -> NodeClass:
    """Read what a server tells of a class: the value of ``object_info`` under its name."""
    outputs = tuple(_type_of(each) for each in _listed(told.get("output")))
    names = tuple(str(each) for each in _listed(told.get("output_name")))
    module = told.get("python_module")
    return NodeClass(
        name=name,
        inputs={rule.name: rule for rule in _inputs(told)},
        outputs=outputs,
        output_names=names if len(names) == len(outputs) else outputs,
        is_output=told.get("output_node") is True,
        module=module if isinstance(module, str) else "",
    )


def known_to_any(servers: Iterable[Mapping[str, NodeClass | None]]) -> dict[str, NodeClass | None]:
    """Classes of several servers as one: of each what the first tells that has it; none if nobody has it."""
    known: dict[str, NodeClass | None] = {}
    for classes in servers:
        known |= {name: told for name, told in classes.items() if known.get(name) is None}
    return known


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _type_of(told: object) -> str:
    """An output may name its type, or list the choices that it gives."""
    return told if isinstance(told, str) else COMBO


def _inputs(told: Mapping[str, Any]) -> Iterator[InputRule]:
    inputs, order = told.get("input"), told.get("input_order")
    for section in _SECTIONS:
        rules = inputs.get(section) if isinstance(inputs, Mapping) else None
        if not isinstance(rules, Mapping):
            continue
        ordered = _listed(order.get(section)) if isinstance(order, Mapping) else []
        names = [name for name in ordered if isinstance(name, str) and name in rules]
        for name in dict.fromkeys((*names, *rules)):
            if (rule := _rule(name, rules[name], required=section == "required")) is not None:
                yield rule


def _rule(name: str, told: object, *, required: bool) -> InputRule | None:
    if not isinstance(told, list) or not told or not isinstance(told[0], str | list):
        return None
    settings = told[1] if len(told) > 1 and isinstance(told[1], Mapping) else {}
    kind = told[0] if isinstance(told[0], str) else COMBO
    # Other kinds have options too: those of COMFY_DYNAMICCOMBO_V3 are objects with a key and inputs of their own.
    choices = told[0] if isinstance(told[0], list) else settings.get("options") if kind == COMBO else None
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
