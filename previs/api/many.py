"""Render all takes of a plan, with a bound on how many are in work."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from previs.api.checking import check_takes
from previs.api.outputs import Links, ShotResult, outputs_of
from previs.api.renders import Made, Renders
from previs.errors import PrevisError
from previs.planning.cache import Found
from previs.planning.frame_qc import look_marks, next_render, retry_of, shown_of
from previs.planning.plan import Plan, take_label
from previs.planning.schedule import Fail, Render, Reuse, ScheduledTake, Skip, TakeResult, make_schedule
from previs.publishing.views.marks import in_words
from previs.records.takes import TakeRecord
from previs.rendering.dispatch import TakeDispatcher


@dataclass(frozen=True, slots=True)
class _End:
    """Hold how a take ended: for the takes that wait for it, and for the caller."""

    result: TakeResult
    shown: ShotResult


async def render_plan(
    plan: Plan,
    found: Mapping[str, Found],
    renders: Renders,
    links: Links,
    *,
    at_once: int,
    seconds: float | None,
    on_settled: Callable[[ShotResult], None],
) -> list[ShotResult]:
    """Render every take of a plan that is not stored, and return the results in the plan's order.

    Args:
        plan: Takes of the list.
        found: What the store has of them, by fingerprint.
        renders: The session's renders.
        links: Links to the store's files.
        at_once: Number of takes in work at any time.
        seconds: Limit for each take, from the moment when it is in work.
        on_settled: Receives each result as soon as it is there.

    Raises:
        PlanRefused: No server can render some takes; nothing was rendered.
    """
    farm = renders.context.farm
    takes = [take for take in plan.takes if next_render(take, found)]
    if takes:
        (await check_takes(takes, farm, plan.packs, needed=False)).raise_for_errors()
        await farm.capabilities.expect(take.graph for take in takes)
    settling: dict[str, asyncio.Task[_End]] = {}
    settler = _Settler(renders, links, asyncio.Semaphore(at_once), seconds, on_settled, settling)
    for each in make_schedule(plan, found):
        before = {label: settling[label] for label in each.waits_for}
        settling[each.label] = asyncio.create_task(settler.settle(each, before))
    try:
        await asyncio.gather(*settling.values())
    finally:
        for task in settling.values():
            task.cancel()
        await asyncio.gather(*settling.values(), return_exceptions=True)
    return [settling[take.label].result().shown for take in plan.takes if take.label in settling]


@dataclass(frozen=True, slots=True)
class _Settler:
    """Render or reuse takes, each after those that it waits for."""

    renders: Renders
    links: Links
    gate: asyncio.Semaphore
    seconds: float | None
    on_settled: Callable[[ShotResult], None]
    settling: Mapping[str, asyncio.Task[_End]]

    async def settle(self, scheduled: ScheduledTake, before: Mapping[str, asyncio.Task[_End]]) -> _End:
        if before:
            await asyncio.wait(before.values())
        ends = {label: task.result() for label, task in before.items()}
        end = await self._end(scheduled, ends)
        self.on_settled(end.shown)
        return end

    async def _end(self, scheduled: ScheduledTake, ends: Mapping[str, _End]) -> _End:
        action = scheduled.next_action({label: end.result for label, end in ends.items()})
        shot_id, number, pass_name = action.take.shot.shot_id, action.take.number, action.take.pass_name
        match action:
            case Skip(take, reason):
                result = TakeResult(take, "skipped", error=reason)
                return _End(result, ShotResult(shot_id, number, "skipped", error=reason, pass_name=pass_name))
            case Fail(take, error):
                cause = ends[scheduled.leader or ""].shown.cause
                result = TakeResult(take, "failed", error=error)
                shown = ShotResult(shot_id, number, "failed", error=error, cause=cause, pass_name=pass_name)
                return _End(result, shown)
        try:
            result = await self._result(action, scheduled.seen)
            result = await self._once_more(scheduled, result, ends)
            if result.record is None:
                raise AssertionError
            outputs = await outputs_of(result.record, self.links, cached=result.outcome == "cached")
        except PrevisError as error:
            result = TakeResult(action.take, "failed", error=str(error))
            shown = ShotResult(shot_id, number, "failed", error=str(error), cause=error, pass_name=pass_name)
            return _End(result, shown)
        marks = () if action.take.shot.qc == "off" else in_words(look_marks(result.record))
        return _End(result, ShotResult(shot_id, number, result.outcome, outputs, pass_name=pass_name, marks=marks))

    async def _once_more(self, scheduled: ScheduledTake, first: TakeResult, ends: Mapping[str, _End]) -> TakeResult:
        """Render a take with another seed if frame QC asks for that, and return the better of both."""
        take, leader = first.take, ends.get(scheduled.leader or "")
        if take.retry is None:
            return first
        lower = [] if take.pass_name else [take_label(take.shot.label, each) for each in range(1, take.number)]
        before = [(await self.settling[label]).result for label in lower if label in self.settling]
        order = retry_of(scheduled, first, before, leader.result if leader else None)
        if order is None:
            return first
        action, marks = order
        try:
            second = await self._result(action, scheduled.seen_retry)
        except PrevisError as error:
            second = TakeResult(action.take, "failed", error=str(error))
        return shown_of(first, second, before, marks)

    async def _result(self, action: Render | Reuse, seen: TakeRecord | None) -> TakeResult:
        made = await self._made(action, seen)
        return TakeResult(action.take, "cached" if made.cached else made.record.how_made, record=made.record)

    async def _made(self, action: Render | Reuse, seen: TakeRecord | None) -> Made:
        if isinstance(action, Reuse):
            return Made(action.record, cached=True)
        async with self.gate:
            dispatcher = TakeDispatcher(action.take, self.renders.context, seen)
            return await self.renders.wait(self.renders.start(action.take, dispatcher), self.seconds)
