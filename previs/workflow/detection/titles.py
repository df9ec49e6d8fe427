"""Read node titles such as ``shot.prompt``, by which an artist marks the inputs that a shot sets."""

from collections.abc import Iterator

from previs.comfyui.protocol.graph import Graph, is_link
from previs.comfyui.protocol.input_check import format_value
from previs.errors import MOST_FAULTS, Fault
from previs.text.similar import Budget, closest
from previs.workflow.binding.bindings import Slot, What
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import holds, place_of, places_of, title_of
from previs.workflow.detection.final_output import OUTPUT_TITLE
from previs.workflow.detection.numbers import HELD_NUMBERS, number_at
from previs.workflow.detection.saves import saving_nodes
from previs.workflow.detection.text_sources import HELD_TEXTS, texts_at
from previs.workflow.detection.texts import ENCODED_TEXTS

REFERENCE = "shot.reference."
TITLES: dict[str, What] = {
    "shot.prompt": "prompt",
    "shot.negative": "negative_prompt",
    "shot.seed": "seed",
    "shot.width": "width",
    "shot.height": "height",
    "shot.length": "length",
    "shot.frame_rate": "frame_rate",
    "shot.batch_size": "batch_size",
    "shot.checkpoint": "checkpoint",
}

_PREFIX = "shot."
_TEXTS = (*ENCODED_TEXTS, *HELD_TEXTS)
# Inputs that a title means on a node with several values; a node with a single value needs none of these names.
_INPUTS: dict[What, tuple[str, ...]] = {
    "prompt": _TEXTS,
    "negative_prompt": _TEXTS,
    "seed": HELD_NUMBERS,
    "width": ("width",),
    "height": ("height",),
    "length": ("length", "video_frames", "num_frames", "seconds"),
    "frame_rate": ("fps", "frame_rate"),
    "batch_size": ("batch_size", "amount"),
    "checkpoint": ("ckpt_name", "unet_name", "model_path"),
}
KINDS: dict[str, type] = {
    **dict.fromkeys(("prompt", "negative_prompt", "checkpoint"), str),
    **dict.fromkeys(("seed", "width", "height", "batch_size"), int),
    **dict.fromkeys(("length", "frame_rate"), float),
}
_KIND_NAMES = {str: "text", int: "whole number", float: "number"}


def titled(graph: Graph, title: str) -> list[str]:
    """Return the nodes with a title."""
    return [node_id for node_id, node in graph.items() if title_of(node) == title]


def title_faults(graph: Graph) -> Iterator[Fault]:
    """Report titles that begin with ``shot.`` but name no value of a shot."""
    budget = Budget(MOST_FAULTS * len(TITLES))
    for node_id, node in graph.items():
        title = title_of(node)
        claims_reference = title.startswith(REFERENCE) and title != REFERENCE
        if title == OUTPUT_TITLE:
            yield from _output_faults(graph, node_id)
        elif title.startswith(_PREFIX) and title not in TITLES and not claims_reference:
            titles = (*TITLES, OUTPUT_TITLE)
            close = closest(title, (*titles, REFERENCE), budget=budget, most=1, cutoff=0)
            meant = f"did you mean {close[0]}? " if close else ""
            remedy = f"{meant}A shot has {', '.join(titles)} and {REFERENCE}REFERENCE_ID"
            yield Fault(place_of(graph, node_id), "title", format_value(title), remedy)


def _output_faults(graph: Graph, node_id: str) -> Iterator[Fault]:
    saving = saving_nodes(graph)
    if node_id not in saving:
        nodes = f": {places_of(graph, saving)}" if saving else ""
        remedy = f"this title must be on a node that saves{nodes}"
        yield Fault(place_of(graph, node_id), "title", format_value(OUTPUT_TITLE), remedy)


def titled_slots(wiring: Wiring, title: str, faults: list[Fault]) -> list[Slot]:
    """Return the inputs of titled nodes that hold their text or number."""
    what = TITLES[title]
    kind = KINDS[what]
    slots: dict[Slot, None] = {}
    for node_id in titled(wiring.graph, title):
        inputs = wiring.graph[node_id]["inputs"]
        names = [
            name
            for name, value in inputs.items()
            if name.rpartition(".")[2] in _INPUTS[what] and (holds(value, kind) or is_link(value))
        ]
        names = names or [name for name, value in inputs.items() if holds(value, kind)]
        found = [_held(wiring, (node_id, name), kind) for name in names]
        slots.update(dict.fromkeys(slot for slot in found if slot is not None))
        # Inputs such as text_g and text_l are one prompt for several encoders.
        if not found or None in found or (len(found) > 1 and not set(names) <= set(ENCODED_TEXTS)):
            remedy = f"this title must be on a node that itself holds one {_KIND_NAMES[kind]}: move it to that node"
            faults.append(Fault(place_of(wiring.graph, node_id), "title", format_value(title), remedy))
    return list(slots)


def _held(wiring: Wiring, slot: Slot, kind: type) -> Slot | None:
    if kind is not str:
        return number_at(wiring, slot, kind)
    texts = texts_at(wiring, slot) or ()
    return texts[0] if len(texts) == 1 else None


def titled_references(graph: Graph, faults: list[Fault]) -> dict[str, str]:
    """Map reference ids to the nodes whose titles reserve them."""
    claimed: dict[str, str] = {}
    for node_id, node in graph.items():
        reference_id = title_of(node).removeprefix(REFERENCE).strip()
        if not title_of(node).startswith(REFERENCE) or not reference_id:
            continue
        place, title = place_of(graph, node_id), format_value(title_of(node))
        if not isinstance(node["inputs"].get("image"), str):
            faults.append(Fault(place, "title", title, "this title must be on a LoadImage node"))
        elif reference_id in claimed:
            faults.append(Fault(place, "title", title, f"node {claimed[reference_id]} has the same title: change one"))
        else:
            claimed[reference_id] = node_id
    return claimed
