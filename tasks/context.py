"""Open the farm, the store and whatever else all steps of a run share, from blocks or plain addresses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import ValidationError

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from blocks.saved import saved
from previs.comfyui.protocol.deadlines import Limits
from previs.errors import FarmRefused
from previs.farm.opening import LOCAL_SERVER, farm_block, no_farm_block
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.pictures.spill import remove_abandoned
from previs.rendering.context import RunContext
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.store import FolderStore, S3Store
from previs.store.opening import DEFAULT_BLOCK, LOCAL_FOLDER, no_store_block, store_at, store_block
from tasks.events import farm_changed
from tasks.starter import starter


@contextlib.asynccontextmanager
async def open_context(
    farm: ComfyUIFarm | list[str] | str | None,
    store: S3FrameStore | FolderFrameStore | str | None,
    *,
    render_seconds: float | None = None,
    part: int = 1,
) -> AsyncIterator[RunContext]:
    """Open the farm and the store, and close both at the end.

    Args:
        farm: Block, ``block:NAME``, or addresses; None for the saved default, or else one server on this machine.
        store: Block, ``block:NAME``, path or URL; None for the saved default, or else a folder.
        render_seconds: Limit of one render; None for the farm's own.
        part: Number of the context within its run, from 1; the run's leases are named after it.

    Raises:
        FarmRefused: The farm's settings cannot be used.
        StoreRefused: The store's settings cannot be used.
    """
    logger = get_run_logger()
    progress = RunProgress()

    def warn(sentence: str) -> None:
        logger.warning(sentence)
        progress.notice(sentence)

    await asyncio.to_thread(remove_abandoned)
    block = await _farm(farm)
    for notice in block.notices():
        warn(notice)
    async with contextlib.AsyncExitStack() as opened:
        opened_store: S3Store | FolderStore = await open_store(store)
        await opened.enter_async_context(opened_store)
        allowed = (await starter()).allowed_with(opened_store)
        reader = await opened.enter_async_context(SourceReader.for_store(opened_store, allowed))
        patience = block.patience_seconds
        servers = Farm(block.addresses(), slots=block.places, patience=patience, warn=warn, on_change=farm_changed)
        await opened.enter_async_context(servers)
        name = str(flow_run.id) if part == 1 else f"{flow_run.id}-{part}"
        leases = await opened.enter_async_context(Leases(opened_store, name))
        inputs = InputAssets(opened_store)
        limits = block.limits() if render_seconds is None else Limits(render_seconds)
        yield RunContext(servers, opened_store, reader, limits, progress, leases, inputs, block.run_seconds)


async def _farm(farm: ComfyUIFarm | list[str] | str | None) -> ComfyUIFarm:
    if isinstance(farm, ComfyUIFarm):
        return farm
    if farm is None:
        return await saved(ComfyUIFarm, DEFAULT_BLOCK) or ComfyUIFarm(servers=[LOCAL_SERVER])
    servers = [farm] if isinstance(farm, str) else farm
    name = farm_block(servers)
    if name is not None:
        block = await saved(ComfyUIFarm, name)
        if block is None:
            raise no_farm_block(name)
        return block
    try:
        return ComfyUIFarm(servers=servers)
    except ValidationError as error:
        raise FarmRefused("; ".join(problem["msg"] for problem in error.errors())) from error


async def open_store(store: S3FrameStore | FolderFrameStore | str | None) -> S3Store | FolderStore:
    """Return the store of a block, ``block:NAME``, path or URL; for None the saved default, or else a folder.

    Raises:
        StoreRefused: No such block is saved, or the path or URL is not valid.
    """
    if isinstance(store, S3FrameStore | FolderFrameStore):
        return store.open()
    name = DEFAULT_BLOCK if store is None else store_block(store)
    if name is None:
        return store_at(str(store))
    block = await saved(S3FrameStore, name) or await saved(FolderFrameStore, name)
    if block is None and store is not None:
        raise no_store_block(name)
    return (block or FolderFrameStore(folder=LOCAL_FOLDER)).open()
