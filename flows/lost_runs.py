"""Restart runs that were lost with their machine or worker."""

from typing import Annotated

from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from previs.publishing.views.wording import plural
from tasks.lost_runs import restart_lost_runs
from tasks.naming import name_this_run
from tasks.notices import open_notices
from tasks.reporting import reporting_flow


@reporting_flow(name="lost-runs", timeout_seconds=3600)
async def lost_runs(
    watch_seconds: Annotated[float, Field(title="Seconds of silence", gt=0, le=1800)] = 200,
) -> State[None]:
    """Restart storyboard runs that lost their process; the takes they rendered are reused.

    Args:
        watch_seconds: A run without a sign of life for so long is lost; runs give one every 90 s, or every 180.
    """
    lost = await restart_lost_runs("storyboard", watch_seconds)
    await name_this_run(f"lost runs · {len(lost.restarted) + len(lost.given_up) or 'none'}")
    async with open_notices(None, ", ".join(lost.given_up)) as notifier:
        await notifier.lost(len(lost.given_up))
    told = [
        f"{plural(len(names), 'run')} {what}: {', '.join(names)}"
        for names, what in ((lost.restarted, "restarted"), (lost.given_up, "given up"))
        if names
    ]
    return Completed(message="; ".join(told) or "none")
