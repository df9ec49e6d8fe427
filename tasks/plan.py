"""Plan: read the shot list, the workflow and the references, plan the takes, and look what is there already."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from previs import gather
from previs.cache import recorded
from previs.comfyui.graph import class_types
from previs.errors import AccessDenied, NoServer
from previs.plan import Plan, make_plan
from previs.preflight import check_plan
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
    shots: object,
    workflow: object,
    studio: Studio,
    *,
    takes: int,
    only: Sequence[str | int],
    overrides: Mapping[str, Any],
) -> tuple[gather.Given, Plan]:
    """Try that the store can be written to, read everything that the run is made from, and bind every take."""
    await studio.store.check()
    given = await gather.gather(shots, workflow, studio.sources, studio.store, studio.farm.classes)
    plan = make_plan(
        given.shot_list,
        given.workflow,
        given.pictures,
        given.workflow_pictures,
        takes=takes,
        only=only,
        overrides=overrides,
    )
    studio.account.expect(given.name, plan.takes)
    logger = get_run_logger()
    logger.info("%d shots, %d takes", len(plan.shot_list.shots), len(plan.takes))
    for notice in plan.notices:
        logger.warning(notice)
        studio.account.notice(notice)
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


@task(name="check", cache_policy=NO_CACHE, persist_result=False)
async def check_takes(plan: Plan, found: Mapping[str, TakeRecord], studio: Studio, *, refresh: bool) -> None:
    """Check every take that is to be rendered against every server that can be asked, before the first is submitted.

    What some servers cannot render is told. Where no server can be asked for as long as the farm allows, nothing is
    checked: the takes will fail for that reason.

    Raises:
        PlanRefused: takes that no server can render.
    """
    takes = [
        take for take in plan.takes if take.shot.label in plan.wanted and (refresh or take.fingerprint not in found)
    ]
    if not takes:
        return
    try:
        servers = await studio.farm.classes(class_types(take.graph for take in takes), needed=True)
    except (NoServer, AccessDenied):
        return
    away = [server.name for server in studio.farm.servers if server.name not in servers]
    report = check_plan(takes, servers, plan.packs, unreachable={name: f"{name} could not be asked" for name in away})
    report.raise_for_errors()
    get_run_logger().log(logging.WARNING if report.warnings else logging.INFO, report.text())
