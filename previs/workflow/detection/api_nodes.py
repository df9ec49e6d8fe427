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
from previs.workflow.binding.traversal import place_of, places_of, upstream
from previs.workflow.detection.lengths import LengthRule, Lengths
from previs.workflow.detection.numbers import number_at
from previs.workflow.detection.sampling import samplers_among
from previs.workflow.detection.size_choices import find_size_choices
from previs.workflow.detection.sizes import Sizes, chosen_sizes

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


def last_part(name: str) -> str:
    """Return the own name of an input that a dynamic combo brings: ``prompt`` of ``model.prompt``."""
    return name.rpartition(".")[2]


def present(wiring: Wiring, slot: Slot) -> str:
    """Say what an input holds now."""
    value = wiring.value(slot)
    return f"in place of {place_of(wiring.graph, value[0])}" if is_link(value) else f"now {format_value(value)}"


def find_api_seeds(api: ApiNodes, faults: list[Fault]) -> tuple[list[Binding], str, range | None]:
    """Find the seeds, why there are none, and the seeds that all these inputs take."""
    wiring, slots = api.wiring, dict[Slot, InputRule]()
    for node_id in api.makers:
        for name, rule in api.rules(node_id).items():
            if rule.type == "INT" and _SEEDS.fullmatch(last_part(name)):
                if (slot := number_at(wiring, (node_id, name))) is None:
                    lines = suggestion_lines("seed", [(f"{node_id}.{name}", present(wiring, (node_id, name)))])
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
        lines = suggestion_lines("seed", [(address_of(slot), present(wiring, slot)) for slot in slots])
        remedy = f"these have different seeds: choose them in {api.file} beside the graph:\n{lines}"
        faults.append(Fault("the graph", "seed", places_of(wiring.graph, beside), remedy))
        return [], "", None
    least = max(int(rule.minimum or 0) for rule in slots.values())
    most = min(int(rule.maximum or SEED_MAX) for rule in slots.values())
    found = [Binding("seed", *slot, f"seed of {wiring.label(slot[0])}") for slot in slots]
    return found, "", range(max(least, 0), min(most, SEED_MAX) + 1) or None


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
    by_name = {last_part(name): name for name, rule in api.rules(node_id).items() if rule.type == "INT"}
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
        if last_part(name) in _SECONDS and rule.type in ("INT", "FLOAT", COMBO)
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
