"""Find the prompt and the negative prompt of API nodes, also through nodes that write the one from a shot's words."""

import re

from previs.comfyui.protocol.classes import InputRule
from previs.comfyui.protocol.graph import is_link
from previs.errors import Fault
from previs.workflow.binding.addresses import address_of
from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.suggestions import suggestion_lines
from previs.workflow.binding.traversal import node_order, place_of, places_of, upstream
from previs.workflow.detection.api_nodes import ApiNodes, last_part, present
from previs.workflow.detection.text_sources import non_empty, texts_at

# A node's own words for its prompt, the usual one first; of several, the first is the prompt.
_PROMPTS = ("prompt", "text_prompt", "prompt_text", "edit_instruction", "text")
_NUMBERED = re.compile(r"(prompt|text)_?\d+|\w+_\d+_prompt")
_NEGATIVES = frozenset({"negative_prompt", "negative"})
# Texts about the texture, the style or the way of answering; a shot says nothing of these.
_OTHER = re.compile(r"(system|structured|texture|\w*style)_?prompt|instructions")


def _is_text(rule: InputRule) -> bool:
    return rule.type == "STRING" and rule.multiline


def _prompt_names(rules: dict[str, InputRule]) -> list[str]:
    """Return the inputs that hold a node's prompt; several if the node has a text for each part."""
    texts = [name for name, rule in rules.items() if _is_text(rule)]
    own = [name for name in texts if last_part(name) not in _NEGATIVES and not _OTHER.fullmatch(last_part(name))]
    if any(_NUMBERED.fullmatch(last_part(name)) for name in own):
        return own
    ranked = sorted((_PROMPTS.index(last_part(name)), name) for name in own if last_part(name) in _PROMPTS)
    return [ranked[0][1]] if ranked else own or [name for name in texts if last_part(name).endswith("style_prompt")]


def find_api_prompt(api: ApiNodes, local: list[Slot], faults: list[Fault]) -> tuple[list[Binding], str]:
    """Find the texts that are the prompt, or the reason why there is none; ``local`` hold the samplers' prompt."""
    wiring, slots = api.wiring, dict[Slot, str]()
    for node_id in api.makers:
        for name in _prompt_names(api.rules(node_id)):
            texts = _texts(api, (node_id, name), set())
            if texts is None:
                faults.append(
                    _ask(api, place_of(wiring.graph, node_id), "its prompt cannot be traced", _offered(api, node_id))
                )
                return [], ""
            for slot in texts:
                slots.setdefault(slot, f"prompt of {wiring.label(node_id)}")
    if not slots and (unexplained := _unexplained(api)):
        faults.append(_ask(api, "the graph", "no prompt was found", unexplained))
    if not slots:
        return [], "" if unexplained else "the graph takes no text"
    held = list(dict.fromkeys((*local, *slots)))
    if len({wiring.value(slot) for slot in held}) > 1:
        places = places_of(wiring.graph, (node_id for node_id, _ in held))
        faults.append(_ask(api, "the graph", "several texts could be the prompt", held, places))
        return [], ""
    return [Binding("prompt", *slot, rule) for slot, rule in slots.items()], ""


def _unexplained(api: ApiNodes) -> list[Slot]:
    """Return the texts of several lines that no API node reads as its prompt."""
    wiring = api.wiring
    return [
        (node_id, name)
        for node_id in api.live
        if node_id not in api.makers
        for name, rule in api.rules(node_id).items()
        if _is_text(rule) and str(wiring.value((node_id, name))).strip()
    ]


def _texts(api: ApiNodes, slot: Slot, seen: set[Slot]) -> list[Slot] | None:
    """Return the inputs that hold the texts of an input, also through API nodes that write one from another."""
    wiring = api.wiring
    if slot in seen:
        return []
    seen.add(slot)
    if (found := texts_at(wiring, slot)) is not None:
        writers = {node_id for node_id, _ in found if node_id in api.nodes and node_id != slot[0]}
        if any(_sees(wiring, node_id) for node_id in writers):
            return None
        own = {(node_id, name) for node_id in writers for name in _prompt_names(api.rules(node_id))}
        return non_empty(wiring, [each for each in found if each[0] not in writers or each in own])
    value = wiring.graph[slot[0]]["inputs"].get(slot[1])
    if not is_link(value):
        return None
    inputs = wiring.graph[value[0]]["inputs"]
    if value[0] not in api.nodes:
        return _texts(api, (value[0], next(iter(inputs))), seen) if len(inputs) == 1 else None
    of_writer = [] if _sees(wiring, value[0]) else [(value[0], name) for name in _prompt_names(api.rules(value[0]))]
    texts = [_texts(api, each, seen) for each in of_writer]
    return None if not texts or None in texts else [each for found in texts for each in found or ()]


def _sees(wiring: Wiring, node_id: str) -> bool:
    """Return whether a node writes about pictures, so that its own text says how, not what."""
    return any(wiring.linked(node_id, "IMAGE", "VIDEO"))


def _offered(api: ApiNodes, node_id: str) -> list[Slot]:
    """Return the texts of several lines that a node depends on; if there are none, the node's own input."""
    wiring = api.wiring
    slots = [
        (source, name)
        for source in upstream(wiring.graph, [node_id])
        for name, rule in api.rules(source).items()
        if _is_text(rule) and not is_link(wiring.value((source, name))) and not _OTHER.fullmatch(last_part(name))
    ]
    return non_empty(wiring, slots) or [(node_id, name) for name in _prompt_names(api.rules(node_id))]


def _ask(api: ApiNodes, place: str, why: str, slots: list[Slot], value: str = "") -> Fault:
    several_in_one = len(slots) > len({node_id for node_id, _ in slots})
    title = "" if several_in_one else 'give the node that holds the prompt the title "shot.prompt", or '
    ordered = sorted(slots, key=lambda slot: node_order(slot[0]))
    lines = suggestion_lines("prompt", [(address_of(slot), present(api.wiring, slot)) for slot in ordered])
    return Fault(place, "", value, f"{why}: {title}choose it in {api.file} beside the graph:\n{lines}")


def find_api_negative(api: ApiNodes) -> tuple[list[Binding], str]:
    """Find the texts that are the negative prompt, or the reason why there are none."""
    wiring, slots = api.wiring, dict[Slot, str]()
    for node_id in api.makers:
        for name, rule in api.rules(node_id).items():
            if rule.type == "STRING" and last_part(name) in _NEGATIVES:
                for slot in non_empty(wiring, texts_at(wiring, (node_id, name)) or ()):
                    slots.setdefault(slot, f"negative prompt of {wiring.label(node_id)}")
    if len(slots) > 1 and len({wiring.value(slot) for slot in slots}) > 1:
        lines = suggestion_lines("negative", [(address_of(slot), present(wiring, slot)) for slot in slots])
        return [], f"several texts could be the negative prompt: choose it in {api.file} beside the graph:\n{lines}"
    gap = "" if slots else "the graph has no text for it: remove it from the shot"
    return [Binding("negative_prompt", *slot, rule) for slot, rule in slots.items()], gap
