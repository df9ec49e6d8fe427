"""Graphs that an artist built in ComfyUI and saved."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.workflow.assignment import ReferenceAssignment
from previs.workflow.binding import limits
from previs.workflow.binding import suggestions as settling
from previs.workflow.binding.bindings import Binding, Report, Slot, in_order_of_meaning, rows
from previs.workflow.binding.bindings_file import BindingsFile, bindings_name
from previs.workflow.binding.link_types import Wiring
from previs.workflow.binding.overrides import overridden
from previs.workflow.binding.traversal import place_of
from previs.workflow.detection.detect import detect_bindings
from previs.workflow.detection.lengths import LengthRule
from previs.workflow.formats.validation import graph_faults
from previs.workflow.interface import PlacedReference, ShotValues


@dataclass(frozen=True, slots=True)
class SavedGraph:
    """A graph in API format, and where it takes a shot's values.

    Made by :func:`read_graph`. What a shot does not give stays as the artist left it.

    Attributes:
        packs: custom node packs by the classes that come with them, as the file tells it.
        gaps: why there is no place for something that a shot may bring, by what it is.
        nowhere: what has no place on purpose.
        strengths: inputs for references' strengths, by the inputs of their pictures.
        counting: which lengths the graph takes.
        bindings_file: the name of the file beside it that says what is bound, whether there is one or not.
    """

    source: str
    graph: Graph
    bindings: tuple[Binding, ...]
    packs: Mapping[str, str] = field(default_factory=dict)
    gaps: Mapping[str, str] = field(default_factory=dict)
    unused: frozenset[str] = frozenset()
    strengths: Mapping[Slot, Slot] = field(default_factory=dict)
    length_rule: LengthRule | None = None
    bindings_file: str = ""

    @property
    def reference_images(self) -> tuple[str, ...]:
        """None: the graph's own pictures are on the servers already."""
        return ()

    def bind(self, values: ShotValues, *, place: str = "the workflow") -> Graph:
        """Make a copy of the graph that holds a shot's values, and then the overrides.

        Args:
            values: of the take.
            place: the shot in a person's words, for faults.

        Raises:
            WorkflowFaults: The shot gives what the graph has no place for, or what no server takes.
        """
        bound = self._bound(values, place)
        graph = copy.deepcopy(self.graph)
        for (node_id, name), value in bound.values.items():
            graph[node_id]["inputs"][name] = copy.deepcopy(value)
        return graph

    def report(self, values: ShotValues | None = None, *, place: str = "the workflow") -> Report:
        """Show what is set where, and what a person should know of it; without values, what could be.

        Args:
            values: of a take.
            place: the shot in a person's words, for faults.

        Raises:
            WorkflowFaults: As :meth:`bind` does.
        """
        if values is None:
            gaps = tuple(f"{what} has no place: {gap}" for what, gap in self.gaps.items())
            return Report(rows(self.graph, self.bindings, {}, {}), (*gaps, *self._on_purpose()))
        bound = self._bound(values, place)
        return Report(rows(self.graph, self.bindings, bound.values, bound.overrides), tuple(bound.notices))

    def bindings_text(self) -> str:
        """Write the bindings file that states what is bound now."""
        return settling.bindings_text(self.bindings, self.unused)

    def _on_purpose(self) -> Iterator[str]:
        yield from (f"{what} goes nowhere: {self.bindings_file} says so" for what in sorted(self.unused))

    def _bound(self, values: ShotValues, place: str) -> "_Bound":
        bound = _Bound(self, place)
        bound.bind(values)
        if bound.faults:
            raise WorkflowFaults(self.source, tuple(bound.faults))
        return bound


@dataclass(slots=True)
class _Bound:
    """One shot's values in their places."""

    saved: SavedGraph
    place: str
    values: dict[Slot, Any] = field(default_factory=dict)
    overrides: dict[Slot, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def bind(self, values: ShotValues) -> None:
        graph, bindings = self.saved.graph, self.saved.bindings
        self.overrides = overridden(graph, values.overrides, place=self.place, bindings=bindings, faults=self.faults)
        self._bind_prompt(values.prompt)
        self._bind_negative(values.negative_prompt)
        if fault := limits.seed_fault(self.place, values.seed):
            self.faults.append(fault)
        self._set_all("seed", values.seed)
        for name, value in (("width", values.width), ("height", values.height)):
            self._bind_size(name, value)
        self._bind_length(values.duration)
        self._bind_references(values.references)
        self.values |= self.overrides

    def _of(self, what: str) -> list[Binding]:
        return [each for each in self.saved.bindings if each.what == what]

    def _set_all(self, what: str, value: Any) -> None:  # noqa: ANN401 - a text or a number
        for each in self._of(what):
            self._set(each.slot, what, value)
        if what in self.saved.unused:
            self.notices.append(f"{what} goes nowhere: {self.saved.bindings_file} says so")

    def _set(self, slot: Slot, name: str, value: Any) -> None:  # noqa: ANN401 - a text or a number
        held = self.values.setdefault(slot, value)
        if held != value and slot not in self.overrides:
            node = place_of(self.saved.graph, slot[0])
            remedy = (
                f"{node} takes {format_value(held)} in the same place: make them equal, or split the node in the graph"
            )
            self.faults.append(Fault(self.place, name, format_value(value), remedy))

    def _bind_prompt(self, text: str) -> None:
        self._set_all("prompt", text)
        if gap := self.saved.gaps.get("prompt"):
            self.notices.append(f"prompt goes nowhere: {gap}")

    def _bind_negative(self, text: str | None) -> None:
        if text is None:
            return
        self._set_all("negative_prompt", text)
        if text and (gap := self.saved.gaps.get("negative_prompt")):
            self.faults.append(Fault(self.place, "negative_prompt", format_value(text), gap))

    def _bind_size(self, name: str, value: int | None) -> None:
        if value is None:
            return
        gap = self.saved.gaps.get(name)
        if fault := limits.size_fault(self.place, name, value):
            self.faults.append(fault)
        elif gap and not self._of(name):
            self.faults.append(Fault(self.place, name, format_value(value), gap))
        else:
            for each in self._of(name):
                grown = value if each.factor == 1 else limits.whole_size(value * each.factor)
                self._set(each.slot, name, grown)

    def _bind_length(self, duration: float | None) -> None:
        bindings, length_rule = self._of("length"), self.saved.length_rule
        if duration is None or ("length" in self.saved.unused and not bindings):
            return
        if bindings and length_rule is not None:
            rate = self._rate(length_rule)
            for each in bindings:
                self._set(each.slot, "length", length_rule.value(duration, rate))
        elif gap := self.saved.gaps.get("length"):
            self.notices.append(f"duration changes nothing: {gap}")

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
            f"{saved.graph[each.node_id]['inputs'][each.input]}: no reference goes there"
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
            remedy = "the graph has no one place for it: leave it out, and set it in the graph"
            fault = Fault(self.place, name, format_value(reference.strength), remedy)
        if fault is not None:
            self.faults.append(fault)
        elif slot is not None:
            self._set(slot, name, reference.strength)


def read_graph(
    content: Mapping[str, Any],
    *,
    name: str,
    known: list[Fault],
    classes: Mapping[str, NodeClass | None] | None = None,
    explicit: BindingsFile | None = None,
    packs: Mapping[str, str] | None = None,
) -> SavedGraph:
    """Check a graph in API format and find where it takes a shot's values.

    Args:
        content: plain JSON.
        name: for faults.
        known: faults found before.
        classes: of nodes, as a server tells them; ComfyUI's own are read the same without.
        explicit: bindings that go before all others.
        packs: custom node packs by the classes that come with them, as the file tells it.

    Raises:
        WorkflowFaults: A graph that no server would run, or that could be read in more than one way.
    """
    faults = [*known, *graph_faults(content)]
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    graph: Graph = dict(content)
    file = explicit.source if explicit else bindings_name(name.rpartition("/")[2])
    places = detect_bindings(Wiring(graph, classes or {}), faults, explicit=explicit, file=file)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    return SavedGraph(
        source=name,
        graph=graph,
        bindings=in_order_of_meaning(places.bindings),
        packs=packs or {},
        gaps=places.gaps,
        unused=frozenset(places.unused),
        strengths=places.strengths,
        length_rule=places.length_rule,
        bindings_file=file,
    )
