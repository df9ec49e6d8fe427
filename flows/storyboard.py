"""Storyboard: from a shot list to a board."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field, SkipValidation

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore, Webhook
from previs.errors import BoardIncomplete, PrevisError
from previs.ingest.load import DEFAULT_WORKFLOW, RunInputs
from previs.planning.make_plan import RunOptions
from previs.publishing.results import RunIdentity
from previs.rendering.context import RunContext
from previs.shots import Shot, ShotList
from previs.workflow import WorkflowSettings
from tasks.artifacts import live_progress
from tasks.context import open_context
from tasks.events import board_ready
from tasks.naming import first_name, name_this_run, run_name
from tasks.passing import as_is
from tasks.plan import check_takes, find_recorded, plan_takes
from tasks.publish import Board, publish_board
from tasks.read import read_input
from tasks.review import apply_review, ask_for_review
from tasks.take import refresh_wanted, run_takes
from tasks.webhook import open_webhook

# The list and the workflow are checked by their own readers, which report every fault at once; the types make the form.
ShotsParameter = SkipValidation[ShotList | list[Shot] | str]
WorkflowParameter = SkipValidation[WorkflowSettings | str]


@flow(name="storyboard", persist_result=True, timeout_seconds=7 * 24 * 3600)
async def storyboard(  # noqa: PLR0913, PLR0917 - each is a field of the form
    shots: ShotsParameter,
    workflow: WorkflowParameter = DEFAULT_WORKFLOW,
    board: str = "",
    farm: ComfyUIFarm | list[str] | str | None = None,
    store: S3FrameStore | FolderFrameStore | str | None = None,
    takes: Annotated[int, Field(ge=1, le=100)] = 1,
    only: list[str | int] | None = None,
    overrides: dict[str, Any] | None = None,
    refresh: bool | list[str | int] = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
    max_age_days: Annotated[float | None, Field(ge=0)] = None,
    review_minutes: Annotated[float | None, Field(gt=0, le=3 * 24 * 60)] = None,
    webhook: Webhook | None = None,
) -> State[list[dict[str, Any]]]:
    """Render a shot list on a farm of ComfyUI servers and publish the board.

    Args:
        shots: The shots themselves, or the place of a JSON, YAML or CSV file that every worker can read: a path,
            s3:// or https://. Also what another flow hands over: the payload of shot-list.ready, or
            prefect.flow-run.ID, for what that flow run returned.
        workflow: Settings, or the place of a settings file or of what ComfyUI saved: a workflow, a graph in API format,
            or a picture or video that holds one.
        board: The name under which runs gather; empty for the list's title.
        farm: A saved farm, as block:NAME too, or the addresses of its servers; none for the block named 'default', or
            else a server on this machine.
        store: A saved store, as block:NAME too, s3://bucket/prefix, or a folder; none for the block named 'default',
            or else a folder.
        takes: How many renderings of each shot that does not say so itself.
        only: Shot IDs to render, when not all are wanted; the others are shown as far as they are there.
        overrides: Inputs of the workflow's nodes for every shot, by node id or title: {"4.ckpt_name": "…"}.
        refresh: Render again what has been rendered before, all of it or the shots with these IDs.
        max_age_days: Render again what was rendered longer ago.
        review_minutes: Ask which takes are chosen and which shots are to be made again, and wait so many minutes for an
            answer: this run's page has a form then. Empty: nobody is asked.
        webhook: Which saved webhook is told when the board is ready or something fails; none for the block named
            'default', if there is one.
    """
    started = datetime.now(UTC)
    options = RunOptions(takes, only or (), overrides or {}, refresh or refresh_wanted())
    not_before = None if max_age_days is None else started - timedelta(days=max_age_days)
    await name_this_run(first_name(shots, board))
    async with open_webhook(webhook):
        async with open_context(farm, store) as context:
            given, facts = await read_input(as_is(shots), as_is(workflow), as_is(context), board=board, started=started)
            made = await _make(given, facts, options, not_before, context)
        if review_minutes:
            remake = partial(_make, facts=facts, options=replace(options, refresh=False), not_before=not_before)
            made = await _reviewed(made, given, review_minutes, partial(open_context, farm, store), remake)
        board_ready(made)
    if made.failure:
        return Failed(message=made.failure, data=BoardIncomplete(made.failure, made.shots))
    return Completed(message=made.message, data=made.shots)


async def _reviewed(
    made: Board,
    given: RunInputs,
    minutes: float,
    open_again: Callable[..., AbstractAsyncContextManager[RunContext]],
    remake: Callable[..., Awaitable[Board]],
) -> Board:
    """Ask for a verdict and make what it says, until nothing is to be made again; what cannot be made is asked anew."""
    refused = ""
    for part in count(2):
        answer = await ask_for_review(made, given, minutes, refused)
        if not answer and not refused:
            break
        try:
            async with open_again(part=part) as context:
                revised = await apply_review(answer, as_is(given), as_is(made), as_is(context))
                made = await remake(revised, context=context)
        except PrevisError as error:
            if not answer:
                break
            refused = str(error)
        else:
            given, refused = revised, ""
            if not answer.again:
                break
    return made


async def _make(
    given: RunInputs, facts: RunIdentity, options: RunOptions, not_before: datetime | None, context: RunContext
) -> Board:
    """Plan, look what is there, render the rest and publish."""
    plan = await plan_takes(as_is(given), as_is(context), board=facts.board, options=options)
    await name_this_run(run_name(facts, plan))
    found = await find_recorded(as_is(plan), as_is(context), not_before)
    await check_takes(as_is(plan), as_is(found), as_is(context))
    async with live_progress(context.progress, facts.board):
        results = await run_takes(plan, found, facts, context)
    return await publish_board(as_is(plan), as_is(results), as_is(facts), as_is(context))
