"""Bind the takes of one plan to its workflow; pure.

Takes share what they have in common, because a plan may have 100,000 of them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from previs.comfyui.protocol.graph import Graph, Node
from previs.planning.fingerprint import derived_seed, fingerprint, numbered_seed, retry_seed
from previs.planning.plan import PlannedTake, ReferenceImage, TakeFrame
from previs.shots import Shot
from previs.workflow import BindingRow, PlacedReference, ShotValues, Workflow, checkpoint_of


@dataclass(frozen=True, slots=True)
class TakeBinder:
    """Bind takes to a workflow.

    Attributes:
        pictures: Pictures of the shots' references, by ``url``.
        of_workflow: Pictures of the workflow's own references, likewise.
        overrides: Overrides of the run.
        first_nodes: Nodes of the first take that has one of this id, each with its JSON.
        first_rows: Rows of the first take that has one of this meaning and input.
    """

    workflow: Workflow
    pictures: Mapping[str, ReferenceImage]
    of_workflow: Mapping[str, ReferenceImage]
    overrides: Mapping[str, Any]
    first_nodes: dict[str, tuple[str, Node]] = field(default_factory=dict)
    first_rows: dict[tuple[str, str, str], BindingRow] = field(default_factory=dict)

    def bind(
        self, shot: Shot, number: int, frames: Mapping[str, TakeFrame], render_nonce: str, *, pass_name: str = ""
    ) -> PlannedTake:
        """Bind one take.

        Args:
            shot: The shot; of a pass, the shot as the pass changes it.
            number: Number of the take; of a pass, that of the take it is made from.
            frames: Frames that it builds on, by the ``url`` of their references.
            render_nonce: Nonce of a repeated render; else empty.
            pass_name: Name of the pass; empty for a take itself.

        Raises:
            WorkflowFaults: The workflow cannot be bound to this shot.
        """
        values, place = self._values(shot, frames), place_of(shot)
        unbound = PlannedTake(
            shot=shot,
            number=number,
            graph={},
            seed=0,
            fingerprint="",
            pictures={picture.name: picture for picture in self._pictures(shot, frames)},
            checkpoint=None,
            builds_on=tuple(dict.fromkeys(frames[each.url] for each in shot.references if each.url in frames)),
            render_nonce=render_nonce,
            pass_name=pass_name,
        )
        if shot.seed is not None:
            return self._bound(unbound, values, numbered_seed(shot.seed, number))
        seedless = fingerprint(self.workflow.bind(values, place=place))
        take = self._bound(unbound, values, derived_seed(seedless, number))
        if shot.qc != "retry":
            return take
        retry = replace(self._bound(unbound, values, retry_seed(seedless, number)), retry_of=take.fingerprint)
        # A workflow that takes no seed would make the same frame once more.
        return replace(take, retry=retry) if retry.fingerprint != take.fingerprint else take

    def _bound(self, unbound: PlannedTake, values: ShotValues, seed: int) -> PlannedTake:
        """Return a take with its graph, for a seed as far as the workflow has room for it."""
        place, seed = place_of(unbound.shot), self.workflow.fit_seed(seed)
        values = replace(values, seed=seed)
        graph = self.workflow.bind(values, place=place)
        return replace(
            unbound,
            graph=self._shared(graph),
            seed=seed,
            fingerprint=fingerprint(graph),
            checkpoint=checkpoint_of(graph),
            rows=self._shared_rows(self.workflow.report(values, place=place).rows),
        )

    def notices(self, shot: Shot, numbers: Sequence[int], frames: Mapping[str, TakeFrame]) -> tuple[str, ...]:
        """Return warnings on how the workflow takes a shot; of the takes' seeds, on the first that does not fit."""
        values, fit = self._values(shot, frames), self.workflow.fit_seed
        seeds = [fit(0)] if shot.seed is None else [numbered_seed(shot.seed, number) for number in numbers]
        shown = next((seed for seed in seeds if fit(seed) != seed), seeds[0])
        return self.workflow.report(replace(values, seed=shown), place=place_of(shot)).notices

    def _shared(self, graph: Graph) -> Graph:
        """Return the graph with the first take's nodes in place of equal ones."""
        shared: Graph = {}
        for node_id, node in graph.items():
            as_json = json.dumps(node)
            first_json, first = self.first_nodes.setdefault(node_id, (as_json, node))
            shared[node_id] = first if as_json == first_json else node
        return shared

    def _shared_rows(self, rows: Sequence[BindingRow]) -> tuple[BindingRow, ...]:
        """Return the rows with the first take's in place of equal ones."""
        first = [self.first_rows.setdefault((row.what, row.node_id, row.input), row) for row in rows]
        return tuple(one if one == row else row for one, row in zip(first, rows, strict=True))

    def _pictures(self, shot: Shot, frames: Mapping[str, TakeFrame]) -> Iterator[ReferenceImage]:
        yield from (self.pictures[each.url] for each in shot.references if each.url not in frames)
        yield from self.of_workflow.values()

    def _values(self, shot: Shot, frames: Mapping[str, TakeFrame]) -> ShotValues:
        own = [
            PlacedReference(
                (frames.get(each.url) or self.pictures[each.url]).name, each.reference_id, each.strength, each.role
            )
            for each in shot.references
        ]
        of_workflow = [PlacedReference(picture.name, url) for url, picture in self.of_workflow.items()]
        return ShotValues(
            prompt=shot.prompt,
            negative_prompt=shot.negative_prompt,
            seed=0,
            width=shot.width,
            height=shot.height,
            references=(*own, *of_workflow),
            duration=shot.duration,
            overrides={**self.overrides, **shot.overrides},
        )


def place_of(shot: Shot) -> str:
    """Return the name of a shot for faults."""
    return f"shot {shot.label}"
