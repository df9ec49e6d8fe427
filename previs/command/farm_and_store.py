"""Resolve the farm and store options: URLs, paths, or blocks that are saved in Prefect."""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter

from previs.comfyui.client.address import Address
from previs.command.checkout import require_checkout
from previs.errors import SourceNotFound
from previs.farm.opening import LOCAL_SERVER, farm_block, no_farm_block, server_urls
from previs.store import FolderStore, S3Store
from previs.store.opening import BLOCK, DEFAULT_BLOCK, LOCAL_FOLDER, no_store_block, s3_settings, store_at, store_block

_ADDRESSES: Final = TypeAdapter(tuple[Address, ...])
_NO_BLOCK: Final = 2


async def farm_addresses(farm: Sequence[str]) -> tuple[Address, ...]:
    """Return the addresses of a farm's servers; of a server on this machine if the farm is empty.

    Raises:
        FarmRefused: A URL cannot be used, or the block is not saved.
        SourceNotFound: Prefect cannot be asked for the block.
    """
    name = farm_block(farm)
    if name is None:
        return tuple(map(Address, server_urls(farm or (LOCAL_SERVER,))))
    content = await saved_block("farm", name)
    if content is None:
        raise no_farm_block(name)
    return _ADDRESSES.validate_json(content)


async def option_store(store: str | None) -> S3Store | FolderStore:
    """Return the store of an option; the folder ``storyboards`` if it is None.

    Raises:
        StoreRefused: The path or URL cannot be used, or the block is not saved.
        SourceNotFound: Prefect cannot be asked for the block.
    """
    name = None if store is None else store_block(store)
    if name is None:
        return store_at(store or LOCAL_FOLDER)
    saved = await _saved_store(name)
    if saved is None:
        raise no_store_block(name)
    return saved


async def deployment_store(store: str | None) -> S3Store | FolderStore:
    """Return the store that runs of a deployment use: if the option is None, the block ``default`` before the folder.

    Raises:
        StoreRefused, SourceNotFound: As for :func:`option_store`.
    """
    if store is None:
        return await _saved_store(DEFAULT_BLOCK) or store_at(LOCAL_FOLDER)
    return await option_store(store)


async def _saved_store(name: str) -> S3Store | FolderStore | None:
    content = await saved_block("store", name)
    if content is None:
        return None
    fields = json.loads(content)
    return FolderStore(**fields) if "folder" in fields else S3Store(s3_settings(fields))


async def saved_block(kind: str, name: str) -> bytes | None:
    """Return the JSON of ``python -m blocks``, which may import Prefect, or None if the block is not saved."""
    require_checkout("blocks", f"{BLOCK}{name}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "blocks", kind, name, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    content, log = await process.communicate()
    if process.returncode == 0:
        return content
    if process.returncode == _NO_BLOCK:
        return None
    reason = log.decode(errors="replace").strip().rpartition("\n")[2]
    raise SourceNotFound(f"{BLOCK}{name}", f"Prefect did not return it: {reason}")
