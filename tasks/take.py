"""Take: one task run for each rendering of a shot, found in the store or made on the farm."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from previs.assignment import Assignment
from previs.comfyui.life import Life, Phase
from previs.errors import AccessDenied, NoServer, PrevisError
from previs.plan import Plan, PlannedTake
from previs.records import TakeRecord
from previs.results import TakeResult
from previs.studio import Studio
from previs.watching import Settled
from tasks.passing import as_is
from tasks.retries import JITTER, delays, may_succeed_later

_RETRIES = 3
_OUTER_BOUND = 24 * 3600


@dataclass(slots=True)
class Job:
    """What a take's task run is about; one for all its attempts.

    Attributes:
        assignment: of the take to the farm.
        known: the record, if there is one already.
    """

    assignment: Assignment
    known: TakeRecord | None = None

    @property
    def take(self) -> PlannedTake:
        """To be found or rendered."""
        return self.assignment.take

    @property
    def studio(self) -> Studio:
        """Of the run."""
        return self.assignment.studio


@task(
    name="take",
    task_run_name="{label}",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=_RETRIES,
    retry_delay_seconds=delays,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_succeed_later,
    timeout_seconds=_OUTER_BOUND,
)
async def take(label: str, job: Job) -> State[TakeRecord]:
    """Find a take in the store, or render it on the farm."""
    logger = get_run_logger()
    if job.known is not None:
        job.studio.account.settled(job.take, Settled(label, "cached", seconds=job.known.seconds))
        return Completed(name="Cached", message=f"rendered before on {job.known.server}", data=job.known)
    told: Phase | None = None

    def on_change(server: str, life: Life) -> None:
        nonlocal told
        if life.phase is Phase.RUNNING:
            job.studio.account.running(job.take, server, life.step, life.steps)
        if life.phase is not told:
            told = life.phase
            logger.info("%s on %s, prompt %s", told.value, server, life.prompt_id)

    def on_error(error: PrevisError) -> None:
        logger.warning("%s; tried again at once", error)

    try:
        record = await job.assignment.render(on_change, on_error)
    finally:
        job.studio.account.waiting(job.take)
    job.studio.account.settled(job.take, Settled(label, "rendered", record.server, record.seconds))
    return Completed(message=f"{record.server} · {record.seconds:.1f} s", data=record)


async def run_takes(
    plan: Plan, found: Mapping[str, TakeRecord], studio: Studio, *, refresh: bool, seconds: float
) -> list[TakeResult]:
    """Run the task of every take that is wanted or already there, all at once; one that fails costs no other.

    Equal takes are rendered once. A task run starts when the farm has a place for it. What is not done after
    ``seconds`` is given up.
    """
    await studio.farm.stock.expect(one.graph for one in plan.takes)
    leaders: dict[str, asyncio.Task[TakeResult]] = {}
    running: dict[asyncio.Task[TakeResult], PlannedTake] = {}
    for planned in plan.takes:
        wanted = planned.shot.label in plan.wanted
        known = None if refresh and wanted else found.get(planned.fingerprint)
        if known is not None or wanted:
            job = Job(Assignment(planned, studio), known)
            one = asyncio.create_task(_run_take(job, leaders.get(planned.fingerprint)))
            leaders.setdefault(planned.fingerprint, one)
            running[one] = planned
    try:
        if running:
            await asyncio.wait(running, timeout=seconds)
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    late = f"given up: the {seconds:g} s of the run were over"
    return [
        TakeResult(planned, "failed", error=late) if one.cancelled() else one.result()
        for one, planned in running.items()
    ]


async def _run_take(job: Job, leader: asyncio.Task[TakeResult] | None) -> TakeResult:
    if leader is not None:
        await asyncio.wait([leader])
        job.known = leader.result().record
        if job.known is None:
            return _failed(job, leader.result().error or "")
    try:
        if job.known is None:
            # With no server at all the task run starts without a place, and fails with that reason.
            with contextlib.suppress(NoServer, AccessDenied):
                await job.assignment.reserve()
        state = await _call(job)
    finally:
        job.assignment.leave()
    result = await state.aresult(raise_on_failure=False)
    if isinstance(result, TakeRecord):
        return TakeResult(job.take, "cached" if job.known else "rendered", record=result)
    return _failed(job, str(result) if isinstance(result, PrevisError) else f"{type(result).__name__}: {result}")


async def _call(job: Job) -> State[TakeRecord]:
    # Prefect's types say of a task that returns a state that its state holds a state; it is handed through.
    return await take(job.take.label, as_is(job), return_state=True)  # type: ignore[misc,no-any-return]


def _failed(job: Job, error: str) -> TakeResult:
    job.studio.account.settled(job.take, Settled(job.take.label, "failed", error=error))
    return TakeResult(job.take, "failed", error=error)
