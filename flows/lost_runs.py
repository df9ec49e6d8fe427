"""Lost runs: those whose machine or worker is gone start again."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from previs.publishing.views.wording import plural
from tasks.lost_runs import start_lost_runs
from tasks.naming import name_this_run


@flow(name="lost-runs", timeout_seconds=3600)
async def lost_runs(watch_seconds: Annotated[float, Field(gt=0, le=1800)] = 200) -> State[None]:
    """Start runs of storyboard again that were lost with their machine or worker; what they rendered is in the store.

    Args:
        watch_seconds: A run that gives no sign of life for so long is lost. Runs give one each minute, or each three
            minutes where the worker was not started in the checkout.
    """
    again = await start_lost_runs("storyboard", watch_seconds)
    await name_this_run(f"lost runs · {len(again) or 'none'}")
    return Completed(message=f"{plural(len(again), 'run')} started again: {', '.join(again)}" if again else "none")
