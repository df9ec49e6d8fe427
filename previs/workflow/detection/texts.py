"""Follow conditioning and text inputs up their links to the inputs that hold the text."""

from collections.abc import Iterable
from dataclasses import dataclass

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import CONDITIONING, Wiring

# Text inputs of all nodes of ComfyUI 0.3.64 that make a CONDITIONING from text (except lyrics of audio).
ENCODED_TEXTS = (
    *("text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "llama", "bert", "mt5xl"),
    *("user_prompt", "prompt", "tags"),
)
HELD_TEXTS = ("value", "text", "string", "prompt", "positive", "negative")

# Their own text is for a region or a ControlNet; the prompt comes through their link.
_OWN_TEXT = frozenset({"GLIGENTextBoxApply", "CLIPTextEncodeControlnet"})
_ZEROES = frozenset({"ConditioningZeroOut"})
# ComfyUI's own nodes that make a CONDITIONING without text.
_NO_TEXT = frozenset(
    {
        "SVD_img2vid_Conditioning",
        "SV3D_Conditioning",
        "StableZero123_Conditioning",
        "StableZero123_Conditioning_Batched",
    }
    | {"Hunyuan3Dv2Conditioning", "Hunyuan3Dv2ConditioningMultiView", "LotusConditioning"}
)
# ComfyUI's own nodes that transform texts, with the inputs that end up in the result.
_TEXT_OPERATIONS = {
    "StringConcatenate": ("string_a", "string_b"),
    **dict.fromkeys(
        ("StringReplace", "RegexReplace", "RegexExtract", "StringTrim", "StringSubstring", "CaseConverter"), ("string",)
    ),
}
_NOT_PROMPT = frozenset({"delimiter", "separator", "find", "replace", "regex_pattern", "pattern", "filename_prefix"})
_PLAIN = frozenset({"STRING", "INT", "FLOAT", "BOOLEAN", "COMBO"})


@dataclass(frozen=True, slots=True)
class PromptTexts:
    """Hold the texts that a sampler's input depends on.

    Attributes:
        slots: Inputs that hold them, in the order found.
        lost: Nodes beyond which the text cannot be traced.
        mixed: Nodes that combine several texts, with these texts' inputs.
        zeroed: Nodes that discard the text they receive.
    """

    slots: tuple[Slot, ...]
    lost: frozenset[str]
    mixed: dict[str, tuple[Slot, ...]]
    zeroed: frozenset[str]


def text_inputs(wiring: Wiring, node_id: str, role: str) -> list[str]:
    """Return the names of a node's inputs that are text for the prompt.

    Loaders that encode by themselves name theirs after the role: ``positive``, ``negative_prompt``.
    """
    node = wiring.graph[node_id]
    inputs = node["inputs"]
    if node["class_type"] in _OWN_TEXT:
        return []
    for own in (role, f"{role}_prompt"):
        if isinstance(inputs.get(own), str):
            return [own]
    names = [name for name in ENCODED_TEXTS if isinstance(inputs.get(name), str) or is_link(inputs.get(name))]
    known = wiring.class_of(node_id)
    if names or known is None or CONDITIONING not in known.outputs or any(wiring.linked(node_id, CONDITIONING)):
        return names
    return [name for name, rule in known.inputs.items() if rule.type == "STRING" and rule.multiline and name in inputs]


def texts_at(wiring: Wiring, slot: Slot) -> list[Slot] | None:
    """Return the inputs that hold the texts that an input is made from; None if they cannot be traced."""
    found: dict[Slot, None] = {}
    seen: set[Slot] = set()
    pending = [slot]
    while pending:
        here = pending.pop()
        if here in seen:
            continue
        seen.add(here)
        value = wiring.graph[here[0]]["inputs"].get(here[1])
        if isinstance(value, str):
            found[here] = None
            continue
        if not is_link(value) or (names := _text_sources(wiring, value[0], value[1])) is None:
            return None
        pending.extend((value[0], name) for name in reversed(names))
    return list(found)


def _text_sources(wiring: Wiring, node_id: str, output: int) -> list[str] | None:
    """Return the names of the inputs that a node's text is made from; None if unknown."""
    node = wiring.graph[node_id]
    inputs = node["inputs"]
    if node["class_type"] in _TEXT_OPERATIONS:
        return [name for name in _TEXT_OPERATIONS[node["class_type"]] if name in inputs]
    linked = [name for name, value in inputs.items() if is_link(value)]
    held = [name for name, value in inputs.items() if isinstance(value, str)]
    if len(held) == 1 and not linked and held[0] in HELD_TEXTS:
        return held
    if len(linked) == 1 and len(inputs) == 1:
        return linked
    known = wiring.class_of(node_id)
    if known is None or output >= len(known.outputs) or known.outputs[output] != "STRING":
        return None
    if any(wiring.kind(node_id, name) not in _PLAIN for name in linked):
        return None
    names = [
        name
        for name, rule in known.inputs.items()
        if rule.type == "STRING" and name in inputs and name not in _NOT_PROMPT and not isinstance(inputs[name], bool)
    ]
    return names or None


def non_empty(wiring: Wiring, slots: Iterable[Slot]) -> list[Slot]:
    """Remove empty texts, unless all are empty."""
    found = list(slots)
    return [slot for slot in found if str(wiring.value(slot)).strip()] or found


def _conditioning_inputs(wiring: Wiring, node_id: str, output: int, role: str) -> tuple[str, list[str]]:
    """Return the inputs that an output's conditioning comes from, and its role there.

    Nodes that take positive and negative return them as outputs 0 and 1; all of ComfyUI's own do.
    """
    inputs = wiring.graph[node_id]["inputs"]
    conditionings = [name for name, _, _ in wiring.linked(node_id, CONDITIONING)]
    pairs = {kind: [name for name in conditionings if name.startswith(kind)] for kind in ("positive", "negative")}
    if all(pairs.values()):
        role = "positive" if output == 0 else "negative"
        return role, pairs[role]
    if conditionings:
        return role, pairs[role] or conditionings
    linked = [name for name, value in inputs.items() if is_link(value)]
    passes_on = len(linked) == 1 and len(inputs) == 1
    return role, linked if passes_on else []


def _takes_no_text(wiring: Wiring, node_id: str) -> bool:
    """Return whether a node makes its CONDITIONING from something other than text."""
    if wiring.graph[node_id]["class_type"] in _NO_TEXT:
        return True
    known = wiring.class_of(node_id)
    if known is None or CONDITIONING not in known.outputs:
        return False
    return not any(rule.type in ("STRING", CONDITIONING) or "*" in rule.type for rule in known.inputs.values())


def texts_behind(wiring: Wiring, links_in: Iterable[tuple[str, int]], role: str) -> PromptTexts:
    """Find the texts that conditioning is made from, through any nodes between; the role is positive or negative."""
    slots: dict[Slot, None] = {}
    lost: set[str] = set()
    mixed: dict[str, tuple[Slot, ...]] = {}
    zeroed: set[str] = set()
    seen: set[tuple[str, int, str]] = set()
    pending = [(node_id, output, role) for node_id, output in links_in][::-1]
    while pending:
        step = pending.pop()
        if step in seen:
            continue
        seen.add(step)
        node_id, output, role_here = step
        if wiring.graph[node_id]["class_type"] in _ZEROES:
            zeroed.add(node_id)
            continue
        if _takes_no_text(wiring, node_id):
            continue
        role_before, sources = _conditioning_inputs(wiring, node_id, output, role_here)
        names = text_inputs(wiring, node_id, role_here)
        for name in names:
            texts = texts_at(wiring, (node_id, name))
            if texts is None:
                lost.add(node_id)
            elif len(non_empty(wiring, texts)) > 1:
                mixed[node_id] = tuple(non_empty(wiring, texts))
            else:
                slots.update(dict.fromkeys(non_empty(wiring, texts)))
        for name in reversed(sources):
            source, index = wiring.value((node_id, name))
            pending.append((source, index, role_before))
        if not sources and not names:
            lost.add(node_id)
    return PromptTexts(tuple(slots), frozenset(lost), mixed, frozenset(zeroed))
