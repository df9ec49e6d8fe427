"""Find the inputs that hold a graph's prompt and negative prompt."""

from collections.abc import Iterable

from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault
from previs.workflow.binding.addresses import address_of
from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.suggestions import suggestion_lines, yaml_block
from previs.workflow.binding.traversal import in_order, node_order, place_of, places_of, upstream
from previs.workflow.detection.loose_texts import loose_texts
from previs.workflow.detection.sampling import samplers_among, texts_of
from previs.workflow.detection.texts import PromptTexts

_TITLE = 'give the node that holds {} the title "shot.{}"'
_PROMPT = _TITLE.format("the prompt", "prompt")
_NEGATIVE = _TITLE.format("the negative prompt", "negative")
_MOST_CANDIDATES = 12
_LOADERS = ("LoadImage", "LoadVideo", "LoadAudio", "Load3D", "VHS_LoadVideo", "VHS_LoadImage", "VHS_LoadAudio")


def _read(wiring: Wiring, live: list[str], role: str) -> tuple[PromptTexts, dict[Slot, str]]:
    """Collect the texts of all samplers, and for each the first sampler that uses it."""
    slots: dict[Slot, str] = {}
    lost: set[str] = set()
    mixed: dict[str, tuple[Slot, ...]] = {}
    zeroed: set[str] = set()
    for sampler in samplers_among(wiring, live):
        texts = texts_of(wiring, sampler, role)
        for slot in texts.slots:
            slots.setdefault(slot, f"{role} of {wiring.label(sampler)}")
        lost |= texts.lost
        mixed |= texts.mixed
        zeroed |= texts.zeroed
    return PromptTexts(tuple(slots), frozenset(lost), mixed, frozenset(zeroed)), slots


def _differ(wiring: Wiring, slots: Iterable[Slot]) -> bool:
    """Return whether texts in several nodes differ; equal texts are one prompt for several models."""
    found = list(slots)
    return len({node_id for node_id, _ in found}) > 1 and len({wiring.value(slot) for slot in found}) > 1


def _choice_lines(wiring: Wiring, key: str, slots: Iterable[Slot], file: str, *, none: bool = False) -> str:
    """Write the lines that choose one of several texts, or ``none`` of them."""
    ordered = sorted(slots, key=lambda slot: node_order(slot[0]))[:_MOST_CANDIDATES]
    found = [(address_of(slot), format_value(wiring.value(slot))) for slot in ordered]
    return f"or choose it in {file} beside the graph:\n{suggestion_lines(key, found, none=none)}"


def find_prompt(wiring: Wiring, live: list[str], file: str, faults: list[Fault]) -> tuple[list[Binding], str]:
    """Find the texts that are the prompt, or the reason why there is none."""
    texts, slots = _read(wiring, live, "positive")
    for node_id in in_order(texts.lost):
        choice = _candidates(wiring, node_id, file)
        remedy = f"the prompt cannot be traced beyond this node: {_PROMPT}{choice}"
        faults.append(Fault(place_of(wiring.graph, node_id), "", "", remedy))
    for node_id in in_order(texts.mixed):
        choice = _choice_lines(wiring, "prompt", texts.mixed[node_id], file)
        nodes = places_of(wiring.graph, (slot[0] for slot in texts.mixed[node_id]))
        remedy = f"its text is combined from several ({nodes}): {_PROMPT}, {choice}"
        faults.append(Fault(place_of(wiring.graph, node_id), "", "", remedy))
    if texts.lost or texts.mixed:
        return [], ""
    if not slots:
        return [], _no_text(wiring, live, file, faults)
    if _differ(wiring, slots):
        remedy = f"several texts could be the prompt: {_PROMPT}, {_choice_lines(wiring, 'prompt', slots, file)}"
        faults.append(Fault("the graph", "", places_of(wiring.graph, (slot[0] for slot in slots)), remedy))
        return [], ""
    return [Binding("prompt", *slot, rule) for slot, rule in slots.items()], ""


def _no_text(wiring: Wiring, live: list[str], file: str, faults: list[Fault]) -> str:
    """Return the gap of a graph that takes no text; report a graph with texts that no sampler is known to use."""
    negative, _ = _read(wiring, live, "negative")
    found = [slot for slot in loose_texts(wiring, live) if slot not in negative.slots]
    if not found and (samplers_among(wiring, live) or any(_loads(wiring, node_id) for node_id in live)):
        return "the graph takes no text"
    if found:
        choice = _choice_lines(wiring, "prompt", found, file, none=True)
        remedy = f"no sampler with a prompt was found: {_PROMPT}, {choice}"
    else:
        remedy = (
            f"it takes neither text nor pictures: if this is intended, write in {file}:\n{yaml_block('prompt: []')}"
        )
    faults.append(Fault("the graph", "", places_of(wiring.graph, (slot[0] for slot in found)), remedy))
    return ""


def _loads(wiring: Wiring, node_id: str) -> bool:
    """Return whether a node loads a picture, a video or sound."""
    node, known = wiring.graph[node_id], wiring.class_of(node_id)
    uploads = known is not None and any(rule.uploaded for rule in known.inputs.values())
    return uploads or node["class_type"].startswith(_LOADERS)


def _candidates(wiring: Wiring, node_id: str, file: str) -> str:
    """Offer the texts that a node depends on, or else all texts of the graph."""
    found = loose_texts(wiring, upstream(wiring.graph, [node_id])) or loose_texts(wiring, wiring.graph)
    if found:
        return f", {_choice_lines(wiring, 'prompt', found, file)}"
    return f", or state in {file} beside the graph that it takes none:\n{yaml_block('prompt: []')}"


def find_negative(wiring: Wiring, live: list[str], file: str) -> tuple[list[Binding], str]:
    """Find the texts that are the negative prompt, or the reason why there are none."""
    texts, slots = _read(wiring, live, "negative")
    if texts.lost:
        nodes = places_of(wiring.graph, texts.lost)
        return [], f"the graph's negative prompt cannot be traced beyond {nodes}: {_NEGATIVE}"
    for node_id, combined in texts.mixed.items():
        choice = _choice_lines(wiring, "negative", combined, file)
        return [], f"the text of {place_of(wiring.graph, node_id)} is combined from several: {_NEGATIVE}, {choice}"
    if not slots:
        zeroed = f" ({places_of(wiring.graph, texts.zeroed)} discards its text)" if texts.zeroed else ""
        return [], f"the graph has no text for it{zeroed}: remove it from the shot, or add one to the graph"
    if _differ(wiring, slots):
        choice = _choice_lines(wiring, "negative", slots, file)
        nodes = places_of(wiring.graph, (slot[0] for slot in slots))
        return [], f"several texts could be the negative prompt, {nodes}: {_NEGATIVE}, {choice}"
    return [Binding("negative_prompt", *slot, rule) for slot, rule in slots.items()], ""


def shared_faults(wiring: Wiring, slots: Iterable[Slot]) -> list[Fault]:
    """Report texts that are both prompt and negative prompt."""
    remedy = (
        "its text is both prompt and negative prompt: use two text nodes, or, if this is intended, "
        'give it the title "shot.prompt"'
    )
    nodes = in_order({node_id for node_id, _ in slots})
    return [Fault(place_of(wiring.graph, node_id), "", "", remedy) for node_id in nodes]
