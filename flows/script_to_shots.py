"""Script to shots: from a screenplay to a shot list, for the flow that makes the board."""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import SkipValidation

from blocks import FolderFrameStore, S3FrameStore
from previs.publishing.views.wording import plural
from previs.workflow import WorkflowSettings
from tasks.context import open_store
from tasks.events import shot_list_ready
from tasks.naming import first_name, name_this_run
from tasks.passing import as_is
from tasks.screenplay import keep_list, shots_of, show_list


@flow(name="script-to-shots", persist_result=True, timeout_seconds=1800)
async def script_to_shots(
    script: str,
    board: str = "",
    workflow: SkipValidation[WorkflowSettings | str | None] = None,
    store: S3FrameStore | FolderFrameStore | str | None = None,
    send: bool = True,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
) -> State[str]:
    """Make a shot list from a screenplay in Fountain by fixed rules, keep it, and send it on to be rendered.

    Args:
        script: The screenplay itself, or the place of a Fountain file that every worker can read: a path, s3:// or
            https://.
        board: The name under which runs gather; empty for the script's title.
        workflow: What to render with: settings, or the place of a workflow; none for what the next flow uses.
        store: A saved store, as block:NAME too, s3://bucket/prefix, or a folder; none for the block named 'default',
            or else a folder.
        send: Whether to send the event shot-list.ready, on which the storyboard is made.
    """
    await name_this_run(first_name(script, board))
    async with await open_store(store) as kept:
        shot_list = await shots_of(as_is(script), as_is(kept))
        name = board or shot_list.title
        await name_this_run(f"{name} · {plural(len(shot_list.shots), 'shot')}")
        place = await keep_list(as_is(shot_list), as_is(kept))
    if send:
        shot_list_ready(place, board=name, workflow=workflow)
    await show_list(shot_list, name, place)
    return Completed(message=f"{plural(len(shot_list.shots), 'shot')}: {place}", data=place)
