"""Where a saved graph takes a shot's values, read from its links and titles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from previs.comfyui.graph import Graph, is_link, links
from previs.errors import Fault
from previs.workflow import titles
from previs.workflow.texts import HELD_NUMBERS, Slot, Words, held_at, words_behind
from previs.workflow.walk import consumers, in_order, is_sampler, outputs_of, place_of, samplers_of, saving, upstream

_POSITIVE = ("positive", "conditioning", "cond1", "cond2")
_NEGATIVE = ("negative",)
_SEEDS = ("seed", "noise_seed")
_MAKES_NO_NOISE = frozenset({"DisableNoise"})
_STRENGTHS = ("strength", "weight")
# Inputs through which no picture or latent comes.
_ASIDE = frozenset(
    {"model", "clip", "vae", "positive", "negative", "guider", "noise", "sampler", "sigmas", "control_net", "mask"}
    | {"clip_vision", "clip_vision_output", "upscale_model", "width", "height", "seed", "noise_seed"}
)


@dataclass(frozen=True, slots=True)
class Places:
    """The inputs of a graph that a shot's values go to.

    Attributes:
        negative_gap: why there is no place for a negative prompt; empty if there is one.
        size_gap: why there is none for width and height.
        references: ``LoadImage`` nodes in the order in which references fill them.
        claimed_references: nodes that an artist kept for one reference, by its id.
        strengths: for such a node, where the strength of its picture is set.
    """

    prompt: frozenset[Slot]
    negative: frozenset[Slot]
    negative_gap: str
    seed: frozenset[Slot]
    size: tuple[Slot, Slot] | None
    size_gap: str
    references: tuple[str, ...]
    claimed_references: Mapping[str, str]
    strengths: Mapping[str, Slot]


def _named(graph: Graph, node_ids: Iterable[str]) -> str:
    return ", ".join(place_of(graph, node_id) for node_id in in_order(node_ids))


def _conditioned_by(graph: Graph, sampler: str, names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Give the links that bring a sampler its conditioning, be it through a guider."""
    inputs = graph[sampler]["inputs"]
    if is_link(inputs.get("guider")):
        inputs = graph[inputs["guider"][0]]["inputs"]
    return [(value[0], value[1]) for name in names if is_link(value := inputs.get(name))]


def _words(graph: Graph, samplers: list[str], role: str, names: tuple[str, ...]) -> Words:
    return words_behind(graph, (link for s in samplers for link in _conditioned_by(graph, s, names)), role)


def _several(graph: Graph, slots: frozenset[Slot]) -> bool:
    """Whether texts in several nodes differ: where they hold the same words, they are one prompt for several models."""
    return len({node_id for node_id, _ in slots}) > 1 and len({graph[i]["inputs"][name] for i, name in slots}) > 1


def _prompt(graph: Graph, samplers: list[str], faults: list[Fault]) -> frozenset[Slot]:
    words = _words(graph, samplers, "positive", _POSITIVE)
    retitle = f'give the node that holds the prompt the title "{titles.PROMPT}"'
    if words.lost:
        remedy = f"the way from the sampler to its prompt is lost here: {retitle}"
        faults.extend(Fault(place_of(graph, node_id), "", "", remedy) for node_id in in_order(words.lost))
    elif not words.slots:
        faults.append(Fault("the graph", "", "", f"has no sampler with a prompt: {retitle}"))
    elif _several(graph, words.slots):
        places = _named(graph, {node_id for node_id, _ in words.slots})
        faults.append(Fault("the graph", "", places, f"several texts could be the prompt: {retitle}"))
    return words.slots


def _negative(graph: Graph, samplers: list[str]) -> tuple[frozenset[Slot], str]:
    words = _words(graph, samplers, "negative", _NEGATIVE)
    retitle = f'give the node that holds the negative prompt the title "{titles.NEGATIVE}"'
    if words.lost:
        return frozenset(), f"the way to the graph's is lost at {_named(graph, words.lost)}: {retitle}"
    if not words.slots:
        return frozenset(), "the graph has no text for it: leave it out, or add one to the graph"
    if _several(graph, words.slots):
        places = _named(graph, {node_id for node_id, _ in words.slots})
        return frozenset(), f"several texts could be the graph's, {places}: {retitle}"
    return words.slots, ""


def _shared_faults(graph: Graph, prompt: frozenset[Slot], negative: frozenset[Slot]) -> list[Fault]:
    shared = {node_id for node_id, _ in prompt & negative}
    remedy = (
        "its text is both prompt and negative prompt: use two text nodes, or, if this is meant, "
        f'give it the title "{titles.PROMPT}"'
    )
    return [Fault(place_of(graph, node_id), "", "", remedy) for node_id in in_order(shared)]


def _seed_of(graph: Graph, sampler: str) -> tuple[Slot | None, bool]:
    """Find where a sampler's seed is held, and whether it needs none."""
    inputs = graph[sampler]["inputs"]
    holder = sampler
    if is_link(inputs.get("noise")):
        holder = inputs["noise"][0]
        if graph[holder]["class_type"] in _MAKES_NO_NOISE:
            return None, True
    name = next((name for name in _SEEDS if name in graph[holder]["inputs"]), None)
    return (held_at(graph, (holder, name), int, HELD_NUMBERS) if name else None), False


def _seeds(graph: Graph, alive: list[str], faults: list[Fault]) -> frozenset[Slot]:
    """Find the seeds of all samplers; where no sampler is known, no seed may be left to the saved file."""
    samplers = samplers_of(graph, alive)
    remedy = f'its seed cannot be found: give the node that holds the seed the title "{titles.SEED}"'
    slots: set[Slot] = set()
    for sampler in samplers:
        slot, needless = _seed_of(graph, sampler)
        if slot is not None:
            slots.add(slot)
        elif not needless:
            faults.append(Fault(place_of(graph, sampler), "seed", "", remedy))
    if not samplers:
        unread = [node_id for node_id in alive if any(name in graph[node_id]["inputs"] for name in _SEEDS)]
        faults.extend(Fault(place_of(graph, node_id), "seed", "", remedy) for node_id in unread)
    elif not slots and not faults:
        faults.append(Fault("the graph", "seed", "", "no sampler makes noise, so every take would be the same picture"))
    return frozenset(slots)


def _sized(graph: Graph) -> list[str]:
    """Give the nodes that set a size on the way of the picture: from what is sampled or saved to its beginning."""
    pictures: Graph = {
        node_id: {
            "class_type": node["class_type"],
            "inputs": {name: value for name, value in node["inputs"].items() if name not in _ASIDE},
        }
        for node_id, node in graph.items()
    }
    ends = saving(graph) or outputs_of(graph)
    return [i for i in upstream(pictures, ends) if {"width", "height"} <= graph[i]["inputs"].keys()]


def _size(graph: Graph) -> tuple[tuple[Slot, Slot] | None, str]:
    sized = _sized(graph)
    if not sized:
        return None, "no node of the graph sets the picture's size: leave it out of the shot"
    if len(sized) > 1:
        return None, f"several nodes set a size, {_named(graph, sized)}: leave it out of the shot"
    width, height = (held_at(graph, (sized[0], name), int, HELD_NUMBERS) for name in ("width", "height"))
    if width is None or height is None:
        return None, f"the size of {place_of(graph, sized[0])} is computed by other nodes: leave it out of the shot"
    return (width, height), ""


def _pictures(graph: Graph, alive: list[str]) -> list[str]:
    """Give the ``LoadImage`` nodes whose picture, not only its mask, comes to a sampler, as a person counts them."""
    samplers = samplers_of(graph, alive)
    reaching = set(upstream(graph, samplers)) if samplers else set(alive)
    uses = consumers(graph)
    return in_order(
        node_id
        for node_id in reaching
        if graph[node_id]["class_type"] == "LoadImage"
        and isinstance(graph[node_id]["inputs"].get("image"), str)
        and any(output == 0 and user in reaching for user, _, output in uses[node_id])
    )


def _strength_of(graph: Graph, picture: str) -> Slot | None:
    """Find the one node, between a picture and the sampler, that says how strongly the picture acts."""
    uses = consumers(graph)
    found: set[Slot] = set()
    seen: set[str] = set()
    pending = [user for user, _, output in uses[picture] if output == 0]
    while pending:
        node_id = pending.pop()
        if node_id in seen or is_sampler(graph[node_id]):
            continue
        seen.add(node_id)
        inputs = graph[node_id]["inputs"]
        names = [name for name in _STRENGTHS if type(inputs.get(name)) in (int, float)]
        found.update((node_id, name) for name in names)
        if not names:
            pending.extend(user for user, _, _ in uses[node_id])
    return found.pop() if len(found) == 1 and _acts_alone(graph, found, picture) else None


def _acts_alone(graph: Graph, found: set[Slot], picture: str) -> bool:
    """Whether no other picture comes to the same node as an image, whose strength would change along."""
    ((node_id, _),) = found
    images = [source for name, source, _ in links(graph[node_id]) if name not in _ASIDE and not name.startswith("cond")]
    return [i for i in upstream(graph, images) if graph[i]["class_type"] == "LoadImage"] == [picture]


def find_places(graph: Graph, faults: list[Fault]) -> Places:
    """Read where a graph takes a shot's values; titles go before links.

    Args:
        graph: of sound form.
        faults: takes what keeps the graph from serving any shot. What only matters to shots that ask for it is kept as
            a gap instead.
    """
    faults.extend(titles.title_faults(graph))
    alive = upstream(graph, outputs_of(graph))
    samplers = samplers_of(graph, alive)
    prompt = titles.titled_slots(graph, titles.PROMPT, str, faults)
    negative, negative_gap = titles.titled_slots(graph, titles.NEGATIVE, str, faults), ""
    if not negative:
        negative, negative_gap = _negative(graph, samplers)
    if titles.titled(graph, titles.PROMPT):
        shared = prompt & negative
        if shared:
            negative, negative_gap = frozenset(), "the graph's text for it is also its prompt: leave it out of the shot"
    else:
        prompt = _prompt(graph, samplers, faults)
        faults.extend(_shared_faults(graph, prompt, negative))
    seed = titles.titled_slots(graph, titles.SEED, int, faults)
    if not titles.titled(graph, titles.SEED):
        seed = _seeds(graph, alive, faults)
    claimed = titles.titled_references(graph, faults)
    free = [node_id for node_id in _pictures(graph, alive) if node_id not in claimed.values()]
    strengths = {i: slot for i in (*free, *claimed.values()) if (slot := _strength_of(graph, i)) is not None}
    size, size_gap = _size(graph)
    return Places(prompt, negative, negative_gap, seed, size, size_gap, tuple(free), claimed, strengths)
