"""Name flow runs in Prefect."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from previs.planning.plan import Plan
from previs.publishing.results import RunIdentity, board_tag
from previs.publishing.views.wording import one_line, plural, shorten
from previs.store.addresses import stem_of
from previs.text.visible import visible
from tasks.part import this_part

_LONGEST: Final = 100


def run_name(identity: RunIdentity, plan: Plan) -> str:
    """Return the name of a planned run, such as ``night-city · 12 shots · #7``."""
    wanted = len({take.shot.label for take in plan.takes if take.label in plan.wanted})
    total = len(plan.shot_list.shots)
    shots = plural(total, "shot") if wanted == total else f"{wanted} of {plural(total, 'shot')}"
    return f"{identity.board} · {shots}" + (f" · #{identity.number}" if identity.number else "")


def step_name(name: str, kind: str, number: int) -> str:
    """Return the name of a task run, with a number before it if Prefect's graph of a run would show too little of it.

    In one of Prefect's UIs, the graph leaves out all characters but ASCII: of ``镜头一 · take 1``, it shows ``take 1``.

    Args:
        name: Name, of which parts are divided by ``·``.
        kind: What is numbered, such as ``shot``.
        number: Number within the run, from 1.
    """
    return name if name.replace(" · ", " ").isascii() else f"{kind} {number} · {name}"


def first_name(given: object, board: str) -> str:
    """Return the name of a run whose input is not read yet: its board, the list's title, or its file's name."""
    named = board or (given.get("board") or given.get("title") if isinstance(given, Mapping) else "")
    file = stem_of(given) if isinstance(given, str) and "\n" not in given else ""
    return shorten(one_line(str(named or file or "a run without a name")), _LONGEST)


async def name_this_run(name: str, board: str = "") -> None:
    """Name this flow run, a part with its number, and tag it with its board.

    If Prefect's server cannot be reached, log a warning.
    """
    tags = {*flow_run.tags, board_tag(board)} if board else None
    if part := this_part():
        name = f"{name} · {part.words}"
    try:
        async with get_client() as client:
            await client.update_flow_run(UUID(flow_run.id), name=visible(name), tags=tags)
    except httpx.HTTPError as error:
        get_run_logger().warning("the run could not be named %r: %s", name, type(error).__name__)
