"""Represent bindings, and the report that shows them to a person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

from previs.comfyui.protocol.graph import Graph
from previs.workflow.binding.traversal import node_order, title_of

Slot = tuple[str, str]
"""An input that holds a value itself, as (node id, input name)."""

What = Literal[
    "prompt",
    "negative_prompt",
    "seed",
    "width",
    "height",
    "size",
    "length",
    "frame_rate",
    "batch_size",
    "checkpoint",
    "reference",
    "strength",
    "output_prefix",
    "override",
]

WHATS: tuple[What, ...] = What.__args__  # type: ignore[attr-defined] # a Literal's own list of its values


@dataclass(frozen=True, slots=True)
class Binding:
    """Describe an input of a graph that can take a value of a shot.

    Attributes:
        what: Value of the shot, such as its prompt or seed.
        rule: Short reason for the choice: ``positive of KSampler 3``.
        role: Role of a reference, one of :data:`previs.workflow.detection.roles.ROLES`.
        reference_id: The only reference that may use the input; empty if any may.
        factor: Ratio to the shot's size, for sizes of later passes.
    """

    what: What
    node_id: str
    input: str
    rule: str
    role: str = ""
    reference_id: str = ""
    factor: float = 1.0

    @property
    def slot(self) -> Slot:
        """Return the input."""
        return self.node_id, self.input


class Stays(Enum):
    """Mark an input that a shot leaves unchanged, or that has no value yet."""

    STAYS = "stays"


STAYS = Stays.STAYS
OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class BindingRow:
    """Represent one line of the report.

    Attributes:
        title: Title that the artist gave the node; empty if none.
        now: Value in the workflow; :data:`STAYS` if only a shot brings one.
        to_come: Value in the shot's graph; :data:`STAYS` if the shot leaves it.
    """

    what: str
    node_id: str
    title: str
    class_type: str
    input: str
    rule: str
    now: Any
    to_come: Any


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what a workflow takes from a shot, with notices for a person."""

    rows: tuple[BindingRow, ...]
    notices: tuple[str, ...]


def in_order_of_meaning(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Sort by meaning, then by node id, keeping the order of references."""

    def position(each: Binding) -> tuple[int, object]:
        return WHATS.index(each.what), [] if each.what == "reference" else node_order(each.node_id)

    return tuple(sorted(bindings, key=position))


def rows(
    graph: Graph, bindings: Iterable[Binding], coming: Mapping[Slot, Any], overrides: Mapping[Slot, Any]
) -> tuple[BindingRow, ...]:
    """Build the report's lines for a graph before binding; overrides of unbound inputs get lines of their own."""
    known = list(bindings)
    bound = {each.slot for each in known}
    others = [Binding("override", *slot, OVERRIDE) for slot in overrides if slot not in bound]
    return tuple(
        _row(
            graph,
            replace(each, rule=OVERRIDE) if each.slot in overrides else each,
            overrides.get(each.slot, coming.get(each.slot, STAYS)),
        )
        for each in (*known, *others)
    )


def _row(graph: Graph, binding: Binding, to_come: Any) -> BindingRow:  # noqa: ANN401 - an input holds any value
    node = graph[binding.node_id]
    return BindingRow(
        what=f"{binding.what} ({binding.role})" if binding.role and binding.what == "reference" else binding.what,
        node_id=binding.node_id,
        title=title_of(node),
        class_type=node["class_type"],
        input=binding.input,
        rule=binding.rule,
        now=node["inputs"].get(binding.input, STAYS),
        to_come=to_come,
    )
