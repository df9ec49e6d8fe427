"""Where a graph's words and numbers come from: followed up its links to the input that holds them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from previs.comfyui.graph import Graph, Node, is_link
from previs.workflow.walk import literal

Slot = tuple[str, str]
"""An input that holds a value itself, as (node id, input name)."""

# Text inputs of all nodes of ComfyUI 0.3.64 that make a CONDITIONING from words (lyrics and tags of audio aside).
ENCODED_TEXTS = (
    "text",
    "text_g",
    "text_l",
    "clip_l",
    "clip_g",
    "t5xxl",
    "llama",
    "bert",
    "mt5xl",
    "user_prompt",
    "prompt",
)
HELD_TEXTS = ("value", "text", "string", "prompt", "positive", "negative")
HELD_NUMBERS = ("value", "seed", "noise_seed", "number", "int", "width", "height")

# GLIGENTextBoxApply's text belongs to a part of the picture; the prompt comes through its link.
_KEEPS_ITS_TEXT = frozenset({"GLIGENTextBoxApply"})
_MAKES_NO_WORDS = frozenset({"ConditioningZeroOut"})


@dataclass(frozen=True, slots=True)
class Words:
    """The texts behind a sampler's input, and the nodes at which the way to them was lost."""

    slots: frozenset[Slot]
    lost: frozenset[str]


def held_at(graph: Graph, slot: Slot, kind: type, names: Iterable[str]) -> Slot | None:
    """Follow an input to the one that holds its value: itself, or a primitive's.

    A node on the way must either only hand on (one link and nothing else) or hold exactly one value of the kind and
    no link: what it would do with more cannot be known.

    Args:
        graph: with no circles.
        slot: to start from.
        kind: of the value.
        names: that such a value goes by in a primitive.
    """
    while True:
        node_id, name = slot
        value = graph[node_id]["inputs"].get(name)
        if literal(value, kind):
            return slot
        if not is_link(value):
            return None
        inputs = graph[value[0]]["inputs"]
        linked = [key for key, inner in inputs.items() if is_link(inner)]
        held = [key for key, inner in inputs.items() if literal(inner, kind)]
        if len(held) == 1 and not linked and held[0] in names:
            return value[0], held[0]
        if len(linked) != 1 or len(inputs) != 1:
            return None
        slot = value[0], linked[0]


def text_inputs(node: Node, role: str) -> list[str]:
    """Name the inputs of a node that are words for the prompt.

    Loaders that encode by themselves have the words under the role's own name: ``positive``, ``negative``.
    """
    inputs = node["inputs"]
    if node["class_type"] in _KEEPS_ITS_TEXT:
        return []
    if isinstance(inputs.get(role), str):
        return [role]
    return [name for name in ENCODED_TEXTS if isinstance(inputs.get(name), str) or is_link(inputs.get(name))]


def _conditioning_inputs(node: Node, output: int, role: str) -> tuple[str, list[str]]:
    """Name the inputs through which words come to an output, and the role that they have there.

    Nodes that take positive and negative give them on as outputs 0 and 1, as all of ComfyUI's own do.
    """
    linked = [name for name, value in node["inputs"].items() if is_link(value)]
    pairs = {kind: [name for name in linked if name.startswith(kind)] for kind in ("positive", "negative")}
    if all(pairs.values()):
        role = "positive" if output == 0 else "negative"
        return role, pairs[role]
    if conditionings := [name for name in linked if name.startswith("cond")]:
        return role, conditionings
    if pairs[role]:
        return role, pairs[role]
    hands_on = len(linked) == 1 and len(node["inputs"]) == 1
    return role, linked if hands_on else []


def _steps_from(node: Node, output: int, role: str) -> Iterator[tuple[str, int, str]]:
    role, names = _conditioning_inputs(node, output, role)
    for name in names:
        source, source_output = node["inputs"][name]
        yield source, source_output, role


def words_behind(graph: Graph, links_in: Iterable[tuple[str, int]], role: str) -> Words:
    """Find the texts that conditioning is made from, through whatever lies between.

    Args:
        graph: with no circles.
        links_in: the links to start from.
        role: ``positive`` or ``negative``.
    """
    slots: set[Slot] = set()
    lost: set[str] = set()
    seen: set[tuple[str, int, str]] = set()
    pending = [(node_id, output, role) for node_id, output in links_in]
    while pending:
        step = pending.pop()
        if step in seen:
            continue
        seen.add(step)
        node_id, output, role_here = step
        node = graph[node_id]
        if node["class_type"] in _MAKES_NO_WORDS:
            continue
        if names := text_inputs(node, role_here):
            found = [held_at(graph, (node_id, name), str, HELD_TEXTS) for name in names]
            slots.update(slot for slot in found if slot is not None)
            if None in found:
                lost.add(node_id)
        elif onward := list(_steps_from(node, output, role_here)):
            pending.extend(onward)
        else:
            lost.add(node_id)
    return Words(frozenset(slots), frozenset(lost))
