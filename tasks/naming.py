"""Naming: what a flow run is called in Prefect."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from previs.planning.plan import Plan
from previs.publishing.results import RunIdentity
from previs.publishing.views.wording import one_line, plural, shorten
from previs.store.addresses import stem_of

_LONGEST: Final = 100


def run_name(facts: RunIdentity, plan: Plan) -> str:
    """What a run is, such as ``night-city · 12 shots · #7``."""
    asked = len({take.shot.label for take in plan.takes if take.label in plan.wanted})
    there_are = len(plan.shot_list.shots)
    shots = plural(there_are, "shot") if asked == there_are else f"{asked} of {plural(there_are, 'shot')}"
    return f"{facts.board} · {shots} · #{facts.number}"


def first_name(given: object, board: str) -> str:
    """What a run is called until it is known what it is made from: by its board, the list's title, or its place."""
    named = board or (given.get("board") or given.get("title") if isinstance(given, Mapping) else "")
    place = stem_of(given) if isinstance(given, str) and "\n" not in given else ""
    return shorten(one_line(str(named or place or "a run without a name")), _LONGEST)


async def name_this_run(name: str) -> None:
    """Give the flow run a name that says what it is; that Prefect's server cannot be reached does no harm."""
    try:
        async with get_client() as client:
            await client.update_flow_run(UUID(flow_run.id), name=name)
    except httpx.HTTPError as error:
        get_run_logger().warning("the run could not be named %r: %s", name, type(error).__name__)
