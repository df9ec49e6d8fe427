"""Find the pictures of a graph that a shot's references may replace."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import in_order
from previs.workflow.detection.named_roles import named_role
from previs.workflow.detection.roles import (
    ImageFlow,
    image_flow,
    picture_input,
    pictures_below,
    role_of,
    strength_of,
)
from previs.workflow.detection.text_sources import texts_at
from previs.workflow.detection.titles import REFERENCE

_NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True, slots=True)
class ReferenceInputs:
    """Hold the bindings of references, and inputs of strengths by the inputs of the pictures.

    References are in the order of node ids, but those of one node's numbered inputs in the order of the numbers.
    """

    bindings: Mapping[Slot, Binding]
    strengths: Mapping[Slot, Slot]


def find_references(wiring: Wiring, live: list[str], claimed: Mapping[str, str]) -> ReferenceInputs:
    """Find pictures that reach a sampler, or else an output, and pictures that titles reserve, by reference id."""
    flow = image_flow(wiring, live)
    owners = {node_id: reference_id for reference_id, node_id in claimed.items()}
    bindings: dict[Slot, Binding] = {}
    strengths: dict[Slot, Slot] = {}
    slots: dict[str, Slot] = {}
    for node_id in in_order(flow.reaching | owners.keys()):
        name = picture_input(wiring, node_id) or ("image" if node_id in owners else None)
        texts = texts_at(wiring, (node_id, name)) if name else None
        found = (named_role(flow, node_id) or role_of(flow, node_id)) if name else None
        if texts is None or len(texts) != 1 or (found is None and node_id not in owners):
            continue
        role, rule = found or ("start", "")
        kept = owners.get(node_id, "")
        rule = f"title {REFERENCE}{kept}" if kept else rule
        bindings.setdefault(texts[0], Binding("reference", *texts[0], rule, role, kept))
        if strength := strength_of(flow, node_id):
            strengths[texts[0]] = strength
        slots[node_id] = texts[0]
    order = [slots[node_id] for node_id in _by_number(flow, list(slots))]
    return ReferenceInputs({slot: bindings[slot] for slot in order}, strengths)


def _by_number(flow: ImageFlow, loaders: list[str]) -> list[str]:
    """Sort the pictures that go into numbered inputs of one node, ``image1`` and ``image2``, by these numbers."""
    numbered: dict[tuple[str, str], dict[str, set[int]]] = {}
    for loader in loaders:
        for node_id, name in pictures_below(flow, loader):
            if found := _NUMBERED.fullmatch(name):
                of_node = numbered.setdefault((node_id, found[1]), {})
                of_node.setdefault(loader, set()).add(int(found[2]))
    for of_node in numbered.values():
        places = {loader: min(numbers) for loader, numbers in of_node.items() if len(numbers) == 1}
        if len(set(places.values())) == len(places):
            ordered = iter(sorted(places, key=places.__getitem__))
            loaders = [next(ordered) if loader in places else loader for loader in loaders]
    return loaders
