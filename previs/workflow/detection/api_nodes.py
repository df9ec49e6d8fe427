"""Find what a shot sets in API nodes, which let a maker's service do the work, by the names and kinds of their inputs.

Servers mark these nodes in ``object_info``. Names are compared by their last part: a dynamic combo brings
``model.prompt``. Read in the ``object_info`` of ComfyUI 0.33.0: 233 classes of 38 makers.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from previs.comfyui.protocol.classes import COMBO, InputRule
from previs.comfyui.protocol.graph import is_link
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault
from previs.workflow.binding.addresses import address_of
from previs.workflow.binding.bindings import Binding, Slot, What
from previs.workflow.binding.limits import SEED_MAX
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.suggestions import suggestion_lines
from previs.workflow.binding.traversal import node_order, place_of, places_of, upstream
from previs.workflow.detection.lengths import LengthRule, Lengths
from previs.workflow.detection.numbers import number_at
from previs.workflow.detection.sampling import samplers_among
from previs.workflow.detection.size_choices import find_size_choices
from previs.workflow.detection.sizes import Sizes, chosen_sizes
from previs.workflow.detection.texts import non_empty, texts_at

# A node's own words for its prompt, the usual one first; of several, the first is the prompt.
_PROMPTS = ("prompt", "text_prompt", "prompt_text", "edit_instruction", "text", "instructions")
_NUMBERED = re.compile(r"(prompt|text)_?\d+|\w+_\d+_prompt")
_NEGATIVES = frozenset({"negative_prompt", "negative"})
# Texts about the texture, the style or the way of answering; a shot says nothing of these.
_OTHER = re.compile(r"(system|structured|texture|\w*style)_?prompt|instructions")
_SEEDS = re.compile(r"(noise_|model_|image_|texture_)?seed", re.IGNORECASE)
_SECONDS = frozenset({"duration", "duration_seconds", "seconds"})
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*s?")
_LONGEST = 3600


@dataclass(frozen=True)
class ApiNodes:
    """Hold the API nodes that an output of the graph depends on.

    Attributes:
        nodes: Each after its sources.
        live: All nodes that an output depends on, likewise.
        file: Name that the bindings file has or would have.
    """

    wiring: Wiring
    nodes: tuple[str, ...]
    live: tuple[str, ...]
    file: str

    @cached_property
    def makers(self) -> tuple[str, ...]:
        """Return the nodes that make a picture, video, sound or model; those that write text if there are no others."""
        return tuple(i for i in self.nodes if _makes(self.wiring, i)) or self.nodes

    def rules(self, node_id: str) -> dict[str, InputRule]:
        """Return the rules of a node's inputs that the graph gives, by full name."""
        known, inputs = self.wiring.class_of(node_id), self.wiring.graph[node_id]["inputs"]
        return {name: rule for name, rule in known.rules(inputs).items() if name in inputs} if known else {}

    def last(self, node_ids: Iterable[str]) -> list[str]:
        """Return the nodes on which no other of them builds."""
        found = list(node_ids)
        before = {i for node_id in found for i in upstream(self.wiring.graph, [node_id]) if i != node_id}
        return [node_id for node_id in found if node_id not in before]


def find_api_nodes(wiring: Wiring, live: list[str], file: str) -> ApiNodes | None:
    """Return the API nodes among the nodes that an output depends on.

    None if there are none, or if they only write texts for samplers.
    """
    nodes = tuple(i for i in live if (known := wiring.class_of(i)) is not None and known.is_api)
    writes_only = not any(_makes(wiring, i) for i in nodes)
    if not nodes or (writes_only and samplers_among(wiring, live)):
        return None
    return ApiNodes(wiring, nodes, tuple(live), file)


def _makes(wiring: Wiring, node_id: str) -> bool:
    known = wiring.class_of(node_id)
    return known is not None and set(known.outputs) != {"STRING"}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _is_text(rule: InputRule) -> bool:
    return rule.type == "STRING" and rule.multiline


def _prompt_names(rules: dict[str, InputRule]) -> list[str]:
    """Return the inputs that hold a node's prompt; several if the node has a text for each part."""
    texts = [name for name, rule in rules.items() if _is_text(rule)]
    own = [name for name in texts if _last(name) not in _NEGATIVES and not _OTHER.fullmatch(_last(name))]
    if any(_NUMBERED.fullmatch(_last(name)) for name in own):
        return own
    ranked = sorted((_PROMPTS.index(_last(name)), name) for name in own if _last(name) in _PROMPTS)
    return [ranked[0][1]] if ranked else own or [name for name in texts if _last(name).endswith("style_prompt")]


def find_api_prompt(api: ApiNodes, faults: list[Fault]) -> tuple[list[Binding], str]:
    """Find the texts that are the prompt, or the reason why there is none."""
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
    if len(slots) > 1 and len({wiring.value(slot) for slot in slots}) > 1:
        faults.append(several_prompts(api, list(slots)))
        return [], ""
    return [Binding("prompt", *slot, rule) for slot, rule in slots.items()], ""


def several_prompts(api: ApiNodes, slots: list[Slot]) -> Fault:
    """Ask which of several texts is the prompt."""
    places = places_of(api.wiring.graph, (node_id for node_id, _ in slots))
    return _ask(api, "the graph", "several texts could be the prompt", slots, places)


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
        if _is_text(rule) and not is_link(wiring.value((source, name))) and not _OTHER.fullmatch(_last(name))
    ]
    return non_empty(wiring, slots) or [(node_id, name) for name in _prompt_names(api.rules(node_id))]


def _ask(api: ApiNodes, place: str, why: str, slots: list[Slot], value: str = "") -> Fault:
    several_in_one = len(slots) > len({node_id for node_id, _ in slots})
    title = "" if several_in_one else 'give the node that holds the prompt the title "shot.prompt", or '
    ordered = sorted(slots, key=lambda slot: node_order(slot[0]))
    lines = suggestion_lines("prompt", [(address_of(slot), _present(api.wiring, slot)) for slot in ordered])
    return Fault(place, "", value, f"{why}: {title}choose it in {api.file} beside the graph:\n{lines}")


def _present(wiring: Wiring, slot: Slot) -> str:
    value = wiring.value(slot)
    return f"in place of {place_of(wiring.graph, value[0])}" if is_link(value) else f"now {format_value(value)}"


def find_api_negative(api: ApiNodes) -> tuple[list[Binding], str]:
    """Find the texts that are the negative prompt, or the reason why there are none."""
    wiring, slots = api.wiring, dict[Slot, str]()
    for node_id in api.makers:
        for name, rule in api.rules(node_id).items():
            if rule.type == "STRING" and _last(name) in _NEGATIVES:
                for slot in non_empty(wiring, texts_at(wiring, (node_id, name)) or ()):
                    slots.setdefault(slot, f"negative prompt of {wiring.label(node_id)}")
    if len(slots) > 1 and len({wiring.value(slot) for slot in slots}) > 1:
        lines = suggestion_lines("negative", [(address_of(slot), _present(wiring, slot)) for slot in slots])
        return [], f"several texts could be the negative prompt: choose it in {api.file} beside the graph:\n{lines}"
    gap = "" if slots else "the graph has no text for it: remove it from the shot"
    return [Binding("negative_prompt", *slot, rule) for slot, rule in slots.items()], gap


def find_api_seeds(api: ApiNodes, faults: list[Fault]) -> tuple[list[Binding], str, range | None]:
    """Find the seeds, why there are none, and the seeds that all these inputs take."""
    wiring, slots = api.wiring, dict[Slot, InputRule]()
    for node_id in api.makers:
        for name, rule in api.rules(node_id).items():
            if rule.type == "INT" and _SEEDS.fullmatch(_last(name)):
                if (slot := number_at(wiring, (node_id, name))) is None:
                    lines = suggestion_lines("seed", [(f"{node_id}.{name}", _present(wiring, (node_id, name)))])
                    remedy = f"its seed cannot be found: choose it in {api.file} beside the graph:\n{lines}"
                    faults.append(Fault(place_of(wiring.graph, node_id), "seed", "", remedy))
                    return [], "", None
                slots[slot] = rule
    if not slots:
        return (
            [],
            f"{places_of(wiring.graph, api.last(api.makers))} has no seed, so all takes of a shot are equal",
            None,
        )
    beside = api.last({node_id for node_id, _ in slots})
    if len(beside) > 1 and len({wiring.value(slot) for slot in slots if slot[0] in beside}) > 1:
        lines = suggestion_lines("seed", [(address_of(slot), _present(wiring, slot)) for slot in slots])
        remedy = f"these have different seeds: choose them in {api.file} beside the graph:\n{lines}"
        faults.append(Fault("the graph", "seed", places_of(wiring.graph, beside), remedy))
        return [], "", None
    least = max(int(rule.minimum or 0) for rule in slots.values())
    most = min(int(rule.maximum or SEED_MAX) for rule in slots.values())
    return [Binding("seed", *slot, f"seed of {wiring.label(slot[0])}") for slot in slots], "", range(least, most + 1)


def find_api_sizes(api: ApiNodes) -> Sizes:
    """Find what sets the size of the last node that has one."""
    offered = {node_id: each for node_id in api.makers if (each := _size_of(api, node_id)) is not None}
    last = api.last(offered)
    if not last:
        return Sizes((), "no node of the graph sets the picture's size: remove it from the shot")
    if len(last) > 1:
        return Sizes((), f"several nodes set a size, {places_of(api.wiring.graph, last)}: remove it from the shot")
    return offered[last[0]]


def _size_of(api: ApiNodes, node_id: str) -> Sizes | None:
    wiring, graph = api.wiring, api.wiring.graph
    if choices := find_size_choices(wiring, node_id):
        return chosen_sizes(wiring, choices)
    by_name = {_last(name): name for name, rule in api.rules(node_id).items() if rule.type == "INT"}
    if not {"width", "height"} <= by_name.keys():
        return None
    slots = {what: number_at(wiring, (node_id, by_name[what])) for what in ("width", "height")}
    if None in slots.values():
        node = place_of(graph, node_id)
        return Sizes((), f"the size of {node} is computed by other nodes: remove it from the shot")
    rule = f"size of {wiring.label(node_id)}"
    whats: tuple[What, What] = ("width", "height")
    return Sizes(tuple(Binding(what, *slot, rule) for what in whats if (slot := slots[what]) is not None), "")


def find_api_length(api: ApiNodes) -> Lengths:
    """Find the duration of the last node that has one."""
    wiring, graph = api.wiring, api.wiring.graph
    named = {
        node_id: (name, rule)
        for node_id in api.makers
        for name, rule in api.rules(node_id).items()
        if _last(name) in _SECONDS and rule.type in ("INT", "FLOAT", COMBO)
    }
    last = api.last(named)
    if len(last) > 1:
        return Lengths(gap=f"several nodes each make a part of it: {places_of(graph, last)}")
    for node_id in last:
        name, rule = named[node_id]
        slot = (node_id, name) if rule.type == COMBO else number_at(wiring, (node_id, name), float)
        if slot is None or is_link(wiring.value(slot)):
            return Lengths(gap=f"the length of {place_of(graph, node_id)} is computed by other nodes")
        length_rule = _length_rule(rule)
        if length_rule is None:
            return Lengths(gap=f"the choices of {place_of(graph, node_id)} name no seconds")
        return Lengths((Binding("length", *slot, f"length of {wiring.label(node_id)}"),), length_rule=length_rule)
    return Lengths()


def api_length_rule(api: ApiNodes, slot: Slot) -> LengthRule | None:
    """Return the durations that an input of an API node takes; None if it is another node's, or no duration."""
    rule = api.rules(slot[0]).get(slot[1]) if slot[0] in api.nodes else None
    return _length_rule(rule) if rule is not None and rule.type in ("INT", "FLOAT", COMBO) else None


def _length_rule(rule: InputRule) -> LengthRule | None:
    if rule.type != COMBO:
        whole = rule.type == "INT"
        return LengthRule(rule.minimum or 0, rule.step or (1 if whole else 0.1), rule.maximum or _LONGEST, whole=whole)
    found = [(match, value) for value in rule.choices or () if (match := _TIME.fullmatch(str(value)))]
    seconds = tuple(sorted(((float(match[1]), value) for match, value in found), key=lambda each: each[0]))
    return LengthRule(seconds[0][0], 1, seconds[-1][0], choices=seconds) if seconds else None
