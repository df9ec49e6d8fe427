"""Where a graph loads pictures that a shot's references may take the place of."""

from collections.abc import Mapping
from dataclasses import dataclass

from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import in_order
from previs.workflow.detection.roles import image_flow, picture_input, role_of, strength_of
from previs.workflow.detection.texts import texts_at
from previs.workflow.detection.titles import REFERENCE


@dataclass(frozen=True, slots=True)
class ReferenceInputs:
    """The pictures that a graph loads, in the order in which a person counts their nodes.

    Attributes:
        strengths: inputs that say how strongly each acts, by the inputs of the pictures.
    """

    bindings: Mapping[Slot, Binding]
    strengths: Mapping[Slot, Slot]


def find_references(wiring: Wiring, live: list[str], claimed: Mapping[str, str]) -> ReferenceInputs:
    """Find the pictures that come to a sampler, or to an output where there is none, and those that titles keep.

    Args:
        wiring: of a graph with no circles.
        alive: nodes that outputs are made from.
        claimed: nodes that titles keep for one reference, by its id.
    """
    flow = image_flow(wiring, live)
    owners = {node_id: reference_id for reference_id, node_id in claimed.items()}
    bindings: dict[Slot, Binding] = {}
    strengths: dict[Slot, Slot] = {}
    for node_id in in_order(flow.reaching | owners.keys()):
        name = picture_input(wiring, node_id) or ("image" if node_id in owners else None)
        texts = texts_at(wiring, (node_id, name)) if name else None
        told = role_of(flow, node_id) if name else None
        if texts is None or len(texts) != 1 or (told is None and node_id not in owners):
            continue
        role, rule = told or ("start", "")
        kept = owners.get(node_id, "")
        bindings.setdefault(
            texts[0], Binding("reference", *texts[0], f"title {REFERENCE}{kept}" if kept else rule, role, kept)
        )
        if strength := strength_of(flow, node_id):
            strengths[texts[0]] = strength
    return ReferenceInputs(bindings, strengths)
