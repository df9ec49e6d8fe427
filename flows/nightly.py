"""Nightly: a run of its own for each board that is rendered each night."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import Field

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from previs.boards.nightly import NO_BOARDS
from previs.publishing.views.wording import plural
from tasks.context import open_store
from tasks.naming import name_this_run
from tasks.nightly import handed_on, read_boards, show_starts, start_boards, told
from tasks.passing import as_is


@flow(name="nightly", timeout_seconds=1800)
async def nightly(
    store: S3FrameStore | FolderFrameStore | str | None = None,
    farm: ComfyUIFarm | list[str] | str | None = None,
    max_age_days: Annotated[float | None, Field(ge=0)] = None,
) -> State[None]:
    """Start a run for each board that `previs nightly` has in the store, and do not wait for them.

    Args:
        store: A saved store, as block:NAME too, s3://bucket/prefix, or a folder, which has the boards and keeps what
            is rendered; none for the block named 'default', or else a folder.
        farm: A saved farm, as block:NAME too, or the addresses of its servers; none for what the boards' deployment
            renders on.
        max_age_days: Render again what was rendered longer ago.
    """
    shared = handed_on(farm, store, max_age_days)
    async with await open_store(store) as kept:
        boards = await read_boards(as_is(kept))
    await name_this_run(f"nightly · {plural(len(boards), 'board')}")
    if not boards:
        return Completed(message=NO_BOARDS)
    starts = await start_boards(boards, shared)
    await show_starts(starts)
    if all(start.run for start in starts):
        return Completed(message=told(starts))
    some = any(start.run for start in starts)
    return Failed(name="PartialFailure" if some else None, message=told(starts))
