"""Make a shot list from a screenplay, for the flow that renders the board."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import SkipValidation

from previs.publishing.views.wording import plural
from previs.text.logs import show_logs_visibly
from previs.workflow import WorkflowSettings
from tasks.events import shot_list_ready
from tasks.farm_and_store import open_store
from tasks.naming import first_name, name_this_run
from tasks.parameters import NO_SECRETS, StoreParameter
from tasks.passing import as_is
from tasks.screenplay import read_script, show_list, store_list


@flow(name="script-to-shots", persist_result=True, timeout_seconds=1800)
async def script_to_shots(
    script: Annotated[str, NO_SECRETS],
    board: str = "",
    workflow: Annotated[SkipValidation[WorkflowSettings | str | None], NO_SECRETS] = None,
    store: StoreParameter = None,
    send: bool = True,  # noqa: FBT001, FBT002 - Prefect passes parameters by name
) -> State[str]:
    """Make a shot list from a screenplay in Fountain by fixed rules, store it, and send the event that renders it.

    Args:
        script: Screenplay text, or the path or URL (s3:// or https://) of a Fountain file that every worker can read.
        board: Name of the board. Empty: the script's title.
        workflow: Settings, or the path or URL of a workflow. Empty: the workflow of the deployment that renders.
        store: Saved store, block:NAME, s3://bucket/prefix, or folder. Empty: the block named 'default', else a folder.
        send: Whether to send the event shot-list.ready, which starts the storyboard.
    """
    show_logs_visibly()
    await name_this_run(first_name(script, board))
    async with await open_store(store) as opened:
        shot_list = await read_script(as_is(script), as_is(opened))
        name = board or shot_list.title
        await name_this_run(f"{name} · {plural(len(shot_list.shots), 'shot')}")
        uri = await store_list(as_is(shot_list), as_is(opened))
    if send:
        shot_list_ready(uri, board=name, workflow=workflow)
    await show_list(shot_list, name, uri)
    return Completed(message=f"{plural(len(shot_list.shots), 'shot')}: {uri}", data=uri)
