"""Restart runs that were lost with their machine or worker."""

from typing import Annotated

from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from previs.publishing.views.wording import plural
from tasks.lost_runs import restart_lost_runs
from tasks.naming import name_this_run
from tasks.reporting import reporting_flow


@reporting_flow(name="lost-runs", timeout_seconds=3600)
async def lost_runs(
    watch_seconds: Annotated[float, Field(title="Seconds of silence", gt=0, le=1800)] = 200,
) -> State[None]:
    """Restart storyboard runs that were lost with their machine or worker; the takes they rendered are reused.

    Args:
        watch_seconds: A run without a sign of life for so long is lost; runs give one each minute, or every three.
    """
    restarted = await restart_lost_runs("storyboard", watch_seconds)
    await name_this_run(f"lost runs · {len(restarted) or 'none'}")
    message = f"{plural(len(restarted), 'run')} restarted: {', '.join(restarted)}" if restarted else "none"
    return Completed(message=message)
