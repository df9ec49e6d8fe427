"""Graphs that an artist built in ComfyUI and saved in API format."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from previs.comfyui.graph import Graph
from previs.errors import Fault, WorkflowFaults
from previs.workflow import limits
from previs.workflow.form import form_faults
from previs.workflow.places import Places, find_places
from previs.workflow.texts import Slot
from previs.workflow.values import PlacedReference, ShotValues
from previs.workflow.walk import place_of


@dataclass(frozen=True, slots=True)
class SavedGraph:
    """A graph in API format, and where it takes a shot's values.

    Made by :func:`read_graph`. What a shot does not give stays as the artist left it.
    """

    source: str
    graph: Graph
    places: Places

    @property
    def reference_images(self) -> tuple[str, ...]:
        """None: the graph's own pictures are on the servers already."""
        return ()

    def bind(self, values: ShotValues, *, place: str = "the workflow") -> Graph:
        """Make a copy of the graph that holds a shot's values.

        Args:
            values: of the take.
            place: the shot in a person's words, for faults.

        Raises:
            WorkflowFaults: The shot gives what the graph has no place for, or what no server takes.
        """
        binding = _Binding(self.graph, self.places, place)
        binding.bind(values)
        if binding.faults:
            raise WorkflowFaults(self.source, tuple(binding.faults))
        graph = copy.deepcopy(self.graph)
        for (node_id, name), value in binding.values.items():
            graph[node_id]["inputs"][name] = value
        return graph


@dataclass(slots=True)
class _Binding:
    """One shot's values on their way to their places."""

    graph: Graph
    places: Places
    place: str
    values: dict[Slot, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def bind(self, values: ShotValues) -> None:
        for slot in self.places.prompt:
            self._set(slot, "prompt", values.prompt)
        self._bind_negative(values.negative_prompt)
        if fault := limits.seed_fault(self.place, values.seed):
            self.faults.append(fault)
        for slot in self.places.seed:
            self._set(slot, "seed", values.seed)
        self._bind_size(values.width, values.height)
        self._bind_references(values.references)

    def _set(self, slot: Slot, name: str, value: Any) -> None:  # noqa: ANN401 - a text or a number
        held = self.values.setdefault(slot, value)
        if held != value:
            node = place_of(self.graph, slot[0])
            remedy = (
                f"{node} takes {limits.shown(held)} in the same place: make them equal, or split the node in the graph"
            )
            self.faults.append(Fault(self.place, name, limits.shown(value), remedy))

    def _bind_negative(self, text: str | None) -> None:
        if text is None:
            return
        for slot in self.places.negative:
            self._set(slot, "negative_prompt", text)
        if text and not self.places.negative:
            self.faults.append(Fault(self.place, "negative_prompt", limits.shown(text), self.places.negative_gap))

    def _bind_size(self, width: int | None, height: int | None) -> None:
        for index, (name, value) in enumerate((("width", width), ("height", height))):
            if value is None:
                continue
            if fault := limits.size_fault(self.place, name, value):
                self.faults.append(fault)
            elif self.places.size is None:
                self.faults.append(Fault(self.place, name, limits.shown(value), self.places.size_gap))
            else:
                self._set(self.places.size[index], name, value)

    def _bind_references(self, references: tuple[PlacedReference, ...]) -> None:
        free = iter(self.places.references)
        for reference in references:
            node_id = self.places.claimed_references.get(reference.reference_id) or next(free, None)
            if node_id is None:
                self._no_place(reference)
            else:
                self._set((node_id, "image"), f"reference {reference.reference_id}", reference.name)
                self._bind_strength(node_id, reference)

    def _no_place(self, reference: PlacedReference) -> None:
        loaders = (*self.places.references, *self.places.claimed_references.values())
        count = f"{len(loaders)} LoadImage nodes" if len(loaders) != 1 else "1 LoadImage node"
        remedy = f"the graph has {count} for references and none is left for this one: add one, or leave it out"
        self.faults.append(Fault(self.place, f"reference {reference.reference_id}", "", remedy))

    def _bind_strength(self, node_id: str, reference: PlacedReference) -> None:
        if reference.strength is None:
            return
        fault = limits.strength_fault(self.place, reference.reference_id, reference.strength, limits.STRENGTH_MAX)
        name = f"reference {reference.reference_id}, strength"
        if fault is None and node_id not in self.places.strengths:
            remedy = "the graph has no one place for it: leave it out, and set it in the graph"
            fault = Fault(self.place, name, limits.shown(reference.strength), remedy)
        if fault is not None:
            self.faults.append(fault)
        else:
            self._set(self.places.strengths[node_id], name, reference.strength)


def read_graph(content: Mapping[str, Any], *, name: str, known: list[Fault]) -> SavedGraph:
    """Check a graph in API format and find where it takes a shot's values.

    Args:
        content: plain JSON.
        name: for faults.
        known: faults found before.

    Raises:
        WorkflowFaults: A graph that no server would run, or that could be read in more than one way.
    """
    faults = [*known, *form_faults(content)]
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    graph: Graph = dict(content)
    places = find_places(graph, faults)
    if faults:
        raise WorkflowFaults(name, tuple(faults))
    return SavedGraph(name, graph, places)
