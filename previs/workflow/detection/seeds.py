"""Find the inputs that hold a graph's seed."""

from collections.abc import Iterator, Mapping

from previs.comfyui.protocol.graph import is_link
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault
from previs.workflow.binding.addresses import address_of
from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.suggestions import suggestion_lines, yaml_block
from previs.workflow.binding.traversal import node_order, place_of, places_of, upstream
from previs.workflow.detection.numbers import number_at
from previs.workflow.detection.sampling import SEEDS, chained, conditioned_by, noise_of, samplers_among

_TITLE = 'give the node that holds the seed the title "shot.seed"'


def find_seeds(wiring: Wiring, live: list[str], file: str, faults: list[Fault]) -> tuple[Binding, ...]:
    """Find the seeds of all samplers; if no sampler is known, report every node with a seed.

    Samplers that follow each other share a seed, and so do others whose seeds are equal now, and encoders whose seed
    is that of a sampler now (ACE-Step 1.5 composes with one). Different seeds of samplers are a fault: whether they
    should become equal cannot be known.
    """
    samplers = samplers_among(wiring, live)
    by_sampler: dict[str, tuple[Slot, ...]] = {}
    for sampler in samplers:
        noise = noise_of(wiring, sampler)
        by_sampler[sampler] = noise.seeds
        if not noise.seeds and not noise.unneeded:
            faults.append(_untraced(wiring, sampler, file))
    slots = {slot: sampler for sampler, found in reversed(by_sampler.items()) for slot in found}
    if not samplers:
        unread = [node_id for node_id in live if any(name in wiring.graph[node_id]["inputs"] for name in SEEDS)]
        faults.extend(_untraced(wiring, node_id, file) for node_id in unread)
    elif not slots and not faults:
        remedy = (
            f"no sampler makes noise, so every take would be the same picture; "
            f"if this is intended, write in {file}:\n{yaml_block('seed: []')}"
        )
        faults.append(Fault("the graph", "seed", "", remedy))
    elif fault := _different(wiring, by_sampler, file):
        faults.append(fault)
    ordered = sorted(slots, key=lambda slot: samplers.index(slots[slot]))
    bindings = [Binding("seed", *slot, f"noise of {wiring.label(slots[slot])}") for slot in ordered]
    return (*bindings, *_equal_seeds(wiring, live, slots))


def _equal_seeds(wiring: Wiring, live: list[str], slots: Mapping[Slot, str]) -> Iterator[Binding]:
    """Yield seeds of other nodes that a sampler's conditioning depends on, if they are the sampler's now."""
    held = {wiring.value(slot): sampler for slot, sampler in slots.items()}
    conditioning = {source for sampler in slots.values() for source, _ in conditioned_by(wiring, sampler, "positive")}
    before = upstream(wiring.graph, conditioning) if conditioning else set()
    known = set(slots)
    for node_id in live:
        for name in SEEDS if node_id in before else ():
            slot = number_at(wiring, (node_id, name))
            if slot is not None and slot not in known and (sampler := held.get(wiring.value(slot))):
                known.add(slot)
                yield Binding("seed", *slot, f"the same seed as {wiring.label(sampler)}")


def _untraced(wiring: Wiring, node_id: str, file: str) -> Fault:
    named = [(node_id, name) for name in SEEDS if name in wiring.graph[node_id]["inputs"]]
    found = [(address_of(slot), _present_value(wiring, slot)) for slot in named]
    choice = f", or choose it in {file} beside the graph:\n{suggestion_lines('seed', found)}" if found else ""
    remedy = f"its seed cannot be found: {_TITLE}{choice}"
    return Fault(place_of(wiring.graph, node_id), "seed", "", remedy)


def _present_value(wiring: Wiring, slot: Slot) -> str:
    value = wiring.value(slot)
    return f"in place of {place_of(wiring.graph, value[0])}" if is_link(value) else f"now {format_value(value)}"


def _different(wiring: Wiring, by_sampler: dict[str, tuple[Slot, ...]], file: str) -> Fault | None:
    """Report samplers that do not follow each other and have different seeds."""
    groups = chained(wiring, list(by_sampler))
    seeds = [{slot for sampler in group for slot in by_sampler.get(sampler, ())} for group in groups]
    values = {frozenset(str(wiring.value(slot)) for slot in each) for each in seeds if each}
    if len(values) < 2:  # noqa: PLR2004 - two that differ
        return None
    held = {slot for each in seeds for slot in each}
    slots = sorted(held, key=lambda slot: (node_order(slot[0]), slot[1]))
    nodes = places_of(wiring.graph, (node_id for node_id, _ in held))
    lines = suggestion_lines("seed", [(address_of(slot), _present_value(wiring, slot)) for slot in slots])
    remedy = f"these have different seeds: {_TITLE}, or choose it in {file} beside the graph:\n{lines}"
    return Fault("the graph", "seed", nodes, remedy)
