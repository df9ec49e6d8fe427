"""Find a graph's samplers, their conditioning and noise, and which samplers follow each other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import CONDITIONING, NOISE, ORDINARY, Wiring
from previs.workflow.binding.traversal import above_hand_ons, is_sampler, upstream
from previs.workflow.detection.numbers import number_at
from previs.workflow.detection.text_sources import prompt_role
from previs.workflow.detection.texts import PromptTexts, pipes_into, texts_behind

SEEDS = ("seed", "noise_seed")

_MAKES_NO_NOISE = frozenset({"DisableNoise"})
_NO = ("disable", False)
_HANDED_ON = frozenset({CONDITIONING, "MODEL", "CLIP", "VAE", "STRING", "INT", "FLOAT", "BOOLEAN"})
_SECOND = "between"


def samplers_among(wiring: Wiring, node_ids: Iterable[str]) -> list[str]:
    """Return the samplers among nodes whose pictures other nodes use, in the nodes' order."""
    known, found = wiring.samplers, []
    for node_id in node_ids:
        if node_id not in known:
            known[node_id] = _samples(wiring, node_id) and _is_seen(wiring, node_id)
        if known[node_id]:
            found.append(node_id)
    return found


def _is_seen(wiring: Wiring, sampler: str) -> bool:
    """Return whether a sampler's result is used, and not only the models and conditioning that it hands on."""
    pending, seen = [sampler], {sampler}
    while pending:
        node_id = pending.pop()
        if not (uses := wiring.links_from(node_id)):
            return True
        for user, name, _ in uses:
            kind = wiring.kind(user, name)
            if kind not in _HANDED_ON and kind in (ORDINARY | {""}):
                return True
            if kind not in _HANDED_ON and user not in seen:
                seen.add(user)
                pending.append(user)
    return False


def _samples(wiring: Wiring, node_id: str) -> bool:
    """Return whether a node samples, judged by its links or its class."""
    node = wiring.graph[node_id]
    if is_sampler(node):
        return True
    if node["class_type"].startswith("Context"):
        return False
    if not any(name in node["inputs"] for name in SEEDS) and not any(wiring.linked(node_id, NOISE)):
        return False
    if pipes_into(wiring, node_id, "positive"):
        return True
    known = wiring.class_of(node_id)
    return (
        known is not None
        and not {CONDITIONING, "GUIDER"} & set(known.outputs)
        and any(wiring.linked(node_id, CONDITIONING))
    )


def conditioned_by(wiring: Wiring, sampler: str, role: str) -> list[tuple[str, int]]:
    """Return the links that bring a sampler its conditioning, also through guiders, or else its pipes.

    The role is ``positive``, ``negative``, or ``between`` for a guider's second condition.
    """
    node_id = guiding(wiring, sampler)
    found = [(source, output) for name, source, output in wiring.linked(node_id, CONDITIONING) if _role(name) == role]
    if found or role == _SECOND:
        return found
    links = [wiring.value((node_id, name)) for name in pipes_into(wiring, node_id, role)]
    return [(source, output) for source, output in links]


def guiding(wiring: Wiring, sampler: str) -> str:
    """Return the node that takes a sampler's conditioning: its guider, or else the sampler itself."""
    node_id = sampler
    while is_link(guider := wiring.graph[node_id]["inputs"].get("guider")):
        node_id = above_hand_ons(wiring.graph, guider[0])
    return node_id


def unguided(wiring: Wiring, live: list[str]) -> bool:
    """Return whether the guidance of all samplers is 1, so that no negative prompt has an effect."""
    nodes = [guiding(wiring, sampler) for sampler in samplers_among(wiring, live)]
    scales = [
        number_at(wiring, (node_id, name), float)
        for node_id in nodes
        for name in wiring.graph[node_id]["inputs"]
        if "cfg" in name
    ]
    return bool(scales) and all(slot is not None and wiring.value(slot) == 1 for slot in scales)


def _role(name: str) -> str:
    if name == "empty_conditioning":
        return ""
    return _SECOND if name == "cond2" else prompt_role(name) or "positive"


def texts_of(wiring: Wiring, sampler: str, role: str) -> PromptTexts:
    """Find the texts of a sampler's prompt or negative prompt.

    The second condition of ``DualCFGGuider`` combines the negative's text with the positive's pictures; text that only
    it has is part of the prompt.
    """
    texts = texts_behind(wiring, conditioned_by(wiring, sampler, role), role)
    second = conditioned_by(wiring, sampler, _SECOND)
    if role != "positive" or not second:
        return texts
    negative = texts_behind(wiring, conditioned_by(wiring, sampler, "negative"), "negative")
    own_texts = texts_behind(wiring, second, role)
    own = [slot for slot in own_texts.slots if slot not in negative.slots and slot not in texts.slots]
    lost = texts.lost | (own_texts.lost - negative.lost)
    return PromptTexts((*texts.slots, *own), lost, texts.mixed | own_texts.mixed, texts.zeroed)


@dataclass(frozen=True, slots=True)
class Noise:
    """Describe a sampler's noise: the inputs that hold the seeds, and whether the sampler adds no noise."""

    seeds: tuple[Slot, ...] = ()
    unneeded: bool = False


def noise_of(wiring: Wiring, sampler: str) -> Noise:
    """Find the inputs that hold a sampler's seed."""
    inputs = wiring.graph[sampler]["inputs"]
    if inputs.get("add_noise") in _NO and not is_link(inputs.get("add_noise")):
        return Noise(unneeded=True)
    makers = list(_noise_sources(wiring, sampler)) if is_link(inputs.get("noise")) else [sampler]
    makers = [node_id for node_id in makers if wiring.graph[node_id]["class_type"] not in _MAKES_NO_NOISE]
    named = [(node_id, name) for node_id in makers for name in SEEDS if name in wiring.graph[node_id]["inputs"]]
    found = [number_at(wiring, slot) for slot in named]
    if not makers or (not named and all(_follows_sampling(wiring, sampler, node_id) for node_id in makers)):
        return Noise(unneeded=True)
    return Noise(tuple(slot for slot in found if slot is not None) if None not in found else ())


def _follows_sampling(wiring: Wiring, sampler: str, maker: str) -> bool:
    """Return whether noise is made from what another sampler made, and so from that one's noise."""
    return maker != sampler and bool(samplers_among(wiring, upstream(wiring.graph, [maker])))


def _noise_sources(wiring: Wiring, sampler: str) -> Iterator[str]:
    """Follow noise through nodes that mix or mask it, to the nodes that make it."""
    pending = [wiring.graph[sampler]["inputs"]["noise"][0]]
    seen: set[str] = set()
    while pending:
        node_id = pending.pop()
        if node_id in seen:
            continue
        seen.add(node_id)
        before = [source for _, source, _ in wiring.linked(node_id, NOISE)]
        pending.extend(before)
        if not before:
            yield node_id


def chained(wiring: Wiring, samplers: list[str]) -> list[set[str]]:
    """Group samplers that follow each other, or that feed the same sampler."""
    groups: list[set[str]] = []
    known = set(samplers_among(wiring, upstream(wiring.graph, samplers)))
    for sampler in samplers:
        group = {sampler, *known.intersection(upstream(wiring.graph, [sampler]))}
        apart = [other for other in groups if not other & group]
        groups = [*apart, group.union(*(other for other in groups if other & group))]
    return groups
