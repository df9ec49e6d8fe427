"""Where a graph's numbers come from: followed up their links to the input that holds them."""

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import holds

HELD_NUMBERS = ("value", "seed", "noise_seed", "number", "int", "float", "width", "height")

# ComfyUI's own nodes that give on a number that they were given, by output.
_GIVES_ON = {"WanCameraEmbedding": ("", "width", "height", "length")}
_NUMBERS = frozenset({"INT", "FLOAT"})


def number_at(wiring: Wiring, slot: Slot, kind: type = int) -> Slot | None:
    """Follow an input to the one that holds its number: itself, or a primitive's.

    A node on the way must either only hand on (one link and nothing else, or an output of an input's own name) or hold
    exactly one number and no link: what it would do with more cannot be known.

    Args:
        wiring: of a graph with no circles.
        slot: to start from.
        kind: ``int``, or ``float`` for either.
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
    if given := _given_on(wiring, node_id, output):
        return given
    linked = [name for name, value in inputs.items() if is_link(value)]
    held = [name for name, value in inputs.items() if holds(value, kind)]
    if len(held) == 1 and not linked and held[0] in HELD_NUMBERS:
        return held[0]
    return linked[0] if len(linked) == 1 and len(inputs) == 1 else None


def _given_on(wiring: Wiring, node_id: str, output: int) -> str | None:
    """Name the input whose number an output gives on: that of the same name."""
    node, known = wiring.graph[node_id], wiring.class_of(node_id)
    names = _GIVES_ON.get(node["class_type"], ())
    name = names[output] if output < len(names) else ""
    if known and output < len(known.outputs) and known.outputs[output] in _NUMBERS:
        name = name or known.output_names[output].casefold()
        rule = known.inputs.get(name)
        name = name if rule and rule.type in _NUMBERS else ""
    return name if name and name in node["inputs"] else None
