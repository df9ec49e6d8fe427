"""Follow conditioning, and the pipes and contexts that carry it, up their links to the texts that it is made from."""

from collections.abc import Iterable
from dataclasses import dataclass

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import CONDITIONING, ORDINARY, Wiring
from previs.workflow.detection.text_sources import prompt_inputs, prompt_role, texts_at

# Text inputs of all nodes of ComfyUI 0.33.0 that make a CONDITIONING from text (except lyrics of audio).
ENCODED_TEXTS = (
    *("text", "text_g", "text_l", "clip_l", "clip_g", "t5xxl", "llama", "bert", "mt5xl", "qwen25_7b"),
    *("user_prompt", "prompt", "tags"),
)

# Names of texts on nodes that encode by themselves, or that put texts into pipes.
_OF_ROLE = {
    "positive": ("positive", "positive_prompt", "text_positive"),
    "negative": ("negative", "negative_prompt", "text_negative"),
}
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
    if own := _texts_of_role(wiring, node_id, role):
        return own[:1]
    names = [name for name in ENCODED_TEXTS if isinstance(inputs.get(name), str) or is_link(inputs.get(name))]
    known = wiring.class_of(node_id)
    if names or known is None or CONDITIONING not in known.outputs or any(wiring.linked(node_id, CONDITIONING)):
        return names
    texts = [name for name, rule in known.inputs.items() if rule.type == "STRING" and rule.multiline and name in inputs]
    return prompt_inputs(inputs, texts)


def _texts_of_role(wiring: Wiring, node_id: str, role: str) -> list[str]:
    return [name for name in _OF_ROLE[role] if _is_text(wiring, node_id, name)]


def _is_text(wiring: Wiring, node_id: str, name: str) -> bool:
    value = wiring.graph[node_id]["inputs"].get(name)
    rule = wiring.rule(node_id, name)
    if rule is not None and rule.type != "STRING":
        return False
    return isinstance(value, str) or (is_link(value) and wiring.kind(node_id, name) == "STRING")


def pipes_into(wiring: Wiring, node_id: str, role: str) -> list[str]:
    """Return the names of a node's inputs whose links carry conditioning or texts of a role among other values."""
    inputs = wiring.graph[node_id]["inputs"]
    return [name for name in inputs if _is_pipe(wiring, node_id, name) and _carries(wiring, inputs[name][0], role)]


def has_pipes(wiring: Wiring, node_id: str) -> bool:
    """Return whether a link of a type of its own enters a node: a pipe, a context, or another bundle."""
    return any(_is_pipe(wiring, node_id, name) for name in wiring.graph[node_id]["inputs"])


def _is_pipe(wiring: Wiring, node_id: str, name: str) -> bool:
    return is_link(wiring.graph[node_id]["inputs"][name]) and wiring.kind(node_id, name) not in ORDINARY


def _carries(wiring: Wiring, node_id: str, role: str) -> bool:
    """Return whether conditioning or texts of a role enter a node, or one that its pipes come from."""
    known = wiring.carriers
    reached_from: dict[str, str] = {}
    pending = [(node_id, "")]
    while pending:
        here, user = pending.pop()
        if here in reached_from or known.get((here, role)) is False:
            continue
        reached_from[here] = user
        inputs = wiring.graph[here]["inputs"]
        linked = [name for name, _, _ in wiring.linked(here, CONDITIONING)]
        if (
            known.get((here, role))
            or _texts_of_role(wiring, here, role)
            or any(prompt_role(name) in (role, "") for name in linked)
        ):
            while here:
                known[here, role] = True
                here = reached_from[here]
            return True
        pending.extend((inputs[name][0], here) for name in inputs if _is_pipe(wiring, here, name))
    known.update(dict.fromkeys(((each, role) for each in reached_from), False))
    return False


def conditioning_inputs(wiring: Wiring, node_id: str, output: int, role: str) -> tuple[str, list[str]]:
    """Return the inputs that an output's conditioning comes from, and its role there."""
    inputs = wiring.graph[node_id]["inputs"]
    conditionings = [name for name, _, _ in wiring.linked(node_id, CONDITIONING)]
    pairs = {kind: [name for name in conditionings if prompt_role(name) == kind] for kind in ("positive", "negative")}
    pipes = [name for name in inputs if _is_pipe(wiring, node_id, name)]
    stated = _role_of_output(wiring, node_id, output, paired=all(pairs.values()))
    role = stated or role
    if pairs[role]:
        return role, pairs[role]
    shared = [name for name in conditionings if not prompt_role(name)]
    if found := shared or [name for name in pipes if _carries(wiring, inputs[name][0], role)]:
        return role, found
    if conditionings and not stated and _output_kind(wiring, node_id, output) in (CONDITIONING, ""):
        return role, conditionings
    linked = [name for name, value in inputs.items() if is_link(value)]
    passes_on = len(inputs) == len(linked) == 1 and wiring.kind(node_id, linked[0]) in (CONDITIONING, "")
    return role, linked if passes_on else []


def _output_kind(wiring: Wiring, node_id: str, output: int) -> str:
    known = wiring.class_of(node_id)
    return known.outputs[output] if known and output < len(known.outputs) else ""


def _role_of_output(wiring: Wiring, node_id: str, output: int, *, paired: bool) -> str:
    """Return the role of an output by its name, or, if the node takes a pair, by its position; else nothing.

    Of several outputs of conditioning the first is the positive one; all of ComfyUI's own nodes do so.
    """
    known = wiring.class_of(node_id)
    conditionings = _known_conditionings(known) if known else _used_conditionings(wiring, node_id)
    if known and output in conditionings and (role := prompt_role(known.output_names[output])):
        return role
    if not paired or output not in conditionings or len(conditionings) == 1:
        return ""
    return "positive" if output == conditionings[0] else "negative"


def _known_conditionings(known: NodeClass) -> list[int]:
    return [index for index, kind in enumerate(known.outputs) if kind == CONDITIONING]


def _used_conditionings(wiring: Wiring, node_id: str) -> list[int]:
    """Return the outputs of a node of an unknown class that other nodes take as conditioning."""
    used = {output for user, name, output in wiring.links_from(node_id) if wiring.kind(user, name) == CONDITIONING}
    return [0, 1] if used and used <= {0, 1} else sorted(used)


def _takes_no_text(wiring: Wiring, node_id: str) -> bool:
    """Return whether a node makes its CONDITIONING from something other than text."""
    node, known = wiring.graph[node_id], wiring.class_of(node_id)
    if node["class_type"] in _NO_TEXT:
        return True
    if known is None or CONDITIONING not in known.outputs:
        return False
    return not has_pipes(wiring, node_id) and not any(
        rule.type in ("STRING", CONDITIONING) or "*" in rule.type for rule in known.inputs.values()
    )


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
        role_before, sources = conditioning_inputs(wiring, node_id, output, role_here)
        names = text_inputs(wiring, node_id, role_before)
        _add_texts(wiring, node_id, names, slots, lost, mixed)
        for name in reversed(sources):
            source, index = wiring.value((node_id, name))
            pending.append((source, index, role_before))
        if not sources and not names:
            lost.add(node_id)
    return PromptTexts(tuple(slots), frozenset(lost), mixed, frozenset(zeroed))


def _add_texts(
    wiring: Wiring,
    node_id: str,
    names: list[str],
    slots: dict[Slot, None],
    lost: set[str],
    mixed: dict[str, tuple[Slot, ...]],
) -> None:
    """Add the texts of an encoder; inputs such as text_g and text_l are one prompt for several encoders."""
    found: dict[Slot, None] = {}
    for name in names:
        texts = texts_at(wiring, (node_id, name))
        if texts is None:
            lost.add(node_id)
        elif len(texts) > 1:
            mixed[node_id] = tuple(texts)
        else:
            found.update(dict.fromkeys(texts))
    if len(found) > 1 and not set(names) <= set(ENCODED_TEXTS):
        mixed[node_id] = tuple(found)
    else:
        slots.update(found)
