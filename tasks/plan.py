"""Plan: bind the takes, look which are there already, and check whether the others can be rendered."""

import logging
from collections.abc import Mapping
from datetime import datetime

from prefect.logging import get_run_logger

from previs.boards.picks import picks
from previs.comfyui.protocol.graph import class_types
from previs.errors import AccessDenied, NoServer
from previs.ingest.load import RunInputs
from previs.planning.cache import Found, usable
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.plan import Plan
from previs.planning.preflight import check_plan
from previs.publishing.views.wording import plural
from previs.rendering.cache_lookup import cached_takes
from previs.rendering.context import RunContext
from tasks.retries import step


@step("plan")
async def plan_takes(given: RunInputs, context: RunContext, *, board: str, options: RunOptions) -> Plan:
    """Bind every take.

    Args:
        given: what the run is made from.
        context: of the run.
        board: whose chosen takes count.
        options: of the run.
    """
    logger = get_run_logger()
    picked = await picks(context.store, board, warn=logger.warning)
    plan = make_plan(
        given.shot_list,
        given.workflow,
        given.pictures,
        given.workflow_pictures,
        options=options,
        picks=picked,
        render_nonce=context.leases.run,
    )
    context.progress.expect(given.name, plan.takes)
    logger.info("%s, %s", plural(len(plan.shot_list.shots), "shot"), plural(len(plan.takes), "take"))
    for notice in plan.notices:
        logger.warning(notice)
        context.progress.notice(notice)
    return plan


@step("look for takes")
async def find_recorded(plan: Plan, context: RunContext, not_before: datetime | None) -> dict[str, Found]:
    """What the store has of the plan's takes, by fingerprint; what was rendered earlier does not count."""
    logger = get_run_logger()
    found = await cached_takes(
        plan.takes, context.store, context.farm.model_hashes, not_before=not_before, warn=logger.warning
    )
    for reason in sorted({one.reason for one in found.values() if one.outdated}):
        logger.info("rendered again where %s", reason)
    there = sum(usable(take, found) is not None for take in plan.takes)
    logger.info("%d of %d takes are in %s", there, len(plan.takes), context.store.name)
    return found


@step("check", retries=0)
async def check_takes(plan: Plan, found: Mapping[str, Found], context: RunContext) -> None:
    """Check every take that is to be rendered against every server that can be asked, before the first is submitted.

    What some servers cannot render is told. Where no server can be asked for as long as the farm allows, nothing is
    checked: the takes will fail for that reason.

    Raises:
        PlanRefused: takes that no server can render.
    """
    takes = [take for take in plan.takes if take.label in plan.wanted and usable(take, found) is None]
    if not takes:
        return
    try:
        servers = await context.farm.classes(class_types(take.graph for take in takes), needed=True)
    except (NoServer, AccessDenied):
        return
    away = [server.name for server in context.farm.servers if server.name not in servers]
    report = check_plan(takes, servers, plan.packs, unreachable={name: f"{name} could not be asked" for name in away})
    report.raise_for_errors()
    get_run_logger().log(logging.WARNING if report.warnings else logging.INFO, report.text())
