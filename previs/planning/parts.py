"""Divide the takes of a plan among several runs; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from previs.planning.cache import Found
from previs.planning.frame_qc import next_render
from previs.planning.plan import Plan, PlannedTake

Shots = tuple[str, ...]


def divide(plan: Plan, found: Mapping[str, Found], parts: int) -> list[Shots]:
    """Return the labels of the shots that each part renders, with about as many takes in each.

    A part is a stretch of the list. Shots that build on each other are in one part, so there may be fewer parts.

    Args:
        plan: The run's takes.
        found: What the store has of them, by fingerprint.
        parts: Number of parts.
    """
    takes = [take for take in plan.takes if take.label in plan.wanted and next_render(take, found)]
    groups = _groups(takes)
    divided: list[list[str]] = [[] for _ in range(parts)]
    placed = 0
    for group in groups:
        divided[placed * parts // len(takes)] += dict.fromkeys(take.shot.label for take in group)
        placed += len(group)
    return [tuple(shots) for shots in divided if shots]


def own_first(plan: Plan, divided: Sequence[Shots]) -> Plan:
    """Return the plan with the takes of the first part first, and those of other parts from the end of the list.

    So the run meets the other parts where they end.
    """
    of_others = {shot for shots in divided[1:] for shot in shots}
    own = [take for take in plan.takes if take.shot.label not in of_others]
    others = [take for take in plan.takes if take.shot.label in of_others]
    return replace(plan, takes=(*own, *reversed(others)))


def _groups(takes: Sequence[PlannedTake]) -> list[list[PlannedTake]]:
    """Return the takes by group: those of one shot, and of shots that build on each other, are together."""
    root = {take.shot.label: take.shot.label for take in takes}

    def root_of(label: str) -> str:
        while root[label] != label:
            root[label] = label = root[root[label]]
        return label

    for take in takes:
        # A stored frame ties nothing together: every part can read it.
        for source in (frame.shot_id for frame in take.builds_on if frame.shot_id in root):
            root[root_of(take.shot.label)] = root_of(source)
    groups: dict[str, list[PlannedTake]] = {}
    for take in takes:
        groups.setdefault(root_of(take.shot.label), []).append(take)
    return list(groups.values())
