"""Render a shot list and publish its board."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field, SkipValidation

from previs.errors import BoardIncomplete
from previs.ingest.load import RunInputs
from previs.ingest.workflow_files import DEFAULT_WORKFLOW
from previs.notifications.payload_text import parse_payload
from previs.planning.make_plan import RunOptions
from previs.publishing.results import RunIdentity
from previs.rendering.context import RunContext
from previs.shots import Shot, ShotList
from previs.workflow import WorkflowSettings
from tasks.animatic import Animatic, publish_animatic
from tasks.artifacts import live_progress
from tasks.context import open_context
from tasks.events import board_ready
from tasks.naming import first_name, name_this_run, run_name
from tasks.notices import open_notices
from tasks.parameters import NO_SECRETS, FarmParameter, NoticesParameter, StoreParameter, WebhookParameter
from tasks.parts import check_parts, in_parts
from tasks.passing import as_is
from tasks.plan import check_takes, find_recorded, plan_takes
from tasks.publish import Board, publish_board
from tasks.read import read_input
from tasks.remote_end import ending_with_its_run
from tasks.reporting import reporting_flow
from tasks.review import review
from tasks.take import refresh_wanted, run_takes
from tasks.webhook import open_webhook

# The readers of the list and the workflow report every fault at once; these types only make the form.
ShotsParameter = Annotated[SkipValidation[str | ShotList | list[Shot]], NO_SECRETS]
WorkflowParameter = Annotated[SkipValidation[str | WorkflowSettings | None], NO_SECRETS]


@reporting_flow(
    name="storyboard",
    persist_result=True,
    timeout_seconds=7 * 24 * 3600,
    folded=(
        *("workflow", "only", "passes", "picked_only", "overrides", "refresh", "max_age_days", "render_seconds"),
        *("animatic", "parts", "webhook", "notices"),
    ),
)
async def storyboard(  # noqa: PLR0913, PLR0917 - each is a field of the form
    shots: Annotated[ShotsParameter, Field(title="Shot list")],
    board: Annotated[str, Field(title="Board")] = "",
    takes: Annotated[int, Field(title="Takes per shot", ge=1, le=100)] = 1,
    review_minutes: Annotated[float | None, Field(title="Minutes for a review", gt=0, le=3 * 24 * 60)] = None,
    store: Annotated[StoreParameter, Field(title="Store")] = None,
    farm: Annotated[FarmParameter, Field(title="Farm")] = None,
    workflow: Annotated[WorkflowParameter, Field(title="Workflow")] = None,
    only: Annotated[list[str | int] | None, Field(title="Only these shots")] = None,
    passes: Annotated[list[str] | None, Field(title="Only these passes")] = None,
    picked_only: Annotated[bool, Field(title="Passes of picked takes only")] = False,  # noqa: FBT002 - as for refresh
    overrides: Annotated[dict[str, Any] | None, Field(title="Inputs of nodes")] = None,
    refresh: Annotated[bool | list[str | int], Field(title="Render again")] = False,  # noqa: FBT002 - Prefect passes it by name
    max_age_days: Annotated[float | None, Field(title="Days until a take is too old", ge=0)] = None,
    render_seconds: Annotated[float | None, Field(title="Seconds for one render", gt=0)] = None,
    animatic: Annotated[Animatic, Field(title="Animatic")] = "none",
    parts: Annotated[int, Field(title="Parts", ge=1, le=50)] = 1,
    webhook: Annotated[WebhookParameter, Field(title="Webhook")] = None,
    notices: Annotated[NoticesParameter, Field(title="Notices")] = None,
) -> State[list[dict[str, Any]]]:
    """Render a shot list on a farm of ComfyUI servers and publish the board.

    Args:
        shots: Path or URL of a file that every worker can read (JSON, YAML, CSV, .xlsx, .ods); or the shots.
        board: Name of the board. Empty: the list's title.
        takes: Number of pictures of each shot, unless the list says otherwise.
        review_minutes: Time to choose takes on this run's page before it ends. Empty: no review.
        store: Where frames and boards are kept. Empty: the saved store 'default', else a folder.
        farm: Servers that render. Empty: the saved farm 'default', else this machine.
        workflow: Path or URL of a file that ComfyUI saved, or settings. Empty: simple text to image.
        only: IDs of the shots to render. Empty: all.
        passes: Names of the passes to render. Empty: all takes and passes.
        picked_only: Passes wait until a take is picked, as they do in a run with a review.
        overrides: Values for every shot, by node id or title: {"4.ckpt_name": "…"}.
        refresh: Render stored takes again: all, or those of the shots with these IDs.
        max_age_days: Older takes are rendered again. Empty: any age is fine.
        render_seconds: Longest render of a take. Empty: the farm's limit.
        animatic: A film of the board beside its page: none, plain, or with slates burned in.
        parts: Number of runs that render the board together, on several workers. 1: only this one.
        webhook: Gets the run's events. Empty: the saved webhook 'default', if there is one.
        notices: Who is told of the board, by chat or mail. Empty: the saved notices 'default', if there are any.
    """
    started, given = datetime.now(UTC), parse_payload(shots)
    options = RunOptions(
        takes,
        only or (),
        overrides or {},
        refresh or refresh_wanted(),
        passes or (),
        picked_only=picked_only or review_minutes is not None,
    )
    not_before = None if max_age_days is None else started - timedelta(days=max_age_days)
    check_parts(parts)
    name = first_name(given, board)
    opened = partial(open_context, farm, store, name=name, render_seconds=render_seconds)
    await name_this_run(name, board)
    async with ending_with_its_run(), open_webhook(webhook), open_notices(notices, name) as notifier:
        async with opened() as context:
            inputs, identity = await read_input(
                as_is(given), as_is(workflow or DEFAULT_WORKFLOW), as_is(context), board=board, started=started
            )
            render = partial(_make_board, identity=identity, not_before=not_before, animatic=animatic)
            made = await render(inputs, context, options=options, parts=parts)
        if review_minutes:
            again = partial(render, options=replace(options, refresh=False))
            made = await review(made, inputs, review_minutes, opened, again)
        board_ready(made)
        unsent = await notifier.board(made)
    if made.failure:
        return Failed(message=made.failure + unsent, data=BoardIncomplete(made.failure, made.shots))
    return Completed(message=made.message + unsent, data=made.shots)


async def _make_board(
    inputs: RunInputs,
    context: RunContext,
    *,
    identity: RunIdentity,
    options: RunOptions,
    not_before: datetime | None,
    animatic: Animatic,
    parts: int = 1,
) -> Board:
    """Plan the takes, find the stored ones, render the others and publish the board, with its film if wanted."""
    plan = await plan_takes(as_is(inputs), as_is(context), board=identity.board, options=options)
    await name_this_run(run_name(identity, plan), identity.board)
    found = await find_recorded(as_is(plan), as_is(context), not_before)
    await check_takes(as_is(plan), as_is(found), as_is(context))
    others = in_parts(parts, plan, found, context, board=identity.board, options=options)
    async with others as ordered, live_progress(context.progress, identity.board) as over:
        results = await run_takes(ordered, found, identity, context)
        over.set()
        board = await publish_board(as_is(plan), as_is(results), as_is(identity), as_is(context))
    if animatic != "none":
        await publish_animatic(as_is(board), as_is(context), slates=animatic == "slates")
    return board
