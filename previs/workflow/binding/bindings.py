"""What is set where: bindings of a graph's inputs to a shot's values, and the report that shows them to a person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal

from previs.comfyui.protocol.graph import Graph
from previs.workflow.binding.traversal import in_order, title_of

Slot = tuple[str, str]
"""An input that holds a value itself, as (node id, input name)."""

What = Literal[
    "prompt",
    "negative_prompt",
    "seed",
    "width",
    "height",
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
    """One input of a graph that takes, or could take, something of a shot.

    Attributes:
        what: of the shot: its prompt, its seed …
        rule: why this input, in a phrase: ``positive of KSampler 3``.
        role: what a reference's picture is for; one of :data:`previs.workflow.detection.roles.ROLES`.
        reference_id: the one reference that a place, or a strength, is kept for; empty if any may come.
        factor: of a size that grows along with the shot's, such as a second pass's.
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
        """Where the value is held."""
        return self.node_id, self.input


class Stays(Enum):
    """Marks an input that a shot leaves as the artist saved it, and a value that is not there yet."""

    STAYS = "stays"


STAYS = Stays.STAYS
OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class BindingRow:
    """One line of the report.

    Attributes:
        title: that the artist gave the node; empty if none.
        now: the value in the workflow; :data:`STAYS` where it has none until a shot comes.
        to_come: the value in the shot's graph; :data:`STAYS` where the shot leaves it.
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
    """What a workflow takes of a shot, and what a person should know beside it."""

    rows: tuple[BindingRow, ...]
    notices: tuple[str, ...]


def in_order_of_meaning(bindings: Iterable[Binding]) -> tuple[Binding, ...]:
    """Sort as a person reads them: by what they are, then as nodes are counted, keeping the order of references."""
    found = list(bindings)
    counted = {node_id: index for index, node_id in enumerate(in_order({each.node_id for each in found}))}
    return tuple(
        sorted(
            found, key=lambda each: (WHATS.index(each.what), 0 if each.what == "reference" else counted[each.node_id])
        )
    )


def rows(
    graph: Graph, bindings: Iterable[Binding], coming: Mapping[Slot, Any], overrides: Mapping[Slot, Any]
) -> tuple[BindingRow, ...]:
    """Write the report's lines.

    Args:
        graph: as it is now.
        bindings: of the graph.
        coming: values of a shot, by where they go.
        overrides: likewise; they win, and have lines of their own where nothing is bound.
    """
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
    """Write a binding's line of the report."""
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
