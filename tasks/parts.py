"""Render one board in several runs: this one, and others of its deployment, each some of the shots.

The runs share nothing but the store. Its leases keep takes apart, and this run goes through all shots: what a part has
rendered it finds there, what a part is rendering it waits for, and the rest it renders itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import anyio
import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.logging import get_run_logger
from prefect.runtime import deployment, flow_run
from prefect.states import Cancelled, Cancelling

from blocks.asking import prefect_client, refusal
from previs.errors import Fault, ParametersRefused, PrefectRefused, PrefectUnavailable
from previs.ingest.offload import shots_parameter
from previs.planning.cache import Found
from previs.planning.make_plan import RunOptions
from previs.planning.parts import divide, own_first
from previs.planning.plan import Plan
from previs.publishing.views.wording import plural
from previs.rendering.context import RunContext
from previs.store import Store
from previs.text.visible import visible
from tasks.form import unfolded
from tasks.part import Part, this_part
from tasks.passing import unevaluated

_POLL_EVERY: Final = 1.0
_LAST_SECONDS: Final = 60.0
_CANCEL_SECONDS: Final = 5.0
_TAG: Final = "part"
_OF_THE_BOARD: Final = frozenset({"parts", "review_minutes", "webhook"})
_WITHOUT_PARENT: Final = "the run whose board it is has ended"
_OVER: Final = "the board is done without it"
_AWAY: Final = (httpx.HTTPError, ObjectNotFound, PrefectUnavailable, PrefectRefused)


def check_parts(parts: int) -> None:
    """Check that this run can start other runs of its deployment.

    Raises:
        ParametersRefused: It has none.
    """
    if parts > 1 and deployment.id is None:
        remedy = "a run without a deployment has one part: start it from a deployment, such as storyboard/by-hand"
        raise ParametersRefused("storyboard", (Fault("parts", "", str(parts), remedy),))


@contextlib.asynccontextmanager
async def in_parts(
    parts: int,
    plan: Plan,
    found: Mapping[str, Found],
    context: RunContext,
    *,
    board: str,
    options: RunOptions,
) -> AsyncIterator[Plan]:
    """Start the runs of the other parts, and yield the plan in the order in which this run goes through it.

    At the end of the context parts that have not begun are cancelled, and the others waited for; if this run fails or
    is cancelled, all are cancelled.

    Args:
        parts: Number of parts.
        plan: The run's takes.
        found: What the store has of them.
        context: Context of the run.
        board: Name of the board.
        options: Options of this run.
    """
    if parts == 1 or this_part() is not None:
        yield plan
        return
    divided = divide(plan, found, parts)
    if 0 < len(divided) < parts:
        reason = "there are no more, or they build on each other"
        get_run_logger().info("%d of %d parts have shots to render: %s", len(divided), parts, reason)
    runs: list[FlowRun] = []
    try:
        for number, shots in enumerate(divided[1:], start=2):
            own = {"board": board, "only": list(shots), "refresh": _again(options.refresh, shots)}
            own |= {"picked_only": True} if options.picked_only else {}
            runs += await _start(Part(UUID(flow_run.id), number, parts), own, context.store)
            context.parts.update(str(run.id) for run in runs)
        yield own_first(plan, divided)
        await _until_ended(runs)
    finally:
        with anyio.move_on_after(_CANCEL_SECONDS, shield=True):
            await _cancel(runs)


def _again(refresh: bool | Collection[int | str], shots: Collection[str]) -> bool | list[str]:  # noqa: FBT001 - as given
    """Return which of a part's shots are rendered again."""
    if isinstance(refresh, bool):
        return refresh
    again = {*map(str, refresh)}
    return [shot for shot in shots if shot in again] or False


async def _start(part: Part, own: Mapping[str, Any], store: Store) -> list[FlowRun]:
    """Start the run of a part, or log why that is not possible.

    Args:
        part: The part.
        own: Parameters in which it differs from this run.
        store: Where a list is kept that is too large for parameters.
    """
    logger = get_run_logger()
    try:
        async with prefect_client() as client:
            given = unfolded((await client.read_flow_run(part.parent)).parameters)
            kept = {name: value for name, value in given.items() if name not in _OF_THE_BOARD} | dict(own)
            if not isinstance(kept["shots"], str):
                kept["shots"] = await shots_parameter(kept["shots"], store)
            run = await arun_deployment(
                UUID(deployment.id),
                client=client,
                parameters={name: value if _is_plain(value) else unevaluated(value) for name, value in kept.items()},
                flow_run_name=visible(f"{own['board']} · {part.words}"),
                timeout=0,
                tags=[_TAG],
                idempotency_key=part.key,
            )
    except (*_AWAY, PrefectHTTPStatusError) as error:
        reason = refusal(error) if isinstance(error, PrefectHTTPStatusError) else str(error)
        logger.warning("%s is not started, and this run renders its shots: %s", part.words, reason)
        return []
    logger.info("%s has %s: %s", part.words, plural(len(own["only"]), "shot"), run.name)
    return [run]


def _is_plain(value: object) -> bool:
    """Return whether Prefect finds nothing to evaluate in a parameter; a saved block is a reference."""
    return set(value) == {"$ref"} if isinstance(value, Mapping) else not isinstance(value, list)


async def _until_ended(runs: Sequence[FlowRun]) -> None:
    """Cancel the parts that have not begun, wait for the others, and log how those ended that did not complete.

    All takes are settled by now, so that parts have nothing left to do.
    """
    waiting, loop = list(runs), asyncio.get_running_loop()
    until = loop.time() + _LAST_SECONDS
    while waiting and loop.time() < until:
        with contextlib.suppress(*_AWAY):
            async with get_client() as client:
                ended = [await _ended(client, run) for run in waiting]
            waiting = [run for run, over in zip(waiting, ended, strict=True) if not over]
        if waiting:
            await asyncio.sleep(_POLL_EVERY)


async def _ended(client: PrefectClient, run: FlowRun) -> bool:
    """Return whether a part has ended, or was cancelled before it began."""
    state = (await client.read_flow_run(run.id)).state
    if state is None or state.is_scheduled():
        await client.set_flow_run_state(run.id, Cancelled(message=_OVER))
        get_run_logger().info("%s had not begun: this run has rendered its shots", run.name)
        return True
    if state.is_final() and not state.is_completed():
        get_run_logger().warning("%s ended as %s, and this run took its shots: %s", run.name, state.name, state.message)
    return state.is_final()


async def _cancel(runs: Sequence[FlowRun]) -> None:
    """Cancel the parts that have not ended."""
    with contextlib.suppress(*_AWAY):
        async with get_client() as client:
            for run in runs:
                state = (await client.read_flow_run(run.id)).state
                if state is None or not (state.is_final() or state.is_cancelling()):
                    unbegun = state is None or state.is_scheduled()
                    over: State[None] = (Cancelled if unbegun else Cancelling)(message=_WITHOUT_PARENT)
                    await client.set_flow_run_state(run.id, over)
