"""Set any input of any node, for a run or a shot, after all other values."""

from collections.abc import Iterable, Mapping
from typing import Any

from previs.comfyui.protocol.graph import Graph, is_link, with_values
from previs.comfyui.protocol.input_check import format_value
from previs.errors import Fault, WorkflowFaults
from previs.text.visible import shortened
from previs.workflow.binding.addresses import AddressError, AddressFinder, address_of
from previs.workflow.binding.bindings import Binding, Slot
from previs.workflow.binding.traversal import OUTPUT_PREFIX

# Names that may stand for an address; other values come from the shot or from previs.
MEANINGS = ("checkpoint", "batch_size", "frame_rate", "length", "width", "height")


def with_overrides(
    graph: Graph, overrides: Mapping[str, Any], *, source: str, place: str, bindings: Iterable[Binding] = ()
) -> Graph:
    """Return a graph with some inputs set; other nodes are the same objects as before.

    Overrides are values by address, ``"4.ckpt_name"`` or ``"Title of a node.steps"``, or by meaning, ``checkpoint``,
    which ``bindings`` define. A value may be a link, and may replace one.

    Raises:
        WorkflowFaults: Unknown addresses, two values for one input, and links to missing nodes.
    """
    faults: list[Fault] = []
    slots = overridden(AddressFinder(graph), overrides, place=place, bindings=bindings, faults=faults)
    if faults:
        raise WorkflowFaults(source, tuple(faults))
    return with_values(graph, slots)


def overridden(
    finder: AddressFinder, overrides: Mapping[str, Any], *, place: str, bindings: Iterable[Binding], faults: list[Fault]
) -> dict[Slot, Any]:
    """Return the overriding values by input."""
    known = list(bindings)
    slots: dict[Slot, Any] = {}
    for address, value in overrides.items():
        for slot in _meant(finder, str(address), place, known, faults):
            if fault := _value_fault(finder.graph, str(address), value, place):
                faults.append(fault)
            elif slot in slots and slots[slot] != value:
                remedy = f'"{address_of(slot)}" is overridden twice, also with {format_value(slots[slot])}: keep one'
                faults.append(Fault(place, f"override {shortened(address)}", format_value(value), remedy))
            slots[slot] = value
    return slots


def _meant(finder: AddressFinder, address: str, place: str, known: list[Binding], faults: list[Fault]) -> list[Slot]:
    if "." in address:
        try:
            slot = finder.find(address)
        except AddressError as error:
            faults.append(Fault(place, f"override {shortened(address)}", "", str(error)))
            return []
        if slot[1] != OUTPUT_PREFIX:
            return [slot]
        remedy = "the names of saved files are set for each render: remove it"
        faults.append(Fault(place, f"override {shortened(address)}", "", remedy))
        return []
    slots = [each.slot for each in known if each.what == address and each.factor == 1]
    if address in MEANINGS and len(slots) == 1:
        return slots
    faults.append(Fault(place, f"override {shortened(address)}", "", _no_meaning(finder.graph, address, slots)))
    return []


def _no_meaning(graph: Graph, address: str, slots: list[Slot]) -> str:
    if address not in MEANINGS:
        return f'give an address, a node\'s id or title, a dot and an input ("6.text"), or one of {", ".join(MEANINGS)}'
    if slots:
        listed = ", ".join(
            f'"{address_of(slot)}" (now {format_value(graph[slot[0]]["inputs"].get(slot[1]))})' for slot in slots
        )
        return f"the graph has several: use one of these addresses: {listed}"
    return 'no input of the graph is known for it: give a node\'s id or title, a dot and an input ("4.ckpt_name")'


def _value_fault(graph: Graph, address: str, value: object, place: str) -> Fault | None:
    """Report a link to a missing node; the server checks other values."""
    if is_link(value):
        if value[0] in graph and value[1] >= 0:
            return None
        missing = f"the graph has no node {value[0]} to link to"
        remedy = missing if value[0] not in graph else "output numbers start at 0"
    elif isinstance(value, list) and [type(part) for part in value[1:]] == [int] and str(value[0]) in graph:
        remedy = f'write the node id of a link as text: ["{value[0]}", {value[1]}]'
    else:
        return None
    return Fault(place, f"override {shortened(address)}", format_value(value), remedy)
