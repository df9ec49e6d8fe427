"""Render a shot list and publish its board."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field, SkipValidation

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore, Webhook
from previs.errors import BoardIncomplete
from previs.ingest.load import DEFAULT_WORKFLOW, RunInputs
from previs.notifications.payload_text import parse_payload
from previs.planning.make_plan import RunOptions
from previs.publishing.results import RunIdentity
from previs.rendering.context import RunContext
from previs.shots import Shot, ShotList
from previs.text.logs import show_logs_visibly
from previs.workflow import WorkflowSettings
from tasks.artifacts import live_progress
from tasks.context import open_context
from tasks.events import board_ready
from tasks.naming import first_name, name_this_run, run_name
from tasks.passing import as_is
from tasks.plan import check_takes, find_recorded, plan_takes
from tasks.publish import Board, publish_board
from tasks.read import read_input
from tasks.remote_end import ending_with_its_run
from tasks.review import review
from tasks.take import refresh_wanted, run_takes
from tasks.webhook import open_webhook

# The readers of the list and the workflow report every fault at once; these types only make the form.
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
    render_seconds: Annotated[float | None, Field(gt=0)] = None,
    review_minutes: Annotated[float | None, Field(gt=0, le=3 * 24 * 60)] = None,
    webhook: Webhook | None = None,
) -> State[list[dict[str, Any]]]:
    """Render a shot list on a farm of ComfyUI servers and publish the board.

    Args:
        shots: The shots, or the path or URL (s3:// or https://) of a JSON, YAML or CSV file that every worker can read.
            From another flow: the payload of shot-list.ready, also as JSON text, or prefect.flow-run.ID for that run's
            result.
        workflow: Settings, or the path or URL of a settings file or of a file that ComfyUI saved: a workflow, a graph
            in API format, or a picture or video that holds one.
        board: Name of the board. Empty: the list's title.
        farm: Saved farm, block:NAME, or addresses of servers. Empty: the block named 'default', else this machine.
        store: Saved store, block:NAME, s3://bucket/prefix, or folder. Empty: the block named 'default', else a folder.
        takes: Takes per shot, unless the shot sets its own number.
        only: IDs of the shots to render. Empty: all. The other shots are shown if they are stored.
        overrides: Inputs of the workflow's nodes for every shot, by node id or title: {"4.ckpt_name": "…"}.
        refresh: Render stored takes again: all of them, or those of the shots with these IDs.
        max_age_days: Age in days above which takes are rendered again. Empty: any age is fine.
        render_seconds: Seconds that a take may render on a server. Empty: the farm's limit, or else a generous one.
        review_minutes: Minutes to wait for a review, with the form on this run's page. Empty: no review.
        webhook: Saved webhook that gets the run's events. Empty: the block named 'default', if there is one.
    """
    show_logs_visibly()
    started, given = datetime.now(UTC), parse_payload(shots)
    options = RunOptions(takes, only or (), overrides or {}, refresh or refresh_wanted())
    not_before = None if max_age_days is None else started - timedelta(days=max_age_days)
    opened = partial(open_context, farm, store, render_seconds=render_seconds)
    await name_this_run(first_name(given, board))
    async with ending_with_its_run(), open_webhook(webhook):
        async with opened() as context:
            inputs, identity = await read_input(
                as_is(given), as_is(workflow), as_is(context), board=board, started=started
            )
            render = partial(_make_board, identity=identity, not_before=not_before)
            made = await render(inputs, context, options=options)
        if review_minutes:
            again = partial(render, options=replace(options, refresh=False))
            made = await review(made, inputs, review_minutes, opened, again)
        board_ready(made)
    if made.failure:
        return Failed(message=made.failure, data=BoardIncomplete(made.failure, made.shots))
    return Completed(message=made.message, data=made.shots)


async def _make_board(
    inputs: RunInputs, context: RunContext, *, identity: RunIdentity, options: RunOptions, not_before: datetime | None
) -> Board:
    """Plan the takes, find the stored ones, render the others and publish the board."""
    plan = await plan_takes(as_is(inputs), as_is(context), board=identity.board, options=options)
    await name_this_run(run_name(identity, plan))
    found = await find_recorded(as_is(plan), as_is(context), not_before)
    await check_takes(as_is(plan), as_is(found), as_is(context))
    async with live_progress(context.progress, identity.board):
        results = await run_takes(plan, found, identity, context)
    return await publish_board(as_is(plan), as_is(results), as_is(identity), as_is(context))
