"""Find the inputs that set the picture's size, in the first pass and in later ones."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from previs.comfyui.protocol.graph import is_link
from previs.workflow.binding.bindings import Binding, Slot, What
from previs.workflow.binding.limits import SIZE_MAX
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import in_order, outputs_of, places_of, saving, upstream
from previs.workflow.detection.computed import size_behind
from previs.workflow.detection.numbers import number_at
from previs.workflow.detection.sampling import samplers_among
from previs.workflow.detection.size_choices import SizeChoices, find_size_choices

_PAIR = ("width", "height")
# Loaders of custom packs that make the empty latent, too; the first pair that a node has sets its size.
_PAIRS = (_PAIR, ("empty_latent_width", "empty_latent_height"), ("latent_width", "latent_height"))
# ComfyUI's own nodes that are conditioned on the picture's size, with the pairs of inputs that hold it.
_SIZE_CONDITIONING = {
    "CLIPTextEncodeSDXL": (_PAIR, ("target_width", "target_height")),
    **dict.fromkeys(
        ("CLIPTextEncodeSDXLRefiner", "CLIPTextEncodePixArtAlpha", "ModelSamplingFlux", "SolidMask"), (_PAIR,)
    ),
    **dict.fromkeys(("Flux2Scheduler", "Ideogram4Scheduler"), (_PAIR,)),
}

Pair = tuple[Slot, Slot]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Hold the bindings of width and height.

    Attributes:
        bindings: Empty if there is a gap.
        gap: Why a shot's size cannot be applied; empty if it can.
        first_nodes: Nodes of the first pass that set the size, also if it is computed.
        choices: Sizes that a node offers as choices, in whose inputs they are bound.
    """

    bindings: tuple[Binding, ...]
    gap: str
    first_nodes: tuple[str, ...] = ()
    choices: SizeChoices | None = None


@dataclass(frozen=True, slots=True)
class _SizeNodes:
    """Hold the nodes that set a size: before the first sampler, between samplers, and after the last.

    Attributes:
        beside: Of samplers whose pictures only condition those that are saved, such as the base of an upscaler.
    """

    first: list[str]
    later: list[str]
    after: list[str]
    beside: list[str] = field(default_factory=list)


def find_sizes(wiring: Wiring, live: list[str]) -> Sizes:
    """Find the inputs for width and height.

    The first pass takes the shot's size. A later pass that scales to a fixed size grows in proportion; one that scales
    by a factor needs no change.
    """
    nodes = _size_nodes(wiring, live)
    first_nodes = tuple(in_order(nodes.first))
    pairs = {node_id: _pair(wiring, node_id) for node_id in first_nodes}
    if computed := _computed(wiring, live, nodes, pairs):
        return Sizes(computed, "", first_nodes)
    if gap := _gap(wiring, live, nodes, pairs):
        return Sizes((), gap, first_nodes)
    known = {node_id: pair for node_id, pair in pairs.items() if pair is not None}
    bindings = [
        each for node_id, pair in known.items() for each in _pair_bindings(pair, f"size of {wiring.label(node_id)}")
    ]
    if choices := _choices(wiring, first_nodes):
        return _chosen(wiring, choices, nodes, first_nodes)
    first = next(iter(known.values()))
    size = _values(wiring, first)
    for node_id in in_order([*nodes.later, *nodes.beside]):
        bindings += _later_sizes(wiring, node_id, size, first_nodes[0])
    bindings += _size_conditioning(wiring, live, size, first, first_nodes[0])
    return Sizes(tuple({(*each.slot, each.what): each for each in reversed(bindings)}.values())[::-1], "", first_nodes)


def _choices(wiring: Wiring, first_nodes: tuple[str, ...]) -> SizeChoices | None:
    """Return the choices of a loader that reads its width and height only if one of them, ``custom``, is chosen."""
    found = find_size_choices(wiring, first_nodes[0])
    opened = found.custom.values if found and found.custom else {}
    return found if any(wiring.value(slot) != value for slot, value in opened.items()) else None


def _chosen(wiring: Wiring, choices: SizeChoices, nodes: _SizeNodes, first_nodes: tuple[str, ...]) -> Sizes:
    if nodes.later or len(first_nodes) > 1:
        node = places_of(wiring.graph, first_nodes)
        return Sizes((), f"{node} takes its size from a choice, to which others are tied: remove it", first_nodes)
    return replace(chosen_sizes(wiring, choices), first_nodes=first_nodes)


def chosen_sizes(wiring: Wiring, choices: SizeChoices) -> Sizes:
    """Bind the inputs of a node that offers sizes as choices."""
    rule, inputs = f"size of {wiring.label(choices.node_id)}", wiring.graph[choices.node_id]["inputs"]
    names = (name for name in choices.inputs if name in inputs)
    return Sizes(tuple(Binding("size", choices.node_id, name, rule) for name in names), "", choices=choices)


def _size_nodes(wiring: Wiring, live: list[str]) -> _SizeNodes:
    samplers = set(samplers_among(wiring, live))
    ends = saving(wiring.graph) or outputs_of(wiring.graph)
    if not samplers:
        return _SizeNodes(list(_size_setters(wiring, ends, samplers)), [], [])
    saved = set(_picture_upstream(wiring, ends))
    starts = [node_id for node_id in live if node_id in samplers and node_id in saved]
    first: dict[str, None] = {}
    later: dict[str, None] = {}
    for sampler in starts:
        for node_id in _size_setters(wiring, _sources(wiring, sampler), samplers):
            follows = samplers & set(_picture_upstream(wiring, [node_id]))
            (later if follows else first)[node_id] = None
    conditioning = (samplers & set(upstream(wiring.graph, starts))) - set(starts)
    sources = [source for sampler in conditioning for source in _sources(wiring, sampler)]
    beside = [each for each in _size_setters(wiring, sources, samplers) if each not in first and each not in later]
    return _SizeNodes(list(first), list(later), list(_size_setters(wiring, ends, samplers)), beside)


def _sources(wiring: Wiring, node_id: str) -> list[str]:
    return [source for _, source, _ in wiring.pictures(node_id)]


def _size_setters(wiring: Wiring, starts: Iterable[str], samplers: set[str]) -> Iterator[str]:
    """Follow pictures upstream to the nearest nodes that set a size, stopping at samplers."""
    pending = list(starts)[::-1]
    seen: set[str] = set()
    while pending:
        node_id = pending.pop()
        if node_id in seen or node_id in samplers:
            continue
        seen.add(node_id)
        if _names_of(wiring, node_id):
            yield node_id
        else:
            pending.extend(reversed(_sources(wiring, node_id)))


def _picture_upstream(wiring: Wiring, starts: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    pending = list(starts)
    while pending:
        node_id = pending.pop()
        if node_id not in found:
            found[node_id] = None
            pending.extend(_sources(wiring, node_id))
    return list(found)


def _names_of(wiring: Wiring, node_id: str) -> tuple[str, str] | None:
    return next((names for names in _PAIRS if wiring.graph[node_id]["inputs"].keys() >= set(names)), None)


def _pair(wiring: Wiring, node_id: str, names: tuple[str, str] | None = None) -> Pair | None:
    width, height = (number_at(wiring, (node_id, name)) for name in names or _names_of(wiring, node_id) or _PAIR)
    return None if width is None or height is None else (width, height)


def _values(wiring: Wiring, pair: Pair) -> tuple[int, int]:
    width, height = (int(wiring.value(slot)) for slot in pair)
    return width, height


def _gap(wiring: Wiring, live: list[str], nodes: _SizeNodes, pairs: dict[str, Pair | None]) -> str:
    """Return why a shot's size cannot be applied; empty if it can."""
    graph = wiring.graph
    if not nodes.first and not nodes.after:
        passed = set(_picture_upstream(wiring, samplers_among(wiring, live) or saving(graph)))
        loaders = [node_id for node_id in passed if graph[node_id]["class_type"].startswith("LoadImage")]
        of = f", which comes from {places_of(wiring.graph, loaders)}" if loaders else ""
        return f"no node of the graph sets the picture's size{of}: remove it from the shot"
    if computed := [node_id for node_id, pair in pairs.items() if pair is None]:
        held = [graph[i]["inputs"][name] for i in computed for name in _names_of(wiring, i) or _PAIR]
        sources = [value[0] for value in held if is_link(value)]
        why = f"computed by other nodes ({places_of(wiring.graph, sources)})" if sources else "not a whole number"
        return f"the size of {places_of(wiring.graph, computed)} is {why}: remove it from the shot"
    sizes = {_values(wiring, pair) for pair in pairs.values() if pair is not None}
    cropping = [node_id for node_id in nodes.later if {"x", "y"} <= graph[node_id]["inputs"].keys()]
    if len(sizes) > 1 or nodes.after or cropping:
        several = [*nodes.first, *cropping, *nodes.after]
        return f"several nodes set a size, {places_of(wiring.graph, several)}: remove it from the shot"
    return ""


def _computed(wiring: Wiring, live: list[str], nodes: _SizeNodes, pairs: dict[str, Pair | None]) -> tuple[Binding, ...]:
    """Bind what decides the computed size of the only node that sets one; return nothing if that is not known."""
    if len(nodes.first) != 1 or nodes.later or nodes.after or nodes.beside or None not in pairs.values():
        return ()
    node_id = nodes.first[0]
    width, height = ((node_id, name) for name in _names_of(wiring, node_id) or _PAIR)
    found = size_behind(wiring, live, (width, height))
    rule = f"size of {wiring.label(node_id)}"
    named: tuple[tuple[What, list[Slot]], ...] = (("width", found[0]), ("height", found[1])) if found else ()
    return tuple(Binding(what, *slot, rule) for what, slots in named for slot in slots)


def _pair_bindings(pair: Pair, rule: str) -> tuple[Binding, Binding]:
    return Binding("width", *pair[0], rule), Binding("height", *pair[1], rule)


def _later_sizes(wiring: Wiring, node_id: str, size: tuple[int, int], first_node: str) -> Iterator[Binding]:
    """Bind a later pass that scales to a fixed size, with its present ratio to the first pass."""
    pair = _pair(wiring, node_id)
    if pair is None or not all(0 < value <= SIZE_MAX for value in (*size, *_values(wiring, pair))):
        return
    for binding, first in zip(_pair_bindings(pair, ""), size, strict=True):
        factor = wiring.value(binding.slot) / first
        relation = "the same size as" if factor == 1 else f"{factor:.4g} times that of"
        yield replace(binding, rule=f"{relation} {wiring.label(first_node)}", factor=factor)


def _size_conditioning(
    wiring: Wiring, live: list[str], size: tuple[int, int], first: Pair, first_node: str
) -> Iterator[Binding]:
    """Bind inputs that only inform a node of the picture's size, if they hold that size now."""
    rule = f"the same size as {wiring.label(first_node)}"
    for node_id in in_order(live):
        for names in _SIZE_CONDITIONING.get(wiring.graph[node_id]["class_type"], ()):
            pair = _pair(wiring, node_id, names)
            if pair is not None and pair != first and _values(wiring, pair) == size:
                yield from _pair_bindings(pair, rule)


def find_batches(wiring: Wiring, live: list[str], first_nodes: Iterable[str]) -> tuple[Binding, ...]:
    """Find the inputs that set the number of pictures made at once."""
    samplers = samplers_among(wiring, live)
    first_node = [(node_id, "batch_size") for node_id in first_nodes]
    repeated = [
        (node_id, "amount")
        for node_id in in_order(set(_picture_upstream(wiring, samplers)) & set(live))
        if wiring.graph[node_id]["class_type"] == "RepeatLatentBatch"
    ]
    found: dict[Slot, Binding] = {}
    for node_id, name in (*first_node, *repeated):
        if (slot := number_at(wiring, (node_id, name))) is not None:
            rule = f"batch of {wiring.label(node_id)}"
            found.setdefault(slot, Binding("batch_size", *slot, rule))
    return tuple(found.values())
