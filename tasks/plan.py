"""Bind the takes of a run, find those that are stored, and check whether the servers can render the others."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from prefect.logging import get_run_logger

from previs.boards.picks import picks
from previs.comfyui.protocol.graph import class_types
from previs.errors import AccessDenied, NoServer
from previs.ingest.load import RunInputs
from previs.planning.cache import Found
from previs.planning.frame_qc import next_render
from previs.planning.make_plan import RunOptions, make_plan
from previs.planning.plan import Plan
from previs.planning.preflight import check_plan
from previs.publishing.views.wording import plural
from previs.rendering.cache_lookup import cached_takes
from previs.rendering.context import RunContext
from tasks.part import this_part
from tasks.retries import step


@step("plan")
async def plan_takes(inputs: RunInputs, context: RunContext, *, board: str, options: RunOptions) -> Plan:
    """Bind every take of the run, with the picks of its board."""
    logger, part = get_run_logger(), this_part()
    picked = await picks(context.store, board, warn=logger.warning)
    plan = await asyncio.to_thread(
        make_plan,
        inputs.shot_list,
        inputs.workflows,
        inputs.pictures,
        options=options,
        picks=picked,
        render_nonce=str(part.parent) if part else context.leases.run,
    )
    plan = replace(plan, notices=(*inputs.notices, *plan.notices))
    context.progress.expect(inputs.name, plan.takes)
    logger.info("%s, %s", plural(len(plan.shot_list.shots), "shot"), plural(len(plan.takes), "take"))
    for notice in plan.notices:
        logger.warning(notice)
        context.progress.notice(notice)
    return plan


@step("find takes")
async def find_recorded(plan: Plan, context: RunContext, not_before: datetime | None) -> dict[str, Found]:
    """Return what the store has of the plan's takes, by fingerprint.

    Args:
        plan: Plan of the run.
        context: Context of the run.
        not_before: Time of the oldest usable take; None for any age.
    """
    logger = get_run_logger()
    found = await cached_takes(
        plan.takes, context.store, context.farm.model_hashes, not_before=not_before, warn=logger.warning
    )
    for reason in sorted({one.reason for one in found.values() if one.outdated}):
        logger.info("takes are rendered again: %s", reason)
    stored = sum(next_render(take, found) is None for take in plan.takes)
    logger.info("%d of %d takes are in %s", stored, len(plan.takes), context.store.name)
    return found


@step("check", retries=0)
async def check_takes(plan: Plan, found: Mapping[str, Found], context: RunContext) -> None:
    """Check every take to render against every server that answers, before the first is submitted.

    Takes that only some servers can render are logged. If no server answers within the farm's time, nothing is checked:
    the takes will fail for that reason.

    Raises:
        PlanRefused: No server can render some takes.
    """
    takes = [take for take in plan.takes if take.label in plan.wanted and next_render(take, found)]
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
