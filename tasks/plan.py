"""Plan: read the shot list, the workflow and the references, plan the takes, and look what is there already."""

from collections.abc import Sequence

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from previs import gather
from previs.cache import recorded
from previs.plan import Plan, make_plan
from previs.records import TakeRecord
from previs.studio import Studio
from tasks.retries import JITTER, delays, may_succeed_later


@task(
    name="plan",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=delays,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_succeed_later,
)
async def plan_takes(
    shots: object, workflow: object, studio: Studio, *, takes: int, only: Sequence[str | int]
) -> tuple[gather.Given, Plan]:
    """Try that the store can be written to, read everything that the run is made from, and bind every take."""
    await studio.store.check()
    given = await gather.gather(shots, workflow, studio.sources, studio.store)
    plan = make_plan(given.shot_list, given.workflow, given.pictures, given.workflow_pictures, takes=takes, only=only)
    studio.account.expect(given.name, plan.takes)
    get_run_logger().info("%d shots, %d takes", len(plan.shot_list.shots), len(plan.takes))
    return given, plan


@task(
    name="look for takes",
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=3,
    retry_delay_seconds=delays,
    retry_jitter_factor=JITTER,
    retry_condition_fn=may_succeed_later,
)
async def find_recorded(plan: Plan, studio: Studio) -> dict[str, TakeRecord]:
    """The takes that the store already has, by fingerprint."""
    logger = get_run_logger()
    found = await recorded(studio.store, (take.fingerprint for take in plan.takes), say=logger.warning)
    logger.info("%d of %d takes are in %s", len(found), len(plan.takes), studio.store.name)
    return found
