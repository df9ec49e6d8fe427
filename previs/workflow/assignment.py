"""Assign a shot's references to the pictures of a graph."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault
from previs.workflow.binding.addresses import address_of
from previs.workflow.binding.bindings import Binding
from previs.workflow.binding.bindings_file import REFERENCES
from previs.workflow.binding.interface import PlacedReference
from previs.workflow.binding.suggestions import quoted, yaml_block
from previs.workflow.binding.traversal import place_of
from previs.workflow.detection.roles import ROLES, role_named, serves


@dataclass(slots=True)
class ReferenceAssignment:
    """Assign the references of one shot.

    Attributes:
        places: Bindings of references, in the order in which they are filled.
        unused: Ids and roles of references that are unused on purpose.
        place: The shot as a person knows it.
        file: Name that the graph's bindings file has or would have.
    """

    graph: Graph
    places: tuple[Binding, ...]
    unused: frozenset[str]
    place: str
    file: str
    faults: list[Fault]
    chosen: dict[Binding, PlacedReference] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def fill(self, references: Iterable[PlacedReference]) -> Mapping[Binding, PlacedReference]:
        """Assign each reference by its id, then by its role, then in order if that leaves no choice."""
        rest: list[PlacedReference] = []
        for reference in references:
            name = reference.reference_id
            if claimed := [each for each in self.places if each.reference_id and each.reference_id == name]:
                self.chosen.update(dict.fromkeys(claimed, reference))
            elif self._is_unused(reference):
                self.notices.append(f"reference {name} is not used: {self.file} says so")
            else:
                rest.append(reference)
        rest = [reference for reference in rest if not self._by_role(reference)]
        self._in_order(rest)
        return self.chosen

    def _is_unused(self, reference: PlacedReference) -> bool:
        names = (reference.reference_id, role_named(reference.role or reference.reference_id))
        return "reference" in self.unused or any(f"reference {name}" in self.unused for name in names)

    def _free(self) -> list[Binding]:
        return [each for each in self.places if each not in self.chosen and not each.reference_id]

    def _by_role(self, reference: PlacedReference) -> bool:
        """Assign a reference by its role; return whether it is assigned or refused."""
        asked = role_named(reference.role or reference.reference_id)
        free = [each for each in self._free() if asked and serves(each.role, asked)]
        if free:
            exact = [each for each in free if each.role == asked] or free
            self.chosen[exact[0]] = reference
        elif reference.role is not None:
            remedy = self._no_role() if asked else f"no such role; the roles are {', '.join(ROLES)}"
            self._fault(reference, format_value(asked or reference.role), remedy, ", role")
        return bool(free) or reference.role is not None

    def _no_role(self) -> str:
        free = ", ".join(self._named(each) for each in self._free())
        alternatives = f"free are {free}" if free else "no other picture is free"
        return f"the graph has no free picture of this role; {alternatives}: give another role, or remove it"

    def _in_order(self, rest: list[PlacedReference]) -> None:
        free = [each for each in self._free() if each.role != "mask"]
        if not rest:
            return
        if len({each.role for each in free}) > 1:
            self._ambiguous(rest, free)
            return
        self.chosen.update(zip(free, rest, strict=False))
        for reference in rest[len(free) :]:
            self._no_place(reference)

    def _ambiguous(self, rest: list[PlacedReference], free: list[Binding]) -> None:
        ids = ", ".join(each.reference_id for each in rest)
        listed = ", ".join(self._named(each) for each in free)
        free = sorted(free, key=lambda each: each.role == "last_frame")
        lines = [f"{REFERENCES}:"]
        lines += [f"  {_line(reference, each)}" for reference, each in zip(rest, free, strict=False)]
        lines += [f"#   {_line(rest[0], each)}" for each in free[len(rest) :]]
        remedy = (
            f"could go to {listed}: give each reference a role ({', '.join(dict.fromkeys(e.role for e in free))}), "
            f"or choose it in {self.file} beside the graph:\n{yaml_block(*lines)}"
        )
        self.faults.append(Fault(self.place, f"reference {ids}", "", remedy))

    def _no_place(self, reference: PlacedReference) -> None:
        loaders = [each for each in self.places if each.role != "mask"]
        count = f"{len(loaders)} LoadImage nodes" if len(loaders) != 1 else "1 LoadImage node"
        unused = f"{REFERENCES}: {{{quoted(reference.reference_id)}: []}}"
        remedy = (
            f"the graph has {count} for references, and none is free for this one: add a node, remove the reference, "
            f"or write {unused} into {self.file}"
        )
        self._fault(reference, "", remedy)

    def _fault(self, reference: PlacedReference, value: str, remedy: str, what: str = "") -> None:
        self.faults.append(Fault(self.place, f"reference {reference.reference_id}{what}", value, remedy))

    def _named(self, binding: Binding) -> str:
        return f"{place_of(self.graph, binding.node_id)} as {binding.role}"


def _line(reference: PlacedReference, binding: Binding) -> str:
    return f"{quoted(reference.reference_id)}: {quoted(address_of(binding.slot))}  # {binding.role}"
