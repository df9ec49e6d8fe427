"""Where a saved graph takes a shot's values: the bindings file goes first, then titles, then links."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from previs.errors import Fault
from previs.workflow.binding.bindings import Binding, Slot, What
from previs.workflow.binding.bindings_file import KEYS, REFERENCES, RULE, STRENGTHS, Explicit, explicit_slots
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.traversal import OUTPUT_PREFIX, outputs_of, saving, upstream
from previs.workflow.detection import titles
from previs.workflow.detection.lengths import Counting, counting_of, find_lengths, taken_by
from previs.workflow.detection.outputs import model_inputs
from previs.workflow.detection.prompts import find_negative, find_prompt, shared_faults
from previs.workflow.detection.references import Pictures, find_pictures
from previs.workflow.detection.roles import ROLES
from previs.workflow.detection.seeds import find_seeds
from previs.workflow.detection.sizes import find_batches, find_sizes

_TITLES = {what: title for title, what in titles.TITLES.items()}
_KEYS = {what: key for key, what in reversed(KEYS.items())}


@dataclass(slots=True)
class Places:
    """The inputs of a graph that a shot's values go to.

    Attributes:
        bindings: in the order in which they were found; those of references in the order in which they are filled.
        gaps: why there is no place for something that a shot may bring, by what it is.
        nowhere: what has no place on purpose, and ids and roles of such references (as ``reference ID``).
        strengths: of references, by the inputs of their pictures.
        counting: which lengths the graph takes; none where a duration cannot be made one.
    """

    bindings: list[Binding] = field(default_factory=list)
    gaps: dict[str, str] = field(default_factory=dict)
    nowhere: set[str] = field(default_factory=set)
    strengths: dict[Slot, Slot] = field(default_factory=dict)
    counting: Counting | None = None


@dataclass(slots=True)
class _Finding:
    """A graph that is being read."""

    wiring: Wiring
    alive: list[str]
    explicit: Explicit
    file: str
    faults: list[Fault]
    places: Places = field(default_factory=Places)

    def stated(self, what: What) -> bool:
        """Take what the bindings file or titles say; whether they say anything."""
        if what in self.explicit.addresses:
            self._by_file(what)
            return True
        if not titles.titled(self.wiring.graph, _TITLES[what]):
            return False
        slots = titles.titled_slots(self.wiring, _TITLES[what], self.faults)
        self.add(Binding(what, *slot, f"title {_TITLES[what]}") for slot in slots)
        return True

    def _by_file(self, what: What) -> None:
        addresses = self.explicit.addresses[what]
        if not addresses:
            self.places.nowhere.add(what)
        graph, kind = self.wiring.graph, titles.KINDS[what]
        for slot, factor in explicit_slots(graph, self.explicit, _KEYS[what], addresses, kind, self.faults):
            self.add([Binding(what, *slot, RULE, factor=factor)])

    def add(self, bindings: Iterable[Binding]) -> None:
        """Take bindings, an input once for each thing that it takes."""
        known = {(each.what, each.slot) for each in self.places.bindings}
        self.places.bindings += [each for each in bindings if (each.what, each.slot) not in known]

    def slots(self, what: What) -> list[Slot]:
        """Give the inputs that were found to take something."""
        return [each.slot for each in self.places.bindings if each.what == what]


def find_places(wiring: Wiring, faults: list[Fault], *, explicit: Explicit | None, file: str) -> Places:
    """Read where a graph takes a shot's values.

    Args:
        wiring: of a graph of sound form.
        faults: takes what keeps the graph from serving any shot. What only matters to shots that ask for it is kept as
            a gap instead.
        explicit: what the bindings file says, if there is one.
        file: the name that the bindings file has or would have.
    """
    faults.extend(titles.title_faults(wiring.graph))
    alive = upstream(wiring.graph, outputs_of(wiring.graph))
    finding = _Finding(wiring, alive, explicit or Explicit(file), file, faults)
    _find_words(finding)
    if not finding.stated("seed"):
        finding.add(find_seeds(wiring, alive, file, faults))
    _find_numbers(finding)
    if not finding.stated("checkpoint"):
        finding.add(Binding("checkpoint", *slot, _model_rule(wiring, slot)) for slot in model_inputs(wiring.graph))
    _find_pictures(finding)
    saved = [(node_id, OUTPUT_PREFIX) for node_id in saving(wiring.graph)]
    finding.add(Binding("output_prefix", *slot, "every node that saves") for slot in saved)
    return finding.places


def _model_rule(wiring: Wiring, slot: Slot) -> str:
    return f"model of {wiring.graph[slot[0]]['class_type']} {slot[0]}"


def _find_words(finding: _Finding) -> None:
    """Find prompt and negative prompt; what both take is the prompt's where the artist says so, and else a fault."""
    wiring, places = finding.wiring, finding.places
    prompt_stated = finding.stated("prompt")
    negative_stated = finding.stated("negative_prompt")
    found, gap = ([], "") if negative_stated else find_negative(wiring, finding.alive, finding.file)
    if not prompt_stated:
        prompt, prompt_gap = find_prompt(wiring, finding.alive, finding.file, finding.faults)
        finding.add(prompt)
        if prompt_gap:
            places.gaps["prompt"] = prompt_gap
    prompts, negatives = finding.slots("prompt"), {each.slot for each in found} | set(finding.slots("negative_prompt"))
    shared = [slot for slot in prompts if slot in negatives]
    if shared and prompt_stated:
        places.bindings = [each for each in places.bindings if each.what != "negative_prompt"]
        found, gap = [], "the graph's text for it is also its prompt: leave it out of the shot"
    elif shared:
        finding.faults.extend(shared_faults(wiring, shared))
    finding.add(found)
    if gap:
        places.gaps["negative_prompt"] = gap


def _find_numbers(finding: _Finding) -> None:
    wiring, places = finding.wiring, finding.places
    sizes = find_sizes(wiring, finding.alive)
    for what in ("width", "height"):
        if not finding.stated(what):
            finding.add(each for each in sizes.bindings if each.what == what)
            if sizes.gap:
                places.gaps[what] = sizes.gap
    if not finding.stated("batch_size"):
        finding.add(find_batches(wiring, finding.alive, sizes.beginnings))
    lengths = find_lengths(wiring, finding.alive)
    if not finding.stated("frame_rate"):
        finding.add(lengths.rates)
    if not finding.stated("length"):
        finding.add(lengths.bindings)
        places.counting, gap = lengths.counting, lengths.gap
    else:
        gap = _count_stated(finding)
    if gap:
        places.gaps["length"] = gap


def _count_stated(finding: _Finding) -> str:
    rates = tuple(each for each in finding.places.bindings if each.what == "frame_rate")
    slots = finding.slots("length")
    if not slots:
        return ""
    taking = taken_by(finding.wiring, slots[0], finding.alive)
    finding.places.counting, gap = counting_of(finding.wiring, taking, rates, finding.alive)
    return gap


def _find_pictures(finding: _Finding) -> None:
    claimed = titles.titled_references(finding.wiring.graph, finding.faults)
    pictures = find_pictures(finding.wiring, finding.alive, claimed)
    stated = dict(_stated_pictures(finding, pictures))
    finding.add(stated.values())
    if "reference" in finding.explicit.addresses:
        finding.places.nowhere.add("reference")
    else:
        finding.add(each for slot, each in pictures.bindings.items() if slot not in stated)
    finding.places.strengths |= pictures.strengths
    stated_strengths = _state_strengths(finding)
    bound = [each for each in finding.places.bindings if each.what == "reference"]
    for each in bound:
        if strength := finding.places.strengths.get(each.slot):
            found = f"strength of the picture of {finding.wiring.graph[each.node_id]['class_type']} {each.node_id}"
            rule = RULE if strength in stated_strengths else found
            finding.add([Binding("strength", *strength, rule, each.role, each.reference_id)])


def _stated_pictures(finding: _Finding, pictures: Pictures) -> Iterable[tuple[Slot, Binding]]:
    """Give the places that the bindings file names for references, by their ids or roles."""
    graph, explicit = finding.wiring.graph, finding.explicit
    for name, addresses in explicit.references.items():
        if not addresses:
            finding.places.nowhere.add(f"reference {name}")
        key = f"{REFERENCES}, {name}"
        for slot, _ in explicit_slots(graph, explicit, key, addresses, str, finding.faults):
            known = pictures.bindings.get(slot) or Binding("reference", *slot, RULE, "start")
            yield slot, _kept(replace(known, rule=RULE, reference_id=""), name)


def _kept(binding: Binding, name: str) -> Binding:
    """Keep a place for what a key of the bindings file names: a role, or else the id of one reference."""
    return replace(binding, role=name) if name in ROLES else replace(binding, reference_id=name)


def _state_strengths(finding: _Finding) -> set[Slot]:
    """Take the inputs that the bindings file names for strengths, by ids or roles of references."""
    stated: set[Slot] = set()
    graph, explicit = finding.wiring.graph, finding.explicit
    places = [each for each in finding.places.bindings if each.what == "reference"]
    for name, addresses in explicit.strengths.items():
        pictures = [each.slot for each in places if name in (each.reference_id, each.role)]
        key = f"{STRENGTHS}, {name}"
        slots = [slot for slot, _ in explicit_slots(graph, explicit, key, addresses, float, finding.faults)]
        finding.places.strengths.update(zip(pictures, slots, strict=False))
        stated.update(slots)
        for picture in pictures if not addresses else ():
            finding.places.strengths.pop(picture, None)
    return stated
