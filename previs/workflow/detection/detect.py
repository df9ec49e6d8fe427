"""Detect all bindings of a saved graph; the bindings file takes precedence, then titles, then links."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from previs.errors import Fault
from previs.workflow.binding.addresses import AddressFinder
from previs.workflow.binding.bindings import Binding, Slot, What
from previs.workflow.binding.bindings_file import KEYS, REFERENCES, RULE, STRENGTHS, BindingsFile, find_slots
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.switches import with_choices_made
from previs.workflow.binding.traversal import OUTPUT_PREFIX, saving
from previs.workflow.detection import titles
from previs.workflow.detection.api_nodes import (
    ApiNodes,
    api_length_rule,
    find_api_length,
    find_api_nodes,
    find_api_seeds,
    find_api_sizes,
)
from previs.workflow.detection.api_prompts import find_api_negative, find_api_prompt
from previs.workflow.detection.lengths import LengthRule, find_lengths, length_input_of, length_rule_of, missing_length
from previs.workflow.detection.live_nodes import live_nodes
from previs.workflow.detection.outputs import model_inputs
from previs.workflow.detection.prompts import find_negative, find_prompt, shared_faults
from previs.workflow.detection.references import ReferenceInputs, find_references
from previs.workflow.detection.roles import ROLES
from previs.workflow.detection.sampling import samplers_among, unguided
from previs.workflow.detection.seeds import find_seeds
from previs.workflow.detection.size_choices import SizeChoices
from previs.workflow.detection.sizes import Sizes, find_batches, find_sizes

_TITLES = {what: title for title, what in titles.TITLES.items()}
_KEYS = {what: key for key, what in reversed(KEYS.items())}


@dataclass(slots=True)
class Detection:
    """Collect the bindings of a graph.

    Attributes:
        bindings: In the order found; those of references in the order in which they are filled.
        gaps: Why the graph has no input for a value, by the value's name.
        unused: Values, and references as ``reference ID_OR_ROLE``, that the bindings file leaves unused.
        strengths: Inputs for references' strengths, by the inputs of their pictures.
        length_rule: Lengths that the graph takes; None if a duration cannot be converted.
        size_choices: Sizes that the graph offers as choices.
        seeds: Seeds that all its inputs take; None if they take all of ComfyUI's.
    """

    bindings: list[Binding] = field(default_factory=list)
    gaps: dict[str, str] = field(default_factory=dict)
    unused: set[str] = field(default_factory=set)
    strengths: dict[Slot, Slot] = field(default_factory=dict)
    length_rule: LengthRule | None = None
    size_choices: SizeChoices | None = None
    seeds: range | None = None


@dataclass(slots=True)
class _Detector:
    """Detect the bindings of one graph.

    Attributes:
        wiring: The graph with the choices of constant switches made.
        finder: Finds inputs of the graph as it was saved, in which bindings files name them.
        live: Nodes that an output depends on.
        sampled: Whether samplers are among them.
    """

    wiring: Wiring
    finder: AddressFinder
    live: list[str]
    sampled: bool
    explicit: BindingsFile
    file: str
    faults: list[Fault]
    api: ApiNodes | None
    detection: Detection = field(default_factory=Detection)

    def stated(self, what: What) -> bool:
        """Add what the bindings file or titles state, and return whether they state anything."""
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
            self.detection.unused.add(what)
        kind = titles.KINDS[what]
        for slot, factor in find_slots(self.finder, self.explicit, _KEYS[what], addresses, kind, self.faults):
            self.add([Binding(what, *slot, RULE, factor=factor)])

    def add(self, bindings: Iterable[Binding]) -> None:
        """Add bindings that are not known yet."""
        known = {(each.what, each.slot) for each in self.detection.bindings}
        self.detection.bindings += [each for each in bindings if (each.what, each.slot) not in known]

    def slots(self, what: What) -> list[Slot]:
        """Return the inputs bound to a value."""
        return [each.slot for each in self.detection.bindings if each.what == what]


def detect_bindings(wiring: Wiring, faults: list[Fault], *, explicit: BindingsFile | None, file: str) -> Detection:
    """Detect which inputs of a graph take a shot's values.

    Args:
        wiring: Graph of valid form.
        faults: Receives what keeps the graph from serving any shot. What concerns only some shots becomes a gap.
        explicit: Content of the bindings file, if there is one.
        file: Name that the bindings file has or would have.
    """
    faults.extend(titles.title_faults(wiring.graph))
    saved, wiring = wiring.graph, replace(wiring, graph=with_choices_made(wiring.graph))
    live = live_nodes(wiring)
    api = find_api_nodes(wiring, live, file)
    detector = _Detector(
        wiring,
        AddressFinder(saved),
        live,
        bool(samplers_among(wiring, live)),
        explicit or BindingsFile(file),
        file,
        faults,
        api,
    )
    _find_texts(detector)
    _find_seeds(detector)
    _find_numbers(detector)
    if not detector.stated("checkpoint"):
        detector.add(
            Binding("checkpoint", *slot, f"model of {wiring.label(slot[0])}") for slot in model_inputs(wiring.graph)
        )
    _find_pictures(detector)
    prefixes = [(node_id, OUTPUT_PREFIX) for node_id in saving(wiring.graph)]
    detector.add(Binding("output_prefix", *slot, "every node that saves") for slot in prefixes)
    return detector.detection


def _find_texts(detector: _Detector) -> None:
    """Find prompt and negative prompt; an input of both is the prompt if the artist marked it, else a fault."""
    wiring, detection = detector.wiring, detector.detection
    prompt_stated = detector.stated("prompt")
    negative_stated = detector.stated("negative_prompt")
    found, gap = ([], "") if negative_stated else _negative(detector)
    if not prompt_stated:
        prompt, prompt_gap = _prompt(detector)
        detector.add(prompt)
        if prompt_gap:
            detection.gaps["prompt"] = prompt_gap
    negatives = {each.slot for each in found} | set(detector.slots("negative_prompt"))
    shared = [slot for slot in detector.slots("prompt") if slot in negatives]
    if shared and (prompt_stated or unguided(wiring, detector.live)):
        detection.bindings = [each for each in detection.bindings if each.what != "negative_prompt"]
        found, gap = [], "the graph uses the same text as its prompt: remove it from the shot"
    elif shared:
        detector.faults.extend(shared_faults(wiring, shared))
    detector.add(found)
    if gap:
        detection.gaps["negative_prompt"] = gap


def _prompt(detector: _Detector) -> tuple[list[Binding], str]:
    """Find the prompt of samplers, of API nodes, or of both."""
    wiring, live, api = detector.wiring, detector.live, detector.api
    sampled = api is None or detector.sampled
    local, gap = find_prompt(wiring, live, detector.file, detector.faults) if sampled else ([], "")
    found, api_gap = find_api_prompt(api, [each.slot for each in local], detector.faults) if api else ([], "")
    return [*local, *found], "" if found else gap if sampled else api_gap


def _negative(detector: _Detector) -> tuple[list[Binding], str]:
    wiring, live, api = detector.wiring, detector.live, detector.api
    found, gap = find_api_negative(api) if api else ([], "")
    if api and not detector.sampled:
        return found, gap
    local, local_gap = find_negative(wiring, live, detector.file)
    return [*local, *found], local_gap if api is None or not found else ""


def _find_seeds(detector: _Detector) -> None:
    wiring, live, api = detector.wiring, detector.live, detector.api
    if detector.stated("seed"):
        return
    if api is None or detector.sampled:
        detector.add(find_seeds(wiring, live, detector.file, detector.faults))
    if api is not None:
        found, gap, detector.detection.seeds = find_api_seeds(api, detector.faults)
        detector.add(found)
        if gap and not detector.slots("seed"):
            detector.detection.gaps["seed"] = gap


def _find_sizes(detector: _Detector) -> Sizes:
    """Find the sizes of samplers or else of API nodes; add the choices that an API node offers instead."""
    wiring, live, api = detector.wiring, detector.live, detector.api
    sizes = find_sizes(wiring, live)
    whats: tuple[What, What] = ("width", "height")
    if any(what in detector.explicit.addresses or titles.titled(wiring.graph, _TITLES[what]) for what in whats):
        return replace(sizes, bindings=tuple(each for each in sizes.bindings if each.what != "size"))
    if api is not None and (sizes.gap or not detector.sampled):
        of_api = find_api_sizes(api)
        sizes = replace(of_api, first_nodes=sizes.first_nodes)
    detector.detection.size_choices = sizes.choices
    detector.add(each for each in sizes.bindings if each.what == "size")
    return sizes


def _find_numbers(detector: _Detector) -> None:
    wiring, detection = detector.wiring, detector.detection
    sizes = _find_sizes(detector)
    for what in ("width", "height"):
        if not detector.stated(what):
            detector.add(each for each in sizes.bindings if each.what == what)
            if sizes.gap:
                detection.gaps[what] = sizes.gap
    batches = find_batches(wiring, detector.live, sizes.first_nodes)
    if not detector.stated("batch_size"):
        detector.add(batches)
    lengths = find_lengths(wiring, detector.live, [each.slot for each in batches])
    if detector.api and not lengths.bindings and not lengths.gap:
        lengths = replace(find_api_length(detector.api), rates=lengths.rates)
    if not lengths.bindings and not lengths.gap:
        lengths = replace(lengths, gap=missing_length(wiring))
    if not detector.stated("frame_rate"):
        detector.add(lengths.rates)
    if not detector.stated("length"):
        detector.add(lengths.bindings)
        detection.length_rule, gap = lengths.length_rule, lengths.gap
    else:
        gap = _count_stated(detector)
    if gap:
        detection.gaps["length"] = gap


def _count_stated(detector: _Detector) -> str:
    rates = tuple(each for each in detector.detection.bindings if each.what == "frame_rate")
    slots = detector.slots("length")
    if not slots:
        return ""
    if detector.api and (of_api := api_length_rule(detector.api, slots[0])):
        detector.detection.length_rule = of_api
        return ""
    taking = length_input_of(detector.wiring, slots[0], detector.live)
    detector.detection.length_rule, gap = length_rule_of(detector.wiring, taking, rates, detector.live)
    return gap


def _find_pictures(detector: _Detector) -> None:
    claimed = titles.titled_references(detector.wiring.graph, detector.faults)
    loaded = find_references(detector.wiring, detector.live, claimed)
    stated = dict(_stated_pictures(detector, loaded))
    detector.add(stated.values())
    if "reference" in detector.explicit.addresses:
        detector.detection.unused.add("reference")
    else:
        detector.add(each for slot, each in loaded.bindings.items() if slot not in stated)
    detector.detection.strengths |= loaded.strengths
    stated_strengths = _state_strengths(detector)
    bound = [each for each in detector.detection.bindings if each.what == "reference"]
    for each in bound:
        if strength := detector.detection.strengths.get(each.slot):
            found = f"strength of the picture of {detector.wiring.label(each.node_id)}"
            rule = RULE if strength in stated_strengths else found
            detector.add([Binding("strength", *strength, rule, each.role, each.reference_id)])


def _stated_pictures(detector: _Detector, loaded: ReferenceInputs) -> Iterable[tuple[Slot, Binding]]:
    """Yield the inputs that the bindings file names for references, by id or role."""
    explicit = detector.explicit
    for name, addresses in explicit.references.items():
        if not addresses:
            detector.detection.unused.add(f"reference {name}")
        key = f"{REFERENCES}, {name}"
        for slot, _ in find_slots(detector.finder, explicit, key, addresses, str, detector.faults):
            known = loaded.bindings.get(slot) or Binding("reference", *slot, RULE, "start")
            role, reference_id = (name, "") if name in ROLES else (known.role, name)
            yield slot, replace(known, rule=RULE, role=role, reference_id=reference_id)


def _state_strengths(detector: _Detector) -> set[Slot]:
    """Add the inputs that the bindings file names for strengths, by id or role of a reference."""
    stated: set[Slot] = set()
    explicit = detector.explicit
    detection = [each for each in detector.detection.bindings if each.what == "reference"]
    for name, addresses in explicit.strengths.items():
        loaded = [each.slot for each in detection if name in (each.reference_id, each.role)]
        key = f"{STRENGTHS}, {name}"
        slots = [slot for slot, _ in find_slots(detector.finder, explicit, key, addresses, float, detector.faults)]
        detector.detection.strengths.update(zip(loaded, slots, strict=False))
        stated.update(slots)
        for picture in loaded if not addresses else ():
            detector.detection.strengths.pop(picture, None)
    return stated
