"""Schedule the takes of a run: what follows what, which of equal takes leads, which are skipped; pure.

:func:`make_schedule` says which takes each take waits for. When these are settled, :meth:`ScheduledTake.next_action`
says what to do with it. The caller runs the actions, all at once where nothing waits, and keeps the results.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from previs.planning.cache import Found, renewed, usable
from previs.planning.plan import Plan, PlannedTake, TakeFrame
from previs.records.manifest import Outcome
from previs.records.marks import Mark
from previs.records.takes import Attempt, TakeRecord


@dataclass(frozen=True, slots=True)
class TakeResult:
    """Hold how a planned take ended.

    Attributes:
        record: The take's record, if it has frames.
        error: Sentence that says why there is no record.
        attempts: Everything that went wrong on the way.
        retried: The other render and why there are two, if frame QC had the take rendered once more.
    """

    take: PlannedTake
    outcome: Outcome
    record: TakeRecord | None = None
    error: str | None = None
    attempts: tuple[Attempt, ...] = ()
    retried: "RetriedTake | None" = None

    @property
    def first(self) -> "TakeResult":
        """Return the result of the first render, also if the second is shown."""
        return self.retried.other if self.retried and self.take.retry_of else self


@dataclass(frozen=True, slots=True)
class RetriedTake:
    """Hold the render that is not shown, of two.

    Attributes:
        marks: What is wrong with the first.
    """

    other: TakeResult
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Render:
    """Render a take: nothing that is stored will do."""

    take: PlannedTake


@dataclass(frozen=True, slots=True)
class Reuse:
    """Use a record that is stored already."""

    take: PlannedTake
    record: TakeRecord


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave a take out, because a take that it builds on has no picture."""

    take: PlannedTake
    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Fail a take as the equal take before it failed."""

    take: PlannedTake
    error: str


Action = Render | Reuse | Skip | Fail


@dataclass(frozen=True, slots=True)
class ScheduledTake:
    """Place a take in the order of a run.

    Attributes:
        cached: The take's usable record, as far as the stored files tell.
        seen: The take's record, usable or not.
        leader: Label of the equal take that goes first; this one takes over its result.
        sources: Labels of the takes that it builds on, by the frames it needs.
        wanted: Whether the run asked for it; otherwise it is only shown if it is stored.
        cached_retry: Usable record of its retry, likewise.
        seen_retry: Record of its retry, usable or not.
    """

    take: PlannedTake
    cached: TakeRecord | None
    seen: TakeRecord | None
    leader: str | None
    sources: Mapping[TakeFrame, str]
    wanted: bool
    cached_retry: TakeRecord | None = None
    seen_retry: TakeRecord | None = None

    @property
    def label(self) -> str:
        """Return the take's label."""
        return self.take.label

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Return the labels of the takes that must be settled before it."""
        return (*self.sources.values(), *((self.leader,) if self.leader else ()))

    def next_action(self, settled: Mapping[str, TakeResult]) -> Action:
        """Return what to do with the take.

        Args:
            settled: Results of at least the takes that it waits for, by label.
        """
        take, cached, skipped = self._with_sources(settled)
        leader = settled[self.leader] if self.leader else None
        if leader is not None:
            leader = leader.first
            cached = leader.record
            if leader.outcome == "skipped":
                skipped = skipped or leader.error or ""
        if skipped:
            return Skip(take, skipped)
        if cached is not None:
            return Reuse(take, cached)
        return Render(take) if leader is None else Fail(take, leader.error or "")

    def _with_sources(self, settled: Mapping[str, TakeResult]) -> tuple[PlannedTake, TakeRecord | None, str]:
        """Return the take with its sources' frames, its record if that was made from these, and why it is skipped."""
        records = {frame: settled[label].record for frame, label in self.sources.items()}
        pictures = {frame: record.picture for frame, record in records.items() if record and record.picture}
        if len(pictures) < len(self.take.builds_on):
            if self.cached is not None:
                return self.take, self.cached, ""
            missing = next(frame for frame in self.take.builds_on if frame not in pictures)
            return self.take, None, f"{missing.label}, which it builds on, has no picture"
        bound = self.take.with_sources(pictures)
        of_others = self.cached is not None and self.cached.sources != dict(bound.sources)
        if of_others and not self.wanted:
            return self.take, self.cached, ""
        return bound, None if of_others else self.cached, ""


def make_schedule(plan: Plan, found: Mapping[str, Found]) -> tuple[ScheduledTake, ...]:
    """Schedule every take that is wanted or already stored, each after those that it waits for.

    Of takes with equal fingerprints the first leads, and the others follow it. A take that is to be rendered again does
    not follow one that is only read from the store: it leads from there on.

    Args:
        plan: The run's takes.
        found: What the store has of them, by fingerprint.
    """
    scheduled: dict[str, ScheduledTake] = {}
    leaders: dict[str, ScheduledTake] = {}
    for planned in plan.sources_first():
        cached, wanted = usable(planned, found), planned.label in plan.wanted
        if not wanted and cached is None:
            continue
        one, leader = found.get(planned.fingerprint), leaders.get(planned.fingerprint)
        retry = planned.retry
        other = found.get(retry.fingerprint) if retry else None
        if leader is not None and leader.cached is not None and planned.render_nonce:
            leader = None
        each = ScheduledTake(
            take=replace(renewed(planned, one), retry=retry and renewed(retry, other)),
            cached=cached,
            seen=one.record if one else None,
            leader=leader.label if leader else None,
            sources={frame: frame.label for frame in planned.builds_on if frame.label in scheduled},
            wanted=wanted,
            cached_retry=usable(retry, found) if retry else None,
            seen_retry=other.record if other else None,
        )
        scheduled[each.label] = each
        if leader is None:
            leaders[planned.fingerprint] = each
    return tuple(scheduled.values())
