"""Storyboard: from a shot list to a board."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field, SkipValidation

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from previs.errors import BoardIncomplete
from previs.gather import DEFAULT_WORKFLOW
from previs.planning import Wishes
from previs.results import RunFacts, name_run
from previs.shots import Shot, ShotList
from previs.workflow import WorkflowSettings
from tasks.artifacts import live_progress
from tasks.passing import as_is
from tasks.plan import check_takes, find_recorded, plan_takes
from tasks.publish import publish_board
from tasks.studio import open_studio
from tasks.take import refresh_wanted, run_takes

# The list and the workflow are checked by their own readers, which report every fault at once; the types make the form.
ShotsParameter = Annotated[SkipValidation[ShotList | list[Shot] | str], Field(title="Shot list")]
WorkflowParameter = Annotated[SkipValidation[WorkflowSettings | str], Field(title="Workflow")]


@flow(name="storyboard", persist_result=True, timeout_seconds=24 * 3600)
async def storyboard(  # noqa: PLR0913, PLR0917 - each is a field of the form
    shots: ShotsParameter,
    workflow: WorkflowParameter = DEFAULT_WORKFLOW,
    board: str = "",
    farm: ComfyUIFarm | list[str] | None = None,
    store: S3FrameStore | FolderFrameStore | str | None = None,
    takes: Annotated[int, Field(ge=1, le=100)] = 1,
    only: list[str | int] | None = None,
    overrides: dict[str, Any] | None = None,
    refresh: bool | list[str | int] = False,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
    max_age_days: Annotated[float | None, Field(ge=0)] = None,
) -> State[list[dict[str, Any]]]:
    """Render a shot list on a farm of ComfyUI servers and publish the board.

    Args:
        shots: The shots themselves, or the place of a JSON, YAML or CSV file that every worker can read: a path,
            s3:// or https://.
        workflow: Settings, or the place of a settings file or of what ComfyUI saved: a workflow, a graph in API format,
            or a picture or video that holds one.
        board: The name under which runs gather; empty for the list's title.
        farm: A saved farm, or the addresses of its servers; none for the block named 'default', or else a server on
            this machine.
        store: A saved store, s3://bucket/prefix, or a folder; none for the block named 'default', or else a folder.
        takes: How many renderings of each shot that does not say so itself.
        only: Shot IDs to render, when not all are wanted; the others are shown as far as they are there.
        overrides: Inputs of the workflow's nodes for every shot, by node id or title: {"4.ckpt_name": "…"}.
        refresh: Render again what has been rendered before, all of it or the shots with these IDs.
        max_age_days: Render again what was rendered longer ago.
    """
    started = datetime.now(UTC)
    wishes = Wishes(takes, only or (), overrides or {}, refresh or refresh_wanted())
    async with open_studio(farm, store) as (studio, run_seconds):
        given, plan = await plan_takes(as_is(shots), as_is(workflow), as_is(studio), board=board, wishes=wishes)
        facts = RunFacts(board or given.name, name_run(started, str(flow_run.id)), started, given.workflow_facts)
        max_age = None if max_age_days is None else timedelta(days=max_age_days)
        found = await find_recorded(as_is(plan), as_is(studio), max_age)
        await check_takes(as_is(plan), as_is(found), as_is(studio))
        async with live_progress(studio.account, facts.board):
            results = await run_takes(plan, found, studio, seconds=run_seconds)
        published = await publish_board(as_is(plan), as_is(results), as_is(facts), as_is(studio))
    if published.failure:
        return Failed(message=published.failure, data=BoardIncomplete(published.failure, published.shots))
    return Completed(message=published.message, data=published.shots)
