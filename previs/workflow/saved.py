"""Bind a shot's values to a graph that an artist built in ComfyUI and saved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph, with_values
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.workflow.assignment import ReferenceAssignment
from previs.workflow.binding import limits, suggestions
from previs.workflow.binding.addresses import AddressFinder, address_of
from previs.workflow.binding.bindings import Binding, Report, Slot, in_order_of_meaning, rows
from previs.workflow.binding.bindings_file import BindingsFile, bindings_name
from previs.workflow.binding.interface import PlacedReference, ShotValues
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.overrides import overridden
from previs.workflow.binding.switches import turned_away
from previs.workflow.binding.traversal import place_of, places_of, samplers_of
from previs.workflow.detection.detect import detect_bindings
from previs.workflow.detection.final_output import output_notices
from previs.workflow.detection.lengths import LengthRule
from previs.workflow.detection.roles import picture_input
from previs.workflow.detection.saves import saving_nodes
from previs.workflow.detection.size_choices import SizeChoices
from previs.workflow.formats.editor import Converted
from previs.workflow.formats.editor.dynamic_prompts import by_seed, resolve
from previs.workflow.formats.validation import graph_faults
from previs.workflow.prompt_syntax import unread_syntax

# Each output is compared with all others; for each sampler and picture the whole graph is searched.
_MOST_OUTPUTS, _MOST_SAMPLERS, _MOST_PICTURES = 100, 500, 500


@dataclass(frozen=True, slots=True)
class SavedGraph:
    """Hold a graph in API format, and the inputs that take a shot's values.

    Made by :func:`read_graph`. Values that a shot does not give stay as the artist saved them.

    Attributes:
        packs: Custom node packs by node class, if the file names them.
        gaps: Why the graph has no input for a value, by the value's name.
        unused: Values that are unused on purpose.
        strengths: Inputs for references' strengths, by the inputs of their pictures.
        length_rule: Lengths that the graph takes.
        size_choices: Sizes that the graph offers, if it takes no others.
        seeds: Seeds that the graph takes; None if it takes all of ComfyUI's.
        bindings_file: Name of the bindings file beside the graph, even if there is none.
        on_outputs: What is not kept, and which of several outputs is the shot's frame.
        alternatives: Texts with choices such as ``{a|b}``, of which each take's seed takes one, by input.
        left_out: What of an editor's file is not in the graph, in sentences.
        finder: Finds inputs of the graph by their addresses.
    """

    source: str
    graph: Graph
    bindings: tuple[Binding, ...]
    packs: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, str] = field(default_factory=dict)
    unused: frozenset[str] = frozenset()
    strengths: Mapping[Slot, Slot] = field(default_factory=dict)
    length_rule: LengthRule | None = None
    size_choices: SizeChoices | None = None
    seeds: range | None = None
    bindings_file: str = ""
    on_outputs: tuple[str, ...] = ()
    alternatives: Mapping[Slot, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    finder: AddressFinder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the finder, which all shots share."""
        object.__setattr__(self, "finder", AddressFinder(self.graph))

    @property
    def reference_images(self) -> tuple[str, ...]:
        """Return no pictures: the graph's own are on the servers already."""
        return ()

    def fit_seed(self, seed: int) -> int:
        """Return the seed that the graph takes in place of one that is too large or too small for a node of it."""
        if self.seeds is None or seed in self.seeds:
            return seed
        # A range over 63 bits has no len().
        return self.seeds[seed % (self.seeds.stop - self.seeds.start)]

    def bind(self, values: ShotValues, *, place: str = "the workflow") -> Graph:
        """Return the graph with a shot's values, then its overrides; see :meth:`Workflow.bind`.

        Raises:
            WorkflowFaults: The graph has no input for a value, or no server takes the value.
        """
        return with_values(self.graph, self._binder(values, place).values)

    def report(self, values: ShotValues | None = None, *, place: str = "the workflow") -> Report:
        """Report which inputs take which values, with notices for a person; without values, all that could be bound.

        Raises:
            WorkflowFaults: As :meth:`bind` does.
        """
        if values is None:
            notices = [f"{what} is not bound: {gap}" for what, gap in self.gaps.items()]
            notices += [f"{what} is not used: {self.bindings_file} says so" for what in sorted(self.unused)]
            notices += [*self.on_outputs, *self.left_out]
            return Report(rows(self.graph, self.bindings, {}, {}), tuple(notices))
        binder = self._binder(values, place)
        on_outputs = output_notices(self.graph, binder.overrides) if binder.overrides else self.on_outputs
        bound = rows(self.graph, self.bindings, binder.values, binder.overrides)
        return Report(bound, (*binder.notices, *on_outputs, *self.left_out))

    def bindings_text(self) -> str:
        """Write the bindings file that states the present bindings."""
        return suggestions.bindings_text(self.bindings, self.unused)

    def _binder(self, values: ShotValues, place: str) -> "_ShotBinder":
        binder = _ShotBinder(self, place)
        binder.bind(values)
        if binder.faults:
            raise WorkflowFaults(self.source, tuple(binder.faults))
        return binder


@dataclass(slots=True)
class _ShotBinder:
    """Bind one shot's values to a saved graph."""

    saved: SavedGraph
    place: str
    values: dict[Slot, Any] = field(default_factory=dict)
    overrides: dict[Slot, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def bind(self, values: ShotValues) -> None:
        graph, bindings, finder = self.saved.graph, self.saved.bindings, self.saved.finder
        self.overrides = overridden(finder, values.overrides, place=self.place, bindings=bindings, faults=self.faults)
        self._bind_prompt(values.prompt)
        self._bind_negative(values.negative_prompt)
        class_types = {node["class_type"] for node in graph.values()}
        self.notices += unread_syntax(values.prompt, values.negative_prompt, class_types)
        self._bind_seed(values.seed)
        if self.saved.size_choices is not None:
            self._choose_size(self.saved.size_choices, values.width, values.height)
        else:
            for name, value in (("width", values.width), ("height", values.height)):
                self._bind_size(name, value)
        self._bind_length(values.duration)
        self._bind_references(values.references)
        self._choose_texts(self.saved.fit_seed(values.seed))
        self.values |= self.overrides
        self._check_switches()

    def _of(self, what: str) -> list[Binding]:
        return [each for each in self.saved.bindings if each.what == what]

    def _set_all(self, what: str, value: Any) -> None:  # noqa: ANN401 - a text or a number
        for each in self._of(what):
            self._set(each.slot, what, value)
        self._tell_unused(what)

    def _tell_unused(self, what: str) -> None:
        if what in self.saved.unused:
            self.notices.append(f"{what} is not used: {self.saved.bindings_file} says so")

    def _set(self, slot: Slot, name: str, value: Any) -> None:  # noqa: ANN401 - a text or a number
        held = self.values.setdefault(slot, value)
        if held != value and slot not in self.overrides:
            node = place_of(self.saved.graph, slot[0])
            remedy = f"{node} takes {format_value(held)} in the same input: make them equal, or split the node"
            self.faults.append(Fault(self.place, name, format_value(value), remedy))

    def _bind_prompt(self, text: str) -> None:
        self._set_all("prompt", text)
        if gap := self.saved.gaps.get("prompt"):
            self.notices.append(f"prompt is not used: {gap}")

    def _choose_texts(self, seed: int) -> None:
        """Take one choice of each ``{a|b}`` that no value of the shot replaces."""
        for slot, text in self.saved.alternatives.items():
            if slot not in self.values and slot not in self.overrides:
                self.values[slot] = resolve(text, by_seed(seed, address_of(slot)))
                place = place_of(self.saved.graph, slot[0])
                self.notices.append(f"{place}, {slot[1]}: each take's seed takes one of its choices {{a|b}}")

    def _bind_negative(self, text: str | None) -> None:
        if text is None:
            return
        self._set_all("negative_prompt", text)
        if text and (gap := self.saved.gaps.get("negative_prompt")):
            self.faults.append(Fault(self.place, "negative_prompt", format_value(text), gap))

    def _bind_seed(self, seed: int) -> None:
        if fault := limits.seed_fault(self.place, seed):
            self.faults.append(fault)
            return
        taken = self.saved.fit_seed(seed)
        self._set_all("seed", taken)
        if gap := self.saved.gaps.get("seed"):
            self.notices.append(f"seed is not used: {gap}")
        elif taken != seed and self.saved.seeds is not None:
            bounds = f"{self.saved.seeds[0]} to {self.saved.seeds[-1]}"
            self.notices.append(f"seed {seed} is {taken} in the graph, whose nodes take {bounds}")

    def _choose_size(self, offered: SizeChoices, width: int | None, height: int | None) -> None:
        if width is None and height is None:
            return
        node, size = place_of(self.saved.graph, offered.node_id), f"{width or '?'}x{height or '?'}"
        found = offered.values_for(width, height) if width and height else None
        if found is None:
            remedy = f"{node} offers {offered.described()}: give width and height of one of these, or neither"
            self.faults.append(Fault(self.place, "width and height", size, remedy))
            return
        values, note = found
        for slot, value in values.items():
            self._set(slot, "width and height", value)
        if note:
            self.notices.append(f"{size} is not exact: {node} takes {', '.join(offered.inputs)}; {note}")

    def _bind_size(self, name: str, value: int | None) -> None:
        if value is None:
            return
        self._tell_unused(name)
        gap = self.saved.gaps.get(name)
        if fault := limits.size_fault(self.place, name, value):
            self.faults.append(fault)
        elif gap and not self._of(name):
            self.faults.append(Fault(self.place, name, format_value(value), gap))
        else:
            for each in self._of(name):
                scaled = value if each.factor == 1 else limits.whole_size(value * each.factor)
                self._set(each.slot, name, scaled)

    def _check_switches(self) -> None:
        """Report overrides of switches after which no output uses the prompt."""
        slots = [each.slot for each in self._of("prompt")]
        if turned := turned_away(self.saved.graph, self.overrides, slots):
            remedy = (
                f"with these, no output uses the prompt in {places_of(self.saved.graph, turned)}: set them in the graph"
            )
            self.faults.append(Fault(self.place, "overrides", ", ".join(map(address_of, self.overrides)), remedy))

    def _bind_length(self, duration: float | None) -> None:
        bindings, length_rule = self._of("length"), self.saved.length_rule
        if duration is None:
            return
        if "length" in self.saved.unused and not bindings:
            self.notices.append(f"duration is not used: {self.saved.bindings_file} says so")
            return
        if bindings and length_rule is not None:
            rate = self._rate(length_rule)
            for each in bindings:
                self._set(each.slot, "length", length_rule.value(duration, rate))
            if note := length_rule.note(duration, rate):
                node = place_of(self.saved.graph, bindings[0].node_id)
                self.notices.append(f"duration {duration:g} s is not what {node} makes: {note}")
        elif gap := self.saved.gaps.get("length"):
            self.notices.append(f"duration is not used: {gap}")

    def _rate(self, length_rule: LengthRule) -> float:
        if length_rule.rate is None:
            return 1
        node_id, name = length_rule.rate
        value = self.overrides.get(length_rule.rate, self.saved.graph[node_id]["inputs"][name])
        return float(value) if isinstance(value, int | float) and 0 < value <= limits.RATE_MAX else 1

    def _bind_references(self, references: tuple[PlacedReference, ...]) -> None:
        saved = self.saved
        places = tuple(self._of("reference"))
        placing = ReferenceAssignment(saved.graph, places, saved.unused, self.place, saved.bindings_file, self.faults)
        for each, reference in placing.fill(references).items():
            self._set(each.slot, f"reference {reference.reference_id}", reference.name)
            self._bind_strength(each, reference)
        self.notices += placing.notices
        self.notices += [
            f"{place_of(saved.graph, each.node_id)} keeps its picture "
            f"{saved.graph[each.node_id]['inputs'][each.input]}: no reference replaces it"
            for each in places
            if each not in placing.chosen and each.slot not in self.overrides
        ]

    def _bind_strength(self, picture: Binding, reference: PlacedReference) -> None:
        if reference.strength is None:
            return
        fault = limits.strength_fault(self.place, reference.reference_id, reference.strength, limits.STRENGTH_MAX)
        name = f"reference {reference.reference_id}, strength"
        slot = self.saved.strengths.get(picture.slot)
        if fault is None and slot is None:
            remedy = "no single input of the graph sets it: remove it, and set it in the graph"
            fault = Fault(self.place, name, format_value(reference.strength), remedy)
        if fault is not None:
            self.faults.append(fault)
        elif slot is not None:
            self._set(slot, name, reference.strength)


def _too_many(wiring: Wiring) -> Fault | None:
    """Report a graph with more nodes of a kind than can be told apart in seconds."""
    graph = wiring.graph
    for kind, count, most in (
        ("nodes that save", len(saving_nodes(graph)), _MOST_OUTPUTS),
        ("samplers", len(samplers_of(graph, graph)), _MOST_SAMPLERS),
        ("nodes that load pictures", sum(picture_input(wiring, each) is not None for each in graph), _MOST_PICTURES),
    ):
        if count > most:
            return Fault("the graph", "", f"{count:,} {kind}", f"a graph has at most {most}: split it")
    return None


def read_graph(
    content: Mapping[str, Any],
    *,
    name: str,
    known: Iterable[Fault],
    classes: Mapping[str, NodeClass | None] | None = None,
    explicit: BindingsFile | None = None,
) -> SavedGraph:
    """Check a graph in API format and detect its bindings; ComfyUI's own nodes are understood without ``classes``.

    Raises:
        WorkflowFaults: No server would run the graph, or its bindings are ambiguous.
    """
    faults = [*known, *graph_faults(content)]
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    graph: Graph = dict(content)
    wiring = Wiring(graph, classes or {})
    if fault := _too_many(wiring):
        raise WorkflowFaults(name, (fault,))
    file = explicit.source if explicit else bindings_name(name.rpartition("/")[2])
    places = detect_bindings(wiring, faults, explicit=explicit, file=file)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    return SavedGraph(
        source=name,
        graph=graph,
        bindings=in_order_of_meaning(places.bindings),
        gaps=places.gaps,
        unused=frozenset(places.unused),
        strengths=places.strengths,
        length_rule=places.length_rule,
        size_choices=places.size_choices,
        seeds=places.seeds,
        bindings_file=file,
        on_outputs=tuple(output_notices(graph)),
    )


def read_converted(
    converted: Converted,
    *,
    name: str,
    classes: Mapping[str, NodeClass | None],
    explicit: BindingsFile | None = None,
) -> SavedGraph:
    """Check a graph that was converted from an editor's file, and detect its bindings.

    Raises:
        WorkflowFaults: As :func:`read_graph` does.
    """
    graph = read_graph(converted.graph, name=name, known=(), classes=classes, explicit=explicit)
    return replace(graph, packs=converted.packs, alternatives=converted.alternatives, left_out=converted.notices)
