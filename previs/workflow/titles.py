"""Titles by which an artist says which node takes what of a shot: ``shot.prompt`` and its like."""

import difflib
from collections.abc import Iterator

from previs.comfyui.graph import Graph, is_link
from previs.errors import Fault
from previs.workflow.limits import shown
from previs.workflow.texts import ENCODED_TEXTS, HELD_NUMBERS, HELD_TEXTS, Slot, held_at
from previs.workflow.walk import literal, place_of, title_of

PROMPT = "shot.prompt"
NEGATIVE = "shot.negative"
SEED = "shot.seed"
REFERENCE = "shot.reference."

_KNOWN = (PROMPT, NEGATIVE, SEED)
_OURS = "shot."


def titled(graph: Graph, title: str) -> list[str]:
    """Give the nodes that bear a title."""
    return [node_id for node_id, node in graph.items() if title_of(node) == title]


def title_faults(graph: Graph) -> Iterator[Fault]:
    """Find titles that begin like ours and name nothing that a shot has."""
    for node_id, node in graph.items():
        title = title_of(node)
        claims_reference = title.startswith(REFERENCE) and title != REFERENCE
        if title.startswith(_OURS) and title not in _KNOWN and not claims_reference:
            closest = difflib.get_close_matches(title, (*_KNOWN, REFERENCE), n=1, cutoff=0)[0]
            remedy = f"did you mean {closest}? A shot has {', '.join(_KNOWN)} and {REFERENCE}REFERENCE_ID"
            yield Fault(place_of(graph, node_id), "title", shown(title), remedy)


def titled_slots(graph: Graph, title: str, kind: type, faults: list[Fault]) -> frozenset[Slot]:
    """Find where the nodes that bear a title hold their text or number."""
    wanted = (*ENCODED_TEXTS, *HELD_TEXTS) if kind is str else HELD_NUMBERS
    slots: set[Slot] = set()
    for node_id in titled(graph, title):
        inputs = graph[node_id]["inputs"]
        names = [name for name, value in inputs.items() if name in wanted and (literal(value, kind) or is_link(value))]
        names = names or [name for name, value in inputs.items() if literal(value, kind)]
        found = [held_at(graph, (node_id, name), kind, wanted) for name in names]
        slots.update(slot for slot in found if slot is not None)
        if not found or None in found or (len(found) > 1 and not _belong_together(names)):
            what = "text" if kind is str else "whole number"
            remedy = f"this title belongs to a node that holds one {what} itself: move it to the node that does"
            faults.append(Fault(place_of(graph, node_id), "title", shown(title), remedy))
    return frozenset(slots)


def _belong_together(names: list[str]) -> bool:
    """Whether several inputs are one prompt for several encoders, as ``text_g`` and ``text_l`` are."""
    return all(name in ENCODED_TEXTS for name in names)


def titled_references(graph: Graph, faults: list[Fault]) -> dict[str, str]:
    """Map the ids of references to the nodes whose titles claim them."""
    claimed: dict[str, str] = {}
    for node_id, node in graph.items():
        reference_id = title_of(node).removeprefix(REFERENCE)
        if not title_of(node).startswith(REFERENCE) or not reference_id:
            continue
        place, title = place_of(graph, node_id), shown(title_of(node))
        if not isinstance(node["inputs"].get("image"), str):
            faults.append(Fault(place, "title", title, "this title belongs to a LoadImage node"))
        elif reference_id in claimed:
            faults.append(Fault(place, "title", title, f"node {claimed[reference_id]} has the same title: change one"))
        else:
            claimed[reference_id] = node_id
    return claimed
