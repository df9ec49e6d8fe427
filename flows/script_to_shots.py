"""Make a shot list from a screenplay, for the flow that renders the board."""

from typing import Annotated

from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field, SkipValidation

from previs.publishing.views.wording import plural
from previs.workflow import WorkflowSettings
from tasks.events import shot_list_ready
from tasks.farm_and_store import open_store
from tasks.naming import first_name, name_this_run
from tasks.parameters import NO_SECRETS, StoreParameter
from tasks.passing import as_is
from tasks.reporting import reporting_flow
from tasks.screenplay import read_script, show_list, store_list


@reporting_flow(name="script-to-shots", persist_result=True, timeout_seconds=1800)
async def script_to_shots(
    script: Annotated[str, NO_SECRETS, Field(title="Screenplay")],
    board: Annotated[str, Field(title="Board")] = "",
    store: Annotated[StoreParameter, Field(title="Store")] = None,
    workflow: Annotated[SkipValidation[str | WorkflowSettings | None], NO_SECRETS, Field(title="Workflow")] = None,
    send: Annotated[bool, Field(title="Render the board")] = True,  # noqa: FBT002 - Prefect passes it by name
) -> State[str]:
    """Make a shot list from a screenplay by fixed rules, store it, and send the event that renders it.

    Args:
        script: Text of a screenplay in Fountain, or the path or URL of its file, or of a Final Draft file (.fdx).
        board: Name of the board. Empty: the script's title.
        store: Where the list is kept. Empty: the saved store 'default', else a folder.
        workflow: Path or URL of a file that ComfyUI saved, or settings. Empty: that of the deployment by-event.
        send: Send the event shot-list.ready, which starts the storyboard.
    """
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
