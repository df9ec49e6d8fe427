"""List a node's inputs as its values make them: options of dynamic combos and lists of inputs that grow.

Newer node classes declare inputs that depend on others. The inputs of a chosen option are named after the combo
(``format.codec``), those of a growing list after the list (``images.image0``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

COMBO = "COMFY_DYNAMICCOMBO_V3"
GROWING = "COMFY_AUTOGROW_V3"

Value = Any
"""Any JSON value."""


class Declared(NamedTuple):
    """Represent the declaration of one input; its kind is a type or a list of choices."""

    name: str
    required: bool
    kind: Value
    config: dict[str, Any]


def declared_inputs(info: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Declared]:
    """Yield the inputs that a node of this class has with these values, in the order of the class.

    A dynamic combo whose value is not one of its options is left out with all its fields, as ComfyUI does: its
    validation does not look at it, and the node fails when it runs.
    """
    for declared in _sections(info["input"], info.get("input_order", {})):
        yield from _expanded(declared, values)


def missing_combos(info: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """Return the required dynamic combos without a valid value, which are not passed to the node."""
    return [
        name
        for name, required, kind, config in _sections(info["input"], info.get("input_order", {}))
        if required and kind == COMBO and _option(config, values.get(name)) is None
    ]


def _sections(sections: Mapping[str, Any], order: Mapping[str, Any], prefix: str = "") -> Iterator[Declared]:
    for section in ("required", "optional"):
        inputs = sections.get(section, {})
        for name in order.get(section, inputs):
            kind, *config = inputs[name]
            yield Declared(prefix + name, section == "required", kind, config[0] if config else {})


def _expanded(declared: Declared, values: Mapping[str, Any]) -> Iterator[Declared]:
    if declared.kind == COMBO:
        option = _option(declared.config, values.get(declared.name))
        if option is not None:
            yield declared
            for inner in _sections(option["inputs"], {}, f"{declared.name}."):
                yield from _expanded(inner, values)
    elif declared.kind == GROWING:
        for inner in _grown(declared):
            yield from _expanded(inner, values)
    else:
        yield declared


def _option(config: Mapping[str, Any], value: Value) -> Mapping[str, Any] | None:
    return next((option for option in config["options"] if option["key"] == value), None)


def _grown(declared: Declared) -> Iterator[Declared]:
    template = declared.config["template"]
    names = template.get("names") or [f"{template['prefix']}{number}" for number in range(template["max"])]
    for input_ in _sections(template["input"], {}):
        for number, name in enumerate(names):
            required = input_.required and number < template["min"]
            yield Declared(f"{declared.name}.{name}", required, input_.kind, input_.config)
        return
