"""Open the farm, the store and whatever else all steps of a run share, from blocks or plain addresses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from prefect.logging import get_run_logger
from prefect.runtime import flow_run

from blocks import ComfyUIFarm
from blocks.stores import StoreBlock
from previs.comfyui.protocol.deadlines import Limits
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.pictures.spill import remove_abandoned
from previs.rendering.context import RunContext
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.store import FolderStore, S3Store
from tasks.events import farm_changed
from tasks.farm_and_store import find_farm, open_store
from tasks.starter import starter
from tasks.status import sending_progress


@contextlib.asynccontextmanager
async def open_context(
    farm: ComfyUIFarm | list[str] | str | None,
    store: StoreBlock | str | None,
    *,
    name: str,
    render_seconds: float | None = None,
    number: int = 1,
) -> AsyncIterator[RunContext]:
    """Open the farm and the store, and close both at the end.

    Args:
        farm: Block, ``block:NAME``, or addresses; None for the saved default, or else one server on this machine.
        store: Block, ``block:NAME``, path or URL; None for the saved default, or else a folder.
        name: Name of the run for its feed of events.
        render_seconds: Limit of one render; None for the farm's own.
        number: Number of the context within its run, from 1; the run's leases are named after it.

    Raises:
        FarmRefused: The farm's settings cannot be used, or a sender may not reach a server.
        StoreRefused: The store's settings cannot be used, or a sender may not choose it.
    """
    logger = get_run_logger()
    progress = RunProgress()

    def warn(sentence: str) -> None:
        logger.warning(sentence)
        progress.notice(sentence)

    await asyncio.to_thread(remove_abandoned)
    found = await find_farm(farm)
    block = found.block
    for notice in block.notices():
        warn(notice)
    async with contextlib.AsyncExitStack() as opened:
        await opened.enter_async_context(sending_progress(name, progress))
        opened_store: S3Store | FolderStore = await open_store(store)
        await opened.enter_async_context(opened_store)
        allowed = (await starter()).allowed_with(opened_store)
        reader = await opened.enter_async_context(SourceReader.for_store(opened_store, allowed))
        patience = block.patience_seconds
        servers = Farm(
            found.addresses,
            slots=block.places,
            patience=patience,
            if_absent=found.if_absent,
            warn=warn,
            on_change=farm_changed,
        )
        await opened.enter_async_context(servers)
        name = str(flow_run.id) if number == 1 else f"{flow_run.id}-{number}"
        leases = await opened.enter_async_context(Leases(opened_store, name))
        inputs = InputAssets(opened_store)
        limits = block.limits() if render_seconds is None else Limits(render_seconds)
        yield RunContext(servers, opened_store, reader, limits, progress, leases, inputs, block.run_seconds)
