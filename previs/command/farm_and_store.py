"""Servers and stores as options of commands name them: addresses, or blocks that were saved in Prefect."""

import asyncio
import json
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

from previs.comfyui.client.address import Address, base_url
from previs.comfyui.client.tls import Tls
from previs.errors import FarmRefused, SourceNotFound, StoreRefused
from previs.store import FolderStore, S3Store
from previs.store.opening import s3_settings, store_at

THIS_MACHINE: Final = "http://127.0.0.1:8188"
LOCAL_FOLDER: Final = "storyboards"
BLOCK: Final = "block:"
_NO_BLOCK: Final = 2
_DEFAULT: Final = "default"


async def servers_of(farm: Sequence[str]) -> tuple[Address, ...]:
    """The addresses of a farm's servers; of a server on this machine if none is named.

    Raises:
        FarmRefused: an address is none, or no such block is saved.
    """
    if len(farm) == 1 and farm[0].startswith(BLOCK):
        name = farm[0].removeprefix(BLOCK)
        servers = await _block("farm", name)
        if servers is None:
            raise FarmRefused(f"no ComfyUI farm block named {name!r} is saved in Prefect")
        return tuple(Address(each["url"], each["headers"], Tls(each["authority"], each["verify"])) for each in servers)
    if any(url.startswith(BLOCK) for url in farm):
        raise FarmRefused("give one block, or addresses, not both")
    try:
        return tuple(map(Address, dict.fromkeys(map(base_url, farm or (THIS_MACHINE,)))))
    except ValueError as error:
        raise FarmRefused(str(error)) from error


async def store_of(store: str | None) -> S3Store | FolderStore:
    """The store at an address or in a block; the folder ``storyboards`` if none is named.

    Raises:
        StoreRefused: the address is none, or no such block is saved.
    """
    if store is None or not store.startswith(BLOCK):
        return store_at(store or LOCAL_FOLDER)
    name = store.removeprefix(BLOCK)
    found = await _saved_store(name)
    if found is None:
        raise StoreRefused(store, f"no frame store block named {name!r} is saved in Prefect")
    return found


async def store_of_runs(store: str | None) -> S3Store | FolderStore:
    """The store that runs of a deployment use: as :func:`store_of`, but the block ``default`` before the folder.

    Raises:
        StoreRefused, SourceNotFound: as :func:`store_of`; Prefect could not be asked.
    """
    if store is not None:
        return await store_of(store)
    return await _saved_store(_DEFAULT) or store_at(LOCAL_FOLDER)


async def _saved_store(name: str) -> S3Store | FolderStore | None:
    found = await _block("store", name)
    if found is None:
        return None
    return store_at(found["folder"]) if "folder" in found else S3Store(s3_settings(found["s3"]))


async def _block(kind: str, name: str) -> Any:  # noqa: ANN401 - what the block holds
    """What a saved block holds, told by a process that knows Prefect; none if there is no such block."""
    if find_spec("blocks") is None:
        raise SourceNotFound(f"{BLOCK}{name}", "run previs from a checkout of its repository, as its README says")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "blocks", kind, name, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, log = await process.communicate()
    if process.returncode == 0:
        return json.loads(told)
    if process.returncode == _NO_BLOCK:
        return None
    reason = log.decode(errors="replace").strip().rpartition("\n")[2]
    raise SourceNotFound(f"{BLOCK}{name}", f"Prefect could not be asked: {reason}")
