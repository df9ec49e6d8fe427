"""Start a run for each board that is rendered each night."""

from typing import Annotated

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from previs.boards.nightly import NO_BOARDS
from previs.publishing.views.wording import plural
from tasks.farm_and_store import open_store
from tasks.naming import name_this_run
from tasks.nightly import read_boards, shared_parameters, show_starts, start_boards, summary
from tasks.parameters import FarmParameter, StoreParameter
from tasks.passing import as_is
from tasks.reporting import reporting_flow


@reporting_flow(name="nightly", timeout_seconds=1800)
async def nightly(
    store: Annotated[StoreParameter, Field(title="Store")] = None,
    farm: Annotated[FarmParameter, Field(title="Farm")] = None,
    max_age_days: Annotated[float | None, Field(title="Days until a take is too old", ge=0)] = None,
) -> State[None]:
    """Start a run for each board that `previs nightly` has added to the store, without waiting for the runs.

    Args:
        store: Where the nightly boards are kept. Empty: the saved store 'default', else a folder.
        farm: Servers that render. Empty: the farm of the deployment by-schedule.
        max_age_days: Older takes are rendered again. Empty: any age is fine.
    """
    shared = shared_parameters(farm, store, max_age_days)
    async with await open_store(store) as opened:
        boards = await read_boards(as_is(opened))
    await name_this_run(f"nightly · {plural(len(boards), 'board')}")
    if not boards:
        return Completed(message=NO_BOARDS)
    starts = await start_boards(boards, shared)
    await show_starts(starts)
    if all(start.run for start in starts):
        return Completed(message=summary(starts))
    some = any(start.run for start in starts)
    return Failed(name="PartialFailure" if some else None, message=summary(starts))
