"""Find the pictures of a graph that a shot's references may replace."""

from collections.abc import Mapping
from dataclasses import dataclass

from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import in_order
from previs.workflow.detection.named_roles import named_role
from previs.workflow.detection.roles import image_flow, picture_input, role_of, strength_of
from previs.workflow.detection.text_sources import texts_at
from previs.workflow.detection.titles import REFERENCE


@dataclass(frozen=True, slots=True)
class ReferenceInputs:
    """Hold the bindings of references, ordered by node id, and inputs of strengths by the inputs of the pictures."""

    bindings: Mapping[Slot, Binding]
    strengths: Mapping[Slot, Slot]


def find_references(wiring: Wiring, live: list[str], claimed: Mapping[str, str]) -> ReferenceInputs:
    """Find pictures that reach a sampler, or else an output, and pictures that titles reserve, by reference id."""
    flow = image_flow(wiring, live)
    owners = {node_id: reference_id for reference_id, node_id in claimed.items()}
    bindings: dict[Slot, Binding] = {}
    strengths: dict[Slot, Slot] = {}
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
    return ReferenceInputs(bindings, strengths)
