"""Take: one task run for each rendering of a shot, found in the store or made on the farm."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.settings import get_current_settings
from prefect.states import Cancelled, Completed

from previs.comfyui.protocol.prompt_state import Phase, PromptState
from previs.errors import AccessDenied, NoServer, PrevisError
from previs.planning.cache import Found, renewed, usable
from previs.planning.plan import Plan, PlannedTake, TakeFrame
from previs.publishing.results import RunIdentity, TakeResult
from previs.records.takes import TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.progress import TakeSettled
from tasks.events import shot_failed
from tasks.passing import as_is
from tasks.retries import step

_OUTER_BOUND = 24 * 3600


@dataclass(slots=True)
class Job:
    """What a take's task run is about; one for all its attempts.

    Attributes:
        assignment: of the take to the farm.
        known: the record, if there is one already.
        skipped: why it is not tried; empty if it is.
    """

    assignment: TakeDispatcher
    known: TakeRecord | None = None
    skipped: str = ""

    @property
    def take(self) -> PlannedTake:
        """To be found or rendered."""
        return self.assignment.take

    @property
    def context(self) -> RunContext:
        """Of the run."""
        return self.assignment.context


@step("take", run_name="{label}", timeout_seconds=_OUTER_BOUND)
async def take(label: str, job: Job) -> State[TakeRecord]:
    """Find a take in the store, or render it on the farm."""
    logger = get_run_logger()
    if job.skipped:
        return Cancelled(name="Skipped", message=job.skipped)
    if job.known is not None:
        return _cached(job, job.known)
    told: Phase | None = None

    def on_change(server: str, life: PromptState) -> None:
        nonlocal told
        if life.phase is Phase.RUNNING:
            job.context.progress.running(job.take, server, life.step, life.steps)
        if life.phase is not told:
            told = life.phase
            logger.info("%s on %s, prompt %s", told.value, server, life.prompt_id)

    def on_error(error: PrevisError) -> None:
        logger.warning("%s; tried again at once", error)

    def on_wait() -> None:
        logger.info("another run renders it: its record is waited for")

    try:
        record = await job.assignment.render(on_change, on_error, on_wait)
    finally:
        job.context.progress.waiting(job.take)
    if job.assignment.elsewhere:
        job.known = record
        return _cached(job, record)
    job.context.progress.settled(job.take, TakeSettled(label, "rendered", record.server, record.seconds))
    return Completed(message=f"{record.server} · {record.seconds:.1f} s", data=record)


def _cached(job: Job, record: TakeRecord) -> State[TakeRecord]:
    job.context.progress.settled(job.take, TakeSettled(job.take.label, "cached", seconds=record.seconds))
    return Completed(name="Cached", message=f"rendered before on {record.server}", data=record)


def refresh_wanted() -> bool:
    """Whether Prefect's own setting, for all tasks or for this one, says that nothing rendered earlier is wanted."""
    own: bool | None = take.refresh_cache
    return get_current_settings().tasks.refresh_cache if own is None else own


async def run_takes(
    plan: Plan, found: Mapping[str, Found], facts: RunIdentity, context: RunContext
) -> list[TakeResult]:
    """Run the task of every take that is wanted or already there, all at once; one that fails costs no other.

    Equal takes are rendered once. A take that builds on others starts as soon as these are there, and is skipped where
    one of them has no frame. A task run starts when the farm has a place for it. What is not done when the studio's
    time is over is given up. What fails is told by an event as soon as it is known.
    """
    await context.farm.capabilities.expect(one.graph for one in plan.takes)
    running: dict[str, asyncio.Task[_End]] = {}
    leaders: dict[str, asyncio.Task[_End]] = {}
    begun: dict[asyncio.Task[_End], PlannedTake] = {}
    from_store: set[str] = set()
    for planned in plan.sources_first():
        known, wanted = usable(planned, found), planned.label in plan.wanted
        if wanted or known is not None:
            sources = {frame: running[frame.label] for frame in planned.builds_on if frame.label in running}
            one = found.get(planned.fingerprint)
            if planned.render_nonce and planned.fingerprint in from_store:
                # What is to be rendered again does not follow an equal take that need not be.
                leaders.pop(planned.fingerprint)
                from_store.remove(planned.fingerprint)
            run = _Run(
                take=renewed(planned, one),
                context=context,
                known=known,
                seen=one.record if one else None,
                leader=leaders.get(planned.fingerprint),
                sources=sources,
                wanted=wanted,
            )
            running[planned.label] = asyncio.create_task(_told(run, facts))
            if planned.fingerprint not in leaders:
                leaders[planned.fingerprint] = running[planned.label]
                if known is not None:
                    from_store.add(planned.fingerprint)
            begun[running[planned.label]] = planned
    try:
        if begun:
            await asyncio.wait(begun, timeout=context.seconds)
    finally:
        for each in begun:
            each.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
    late = f"given up: the {context.seconds:g} s of the run were over"
    given_up = {each: TakeResult(planned, "failed", error=late) for each, planned in begun.items() if each.cancelled()}
    for result in given_up.values():
        shot_failed(facts, result)
    return [given_up[each] if each in given_up else each.result().result for each in begun]


@dataclass(frozen=True, slots=True)
class _End:
    """How a take came out, and Prefect's state of its task run."""

    result: TakeResult
    state: State[TakeRecord]


@dataclass(slots=True)
class _Run:
    """One take of a run.

    Attributes:
        known: its record, if that counts as far as can be told by now.
        seen: its record, whether it counts or not.
        leader: an equal take that goes before it.
        sources: what it builds on, as far as that is there or rendered in this run.
        wanted: whether it is to be rendered if it has to be; else it is shown as it is there.
    """

    take: PlannedTake
    context: RunContext
    known: TakeRecord | None
    seen: TakeRecord | None
    leader: asyncio.Task[_End] | None
    sources: Mapping[TakeFrame, asyncio.Task[_End]]
    wanted: bool

    async def settle(self) -> _End:
        """Wait for what it needs, and run its task."""
        upstream = {frame: await _outcome(source) for frame, source in self.sources.items()}
        leader = None if self.leader is None else await _outcome(self.leader)
        job = self._job(upstream, leader)
        if leader is not None and job.known is None and not job.skipped:
            return _End(_failed(job, leader.result.error or ""), leader.state)
        try:
            if job.known is None and not job.skipped:
                # With no server at all the task run starts without a place, and fails with that reason.
                with contextlib.suppress(NoServer, AccessDenied):
                    await job.assignment.reserve()
            state = await _call(job, [end.state for end in upstream.values()])
        finally:
            job.assignment.leave()
        return _End(await _result(job, state), state)

    def _job(self, upstream: Mapping[TakeFrame, _End], leader: _End | None) -> Job:
        """What its task run is about, now that what it builds on is settled."""
        take, known, skipped = self.take, self.known, ""
        records = {frame: end.result.record for frame, end in upstream.items() if end.result.record}
        pictures = {frame: record.picture for frame, record in records.items() if record.picture}
        if len(pictures) == len(self.take.builds_on):
            with_sources = self.take.with_sources(pictures)
            of_others = known is not None and known.sources != dict(with_sources.sources)
            if self.wanted or not of_others:
                take, known = with_sources, None if of_others else known
        elif known is None:
            lacking = next(frame for frame in self.take.builds_on if frame not in pictures)
            skipped = f"{lacking.label}, which it builds on, has no picture"
        if leader is not None:
            known = leader.result.record
            skipped = skipped or (leader.result.error or "" if leader.result.outcome == "skipped" else "")
        return Job(TakeDispatcher(take, self.context, self.seen), known, skipped)


async def _told(run: _Run, facts: RunIdentity) -> _End:
    end = await run.settle()
    if end.result.outcome == "failed":
        shot_failed(facts, end.result)
    return end


async def _outcome(run: asyncio.Task[_End]) -> _End:
    await asyncio.wait([run])
    return run.result()


async def _call(job: Job, upstream: list[State[TakeRecord]]) -> State[TakeRecord]:
    # A source that failed would keep the task run from starting at all, in a state that never ends.
    sources = [state for state in upstream if state.is_completed()]
    # Prefect's types say of a task that returns a state that its state holds a state; it is handed through.
    return await take(job.take.label, as_is(job), return_state=True, wait_for=sources)  # type: ignore[misc,no-any-return]


async def _result(job: Job, state: State[TakeRecord]) -> TakeResult:
    if job.skipped:
        job.context.progress.settled(job.take, TakeSettled(job.take.label, "skipped", error=job.skipped))
        return TakeResult(job.take, "skipped", error=job.skipped)
    result = await state.aresult(raise_on_failure=False)
    attempts = tuple(job.assignment.attempts)
    if isinstance(result, TakeRecord):
        return TakeResult(job.take, "cached" if job.known else "rendered", record=result, attempts=attempts)
    return _failed(job, str(result) if isinstance(result, PrevisError) else f"{type(result).__name__}: {result}")


def _failed(job: Job, error: str) -> TakeResult:
    job.context.progress.settled(job.take, TakeSettled(job.take.label, "failed", error=error))
    return TakeResult(job.take, "failed", error=error, attempts=tuple(job.assignment.attempts))
