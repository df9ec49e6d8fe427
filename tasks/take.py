"""Run one task for each take of a shot, which is found in the store or rendered on the farm."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from logging import Logger

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.logging.loggers import LoggingAdapter
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed

from previs.boards.runs import last_manifests
from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import AccessDenied, NoServer, PrevisError, StoreUnavailable
from previs.planning.cache import Found
from previs.planning.estimate import PastTakes
from previs.planning.frame_qc import look_marks, next_render, retry_of, shown_of
from previs.planning.plan import Plan, PlannedTake, take_label
from previs.planning.schedule import Fail, Render, Reuse, ScheduledTake, Skip, TakeResult, make_schedule
from previs.publishing.results import RunIdentity
from previs.publishing.views.marks import in_words
from previs.records.manifest import Outcome
from previs.records.takes import TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.progress import TakeSettled
from previs.text.visible import visible
from tasks.events import shot_failed
from tasks.naming import step_name
from tasks.passing import as_is
from tasks.retries import step

_OUTER_BOUND = 24 * 3600
_CACHED = "Cached"
_ON_SERVER = (Phase.SUBMITTED, Phase.WAITING, Phase.RUNNING)
_LOGGED_WAIT = 1
"""Seconds in a server's queue after which it is logged that a prompt runs."""


@dataclass(slots=True)
class Job:
    """Say what a take's task run does; one for all its attempts.

    Attributes:
        dispatcher: Renders the take, if the action says so.
        name: Name of its task run.
        record: Record that the task run found or made. Of a result, Prefect would keep a link to each value.
    """

    action: Render | Reuse | Skip
    dispatcher: TakeDispatcher
    name: str
    record: TakeRecord | None = None

    @property
    def take(self) -> PlannedTake:
        """Return the take."""
        return self.action.take

    @property
    def context(self) -> RunContext:
        """Return the run's context."""
        return self.dispatcher.context


@step("take", run_name="{name}", timeout_seconds=_OUTER_BOUND)
async def take(name: str, job: Job) -> State[None]:  # noqa: ARG001 - the run's name
    """Find a take's record in the store, or render the take on the farm."""
    if isinstance(job.action, Skip):
        return Cancelled(name="Skipped", message=visible(job.action.reason))
    if isinstance(job.action, Reuse):
        return _cached(job, job.action.record)
    logger, progress = get_run_logger(), job.context.progress
    log = _PromptLog(logger)

    def on_change(server: str, state: PromptState) -> None:
        if state.phase is Phase.RUNNING:
            progress.running(job.take, server, state.step, state.steps)
        log.note(server, state)

    def on_retry(error: PrevisError) -> None:
        logger.warning("%s; trying again at once", error)

    def on_wait() -> None:
        logger.info("another run renders this take; waiting for its record")

    try:
        record = await job.dispatcher.render(on_change, on_retry, on_wait)
    finally:
        progress.waiting(job.take)
    if job.dispatcher.from_another_run:
        return _cached(job, record)
    job.record = record
    marks = _marks(job.take, record)
    if marks:
        logger.warning("frame QC: %s", marks)
    end = TakeSettled(job.take.label, record.how_made, record.server, record.seconds, marks=marks)
    progress.settled(job.take, end)
    how = "Joined" if record.joined else "Completed"
    return Completed(name=how, message=f"{record.server} · {record.seconds:.1f} s")


@dataclass(slots=True)
class _PromptLog:
    """Log that a prompt is on a server, and that it runs if it has waited: each line costs Prefect 1 ms of CPU time.

    Prefect logs how the task run ends.
    """

    logger: Logger | LoggingAdapter
    prompt: str | None = None
    since: float = 0
    waits: bool = False

    def note(self, server: str, state: PromptState) -> None:
        """Take a prompt's state."""
        if state.phase not in _ON_SERVER:
            return
        if state.prompt_id != self.prompt:
            self.prompt, self.since, self.waits = state.prompt_id, time.monotonic(), state.phase is not Phase.RUNNING
            self.logger.info("%s on %s, prompt %s", state.phase.value, server, state.prompt_id)
        elif self.waits and state.phase is Phase.RUNNING:
            self.waits = False
            if (waited := time.monotonic() - self.since) >= _LOGGED_WAIT:
                self.logger.info("running on %s after %.0f s in its queue", server, waited)


def _cached(job: Job, record: TakeRecord) -> State[None]:
    job.record = record
    end = TakeSettled(job.take.label, "cached", seconds=record.seconds, marks=_marks(job.take, record))
    job.context.progress.settled(job.take, end)
    return Completed(name=_CACHED, message=f"rendered before on {record.server}")


def _marks(planned: PlannedTake, record: TakeRecord) -> str:
    """Return in words what is wrong with how a frame looks; empty if its shot has QC off."""
    return "" if planned.shot.qc == "off" else ", ".join(in_words(look_marks(record)))


def refresh_wanted() -> bool:
    """Return whether Prefect's own setting, for all tasks or for this one, asks to ignore cached results."""
    own: bool | None = take.refresh_cache
    return get_current_settings().tasks.refresh_cache if own is None else own


async def run_takes(
    plan: Plan, found: Mapping[str, Found], identity: RunIdentity, context: RunContext
) -> list[TakeResult]:
    """Run the task of every scheduled take, all at once; a take that fails costs no other take its result.

    A task run starts when the farm has a slot for it. Takes that are not settled within ``context.seconds`` are given
    up. An event reports each failure at once.
    """
    await context.farm.capabilities.expect(one.graph for one in plan.takes)
    context = await _with_usual_seconds(context, plan, found, identity.board)
    schedule = make_schedule(plan, found)
    loop = asyncio.get_running_loop()
    ends: dict[str, asyncio.Future[_End]] = {each.label: loop.create_future() for each in schedule}
    sources = frozenset(label for each in schedule for label in each.sources.values())
    settler = _Settler(identity, context, sources, ends)
    numbers = {shot.label: number for number, shot in enumerate(plan.shot_list.shots, 1)}
    # A task that has ended would hold the frames and the context of its take until the last one ends.
    unsettled = set[asyncio.Task[None]]()
    for each in schedule:
        name = step_name(each.label, "shot", numbers[each.take.shot.label])
        task = asyncio.create_task(settler.settle(each, name))
        unsettled.add(task)
        task.add_done_callback(unsettled.discard)
    try:
        if ends:
            await asyncio.wait(ends.values(), timeout=context.seconds)
    finally:
        for task in unsettled:
            task.cancel()
        await asyncio.gather(*unsettled, return_exceptions=True)
    late = f"given up: the {context.seconds:g} s of the run were over"
    given_up = {
        each.label: TakeResult(each.take, "failed", error=late) for each in schedule if ends[each.label].cancelled()
    }
    for result in given_up.values():
        shot_failed(identity, result)
    return [given_up[label] if label in given_up else end.result().result for label, end in ends.items()]


async def _with_usual_seconds(context: RunContext, plan: Plan, found: Mapping[str, Found], board: str) -> RunContext:
    """Add to the context how long past takes of the board took, unless a limit is set or all takes are stored."""
    if context.limits.render is not None or not any(next_render(take, found) for take in plan.takes):
        return context
    with contextlib.suppress(StoreUnavailable):
        return replace(context, usual_seconds=PastTakes(await last_manifests(context.store, board)).seconds)
    return context


@dataclass(frozen=True, slots=True)
class _End:
    """Hold how a take ended, and Prefect's state of its task run if other takes are made from it."""

    result: TakeResult
    state: State[None] | None = None


@dataclass(frozen=True, slots=True)
class _Settler:
    """Run the tasks of a run's takes, each after those that it waits for.

    Attributes:
        sources: Labels of the takes that others are made from.
        ends: How the takes end, by label.
    """

    identity: RunIdentity
    context: RunContext
    sources: frozenset[str]
    ends: Mapping[str, asyncio.Future[_End]]

    async def settle(self, scheduled: ScheduledTake, name: str) -> None:
        """Run a take to its end, and pass that on to whoever waits for it."""
        end = self.ends[scheduled.label]
        try:
            end.set_result(await self._settle(scheduled, name))
        except Exception as error:  # noqa: BLE001 - an error of ours is raised once all takes are settled
            end.set_exception(error)
        finally:
            end.cancel()  # without effect on what is set

    async def _settle(self, scheduled: ScheduledTake, name: str) -> _End:
        """Wait for the takes that go before, and do what the schedule then says."""
        ends = await self._wait_for(scheduled.waits_for)
        action = scheduled.next_action({label: end.result for label, end in ends.items()})
        if isinstance(action, Fail):
            end = _End(_failed(action.take, action.error, self.context))
        else:
            job = Job(action, TakeDispatcher(action.take, self.context, scheduled.seen), name)
            state = await _run(job, [ends[label].state for label in scheduled.sources.values()])
            end = _End(await _result(job, state), state if scheduled.label in self.sources else None)
            end = await self._once_more(scheduled, name, end, ends)
        if end.result.outcome == "failed":
            shot_failed(self.identity, end.result)
        return end

    async def _once_more(self, scheduled: ScheduledTake, name: str, first: _End, ends: Mapping[str, _End]) -> _End:
        """Render a take with another seed if frame QC asks for that, and return the better of both."""
        take, leader = first.result.take, ends.get(scheduled.leader or "")
        if take.retry is None or first.result.record is None:
            return first
        equal = leader.result if leader else None
        # Whether it is the same picture as another take is known only when those are there.
        order = retry_of(scheduled, first.result, (), equal)
        order = order or retry_of(scheduled, first.result, await self._before(take), equal)
        if order is None:
            return first
        action, marks = order
        if isinstance(action, Render):
            why = ", ".join(in_words(marks))
            get_run_logger().info("%s is rendered once more with another seed: %s", take.label, why)
        job = Job(action, TakeDispatcher(action.take, self.context, scheduled.seen_retry), f"{name} · again")
        state = await _run(job, [ends[label].state for label in scheduled.sources.values()])
        second = await _result(job, state)
        shown = shown_of(first.result, second, await self._before(take), marks)
        if shown.take is not second.take and shown.record is not None:
            end = TakeSettled(take.label, shown.outcome, shown.record.server, shown.record.seconds)
            self.context.progress.settled(take, replace(end, marks=_marks(take, shown.record)))
        return _End(shown, state if first.state is not None and second.record else first.state)

    async def _before(self, planned: PlannedTake) -> list[TakeResult]:
        """Wait for the takes of a shot with lower numbers, and return their results; none for a pass."""
        numbers = range(1, 1 if planned.pass_name else planned.number)
        lower = [take_label(planned.shot.label, number) for number in numbers]
        ends = await self._wait_for(label for label in lower if label in self.ends)
        return [end.result for end in ends.values()]

    async def _wait_for(self, labels: Iterable[str]) -> dict[str, _End]:
        """Wait until takes are settled, and return how they ended."""
        ends = {label: self.ends[label] for label in labels}
        if ends:
            await asyncio.wait(ends.values())
        return {label: end.result() for label, end in ends.items()}


async def _run(job: Job, upstream: Iterable[State[None] | None]) -> State[None]:
    """Run a take's task, with a slot reserved if it renders."""
    # A source that failed would keep the task run from ever starting, in a state that never ends.
    sources = [state for state in upstream if state is not None and state.is_completed()]
    try:
        if isinstance(job.action, Render):
            # With no server at all the task run starts without a slot, and fails with that reason.
            with contextlib.suppress(NoServer, AccessDenied):
                await job.dispatcher.reserve()
        # Prefect's types say of a task that returns a state that its state holds a state; it is passed through.
        state: State[None] = await take(job.name, as_is(job), return_state=True, wait_for=sources)  # type: ignore[misc]
    finally:
        job.dispatcher.leave()
    return state


async def _result(job: Job, state: State[None]) -> TakeResult:
    if isinstance(job.action, Skip):
        reason = job.action.reason
        job.context.progress.settled(job.take, TakeSettled(job.take.label, "skipped", error=reason))
        return TakeResult(job.take, "skipped", error=reason)
    attempts = tuple(job.dispatcher.attempts)
    if state.is_completed() and job.record is not None:
        outcome: Outcome = "cached" if state.name == _CACHED else job.record.how_made
        return TakeResult(job.take, outcome, record=job.record, attempts=attempts)
    result = await state.aresult(raise_on_failure=False)
    error = str(result) if isinstance(result, PrevisError) else visible(f"{type(result).__name__}: {result}")
    return replace(_failed(job.take, error, job.context), attempts=attempts)


def _failed(planned: PlannedTake, error: str, context: RunContext) -> TakeResult:
    context.progress.settled(planned, TakeSettled(planned.label, "failed", error=error))
    return TakeResult(planned, "failed", error=error)
