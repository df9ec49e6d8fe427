"""Find what a person sets where a graph computes a size or a length: a primitive, or a node that picks a size."""

from collections.abc import Iterator

from previs.comfyui.protocol.graph import is_link, links
from previs.workflow.binding.bindings import Slot
from previs.workflow.binding.link_types import IMAGE, LATENT, MASK, Wiring
from previs.workflow.binding.traversal import holds, upstream
from previs.workflow.detection.numbers import HELD_NUMBERS

_PICTURES = frozenset({IMAGE, LATENT, MASK, "VIDEO", "AUDIO"})


def size_behind(wiring: Wiring, live: list[str], pair: tuple[Slot, Slot]) -> tuple[list[Slot], list[Slot]] | None:
    """Return the inputs that decide a computed width and height, if they decide both alike and nothing else.

    Such an input holds a number, or a link to a node that picks a size, such as ``ResolutionSelector``: a size in its
    place reaches all that takes it.
    """
    (width, by_width), (height, by_height) = (_source(wiring, slot) for slot in pair)
    if width is None or height is None or width == height or by_width != by_height:
        return None
    found = _with_equal_links(wiring, live, width), _with_equal_links(wiring, live, height)
    picked = {wiring.value(slot)[0] for slot in (width, height) if is_link(wiring.value(slot))}
    if any(_measures(wiring, node_id) for node_id in picked):
        return None
    bound = {slot for slots in found for slot in slots}
    users = {(user, name) for node_id in picked for user, name, _ in wiring.links_from(node_id) if user in live}
    return found if users <= bound else None


def seconds_behind(wiring: Wiring, slot: Slot, rates: set[Slot], rate: float) -> Slot | None:
    """Return the only number behind a computed length beside the frame rate, if it can only be seconds.

    Nobody saves a film of less than a second: a smaller number than the rate counts seconds, not frames.
    """
    if not is_link(value := wiring.value(slot)) or _measures(wiring, value[0]):
        return None
    held = {
        (node_id, name)
        for node_id in upstream(wiring.graph, [value[0]])
        for name, each in wiring.graph[node_id]["inputs"].items()
        if name in HELD_NUMBERS and holds(each, float) and not any(links(wiring.graph[node_id]))
    }
    left = [each for each in held - rates if wiring.value(each) < rate]
    return left[0] if len(left) == len(held - rates) == 1 else None


def _source(wiring: Wiring, slot: Slot) -> tuple[Slot | None, list[tuple[str, object]]]:
    """Follow an input up nodes of one link and no number; return its end, and the classes and rules of these nodes."""
    passed: list[tuple[str, object]] = []
    while is_link(value := wiring.value(slot)):
        inputs = wiring.graph[value[0]]["inputs"]
        linked = [name for name, each in inputs.items() if is_link(each)]
        numbers = [name for name, each in inputs.items() if holds(each, float)]
        if len(linked) == 1 and not numbers:
            passed.append((wiring.graph[value[0]]["class_type"], inputs.get("expression")))
            slot = value[0], linked[0]
        elif not linked and len(inputs) == 1 and numbers:
            slot = value[0], numbers[0]
        else:
            break
    if not is_link(value) and not holds(value, int):
        return None, passed
    return slot, passed


def _with_equal_links(wiring: Wiring, live: list[str], slot: Slot) -> list[Slot]:
    """Return an input and all others that have the same link."""
    value = wiring.value(slot)
    if not is_link(value):
        return [slot]
    return [(node_id, name) for node_id in live for name in _linked(wiring, node_id, value)]


def _linked(wiring: Wiring, node_id: str, link: object) -> Iterator[str]:
    return (name for name, value in wiring.graph[node_id]["inputs"].items() if value == link)


def _measures(wiring: Wiring, node_id: str) -> bool:
    """Return whether a number depends on a picture, film or sound."""
    for each in upstream(wiring.graph, [node_id]):
        class_type = wiring.graph[each]["class_type"]
        known = wiring.class_of(each)
        if class_type.startswith(("Load", "VHS_Load")) or (known and _PICTURES & set(known.outputs)):
            return True
    return False
