"""Follow a numeric input up its links to the input that holds the number."""

import re
from collections.abc import Mapping

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import holds

HELD_NUMBERS = ("value", "seed", "noise_seed", "number", "int", "float", "width", "height")

# ComfyUI's own nodes whose outputs repeat a numeric input: the input's name by output.
_REPEATS = {"WanCameraEmbedding": ("", "width", "height", "length")}
_NUMBERS = frozenset({"INT", "FLOAT"})
_VARIABLE = re.compile(r"[A-Za-z_]\w*")


def number_at(wiring: Wiring, slot: Slot, kind: type = int) -> Slot | None:
    """Return the input that holds another's number, itself or a primitive's; None if the number cannot be traced.

    A node on the way must either pass the number on (one link and nothing else, or an output named like an input) or
    hold exactly one number and no link; the effect of any other node is unknown. The kind ``float`` means any number.
    """
    while True:
        node_id, name = slot
        value = wiring.graph[node_id]["inputs"].get(name)
        if holds(value, kind):
            return slot
        if not is_link(value):
            return None
        if (onward := _source_of(wiring, value[0], value[1], kind)) is None:
            return None
        slot = value[0], onward


def _source_of(wiring: Wiring, node_id: str, output: int, kind: type) -> str | None:
    inputs = wiring.graph[node_id]["inputs"]
    if repeated := _repeated(wiring, node_id, output):
        return repeated
    if variable := _repeated_variable(inputs):
        return variable
    linked = [name for name, value in inputs.items() if is_link(value)]
    held = [name for name, value in inputs.items() if holds(value, kind)]
    if len(held) == 1 and not linked and held[0] in HELD_NUMBERS:
        return held[0]
    return linked[0] if len(linked) == 1 and len(inputs) == 1 else None


def _repeated_variable(inputs: Mapping[str, object]) -> str | None:
    """Return the input that an expression repeats: ``a`` of ``ComfyMathExpression``."""
    expression = inputs.get("expression")
    if not isinstance(expression, str) or not _VARIABLE.fullmatch(expression.strip()):
        return None
    name = f"values.{expression.strip()}"
    return name if name in inputs else None


def _repeated(wiring: Wiring, node_id: str, output: int) -> str | None:
    """Return the numeric input that an output repeats, the one of the same name."""
    node, known = wiring.graph[node_id], wiring.class_of(node_id)
    names = _REPEATS.get(node["class_type"], ())
    name = names[output] if output < len(names) else ""
    if known and output < len(known.outputs) and known.outputs[output] in _NUMBERS:
        name = name or known.output_names[output].casefold()
        rule = known.inputs.get(name)
        name = name if rule and rule.type in _NUMBERS else ""
    return name if name and name in node["inputs"] else None
