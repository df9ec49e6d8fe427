"""Open a session with servers and a store."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from previs.api.outputs import Links
from previs.api.session import Session
from previs.comfyui.client.address import Address
from previs.comfyui.protocol.deadlines import Limits
from previs.errors import FarmRefused
from previs.farm.opening import LOCAL_SERVER, server_urls
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.pictures.spill import remove_abandoned
from previs.rendering.context import RunContext
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.store import FolderStore, S3Store
from previs.store.opening import LOCAL_FOLDER, store_at
from previs.text.visible import visible

_logger = logging.getLogger("previs")


def _warn(sentence: str) -> None:
    _logger.warning("%s", visible(sentence, lines=True))


@contextlib.asynccontextmanager
async def connect(
    *servers: str | Address,
    store: str | Path | FolderStore | S3Store = LOCAL_FOLDER,
    public_url: str | None = None,
    prompts_per_server: int = 2,
    render_seconds: float | None = None,
    patience: float = 30.0,
    warn: Callable[[str], None] = _warn,
) -> AsyncIterator[Session]:
    """Connect to one or more ComfyUI servers; use with ``async with``, in one event loop.

    No server needs to be up yet. Leaving the block cancels what still renders, on its servers, too.

    Args:
        servers: Base URLs, such as ``http://render-01:8188``; an :class:`Address` for a server that wants headers or
            has a private certificate. None means ``http://127.0.0.1:8188``.
        store: Where files and records are kept: a folder's path, ``s3://bucket/prefix``, or an opened store, which
            stays open. A take that it holds is not rendered again.
        public_url: URL under which a web server publishes the store's folder or bucket, for the URLs of files; None for
            the store's own.
        prompts_per_server: Prompts that one server holds at a time; one runs, the others wait.
        render_seconds: Limit in seconds of one render, from its start on the server; None for half an hour, and for
            four hours if the graph makes video or sound.
        patience: Seconds to wait while no server can be reached, before renders fail with ``NoServer``.
        warn: Receives sentences that a person should read; by default the logger ``previs``.

    Raises:
        FarmRefused: A URL cannot be used, or one server is named twice with different settings.
        StoreRefused, StoreUnavailable: The store cannot be listed, written and read.
        ValueError: ``prompts_per_server`` is less than 1.
    """
    if prompts_per_server < 1:
        msg = f"prompts_per_server is {prompts_per_server}: a server must hold at least 1 prompt"
        raise ValueError(msg)
    addresses = _addresses(servers or (LOCAL_SERVER,))
    limits = Limits() if render_seconds is None else replace(Limits(), render=render_seconds)
    await asyncio.to_thread(remove_abandoned)
    async with contextlib.AsyncExitStack() as opened:
        kept = store_at(str(store)) if isinstance(store, str | Path) else store
        if kept is not store:
            await opened.enter_async_context(kept)
        await kept.check()
        s3_settings = kept.settings if isinstance(kept, S3Store) else None
        reader = await opened.enter_async_context(SourceReader(s3_settings))
        farm = Farm(addresses, slots=prompts_per_server, patience=patience, warn=warn)
        await opened.enter_async_context(farm)
        leases = await opened.enter_async_context(Leases(kept, f"session-{uuid.uuid4()}"))
        context = RunContext(farm, kept, reader, limits, RunProgress(), leases, InputAssets(kept))
        yield await opened.enter_async_context(Session(context, Links(kept, public_url), warn))


def _addresses(servers: tuple[str | Address, ...]) -> tuple[Address, ...]:
    """Return each server once, with its URL checked.

    Raises:
        FarmRefused: A URL cannot be used, or one server is named twice with different settings.
    """
    found: dict[str, Address] = {}
    for server in servers:
        given = server if isinstance(server, Address) else Address(server)
        [url] = server_urls([given.url])
        address = replace(given, url=url)
        if found.setdefault(url, address) != address:
            raise FarmRefused(f"{address.name} is named twice, with different headers or certificates: name it once")
    return tuple(found.values())
