"""Find the farm and the store that a run's parameters name.

The form of a run chooses among what the operator has: saved blocks, and the servers and the store of these or of the
deployment. A server at any other address is reached as a sender's address is, and any other store must be where the
operator lets senders write.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectHTTPStatusError
from pydantic import ValidationError

from blocks import ComfyUIFarm, FolderFrameStore
from blocks.asking import asking_prefect
from blocks.saved import saved
from blocks.stores import StoreBlock, as_store_block, open_block, saved_store
from previs.comfyui.client.address import Address, base_url
from previs.comfyui.client.checked_transport import AddressRefused
from previs.errors import FarmRefused, FixTheInput, StoreRefused
from previs.farm.opening import LOCAL_SERVER, farm_block, no_default_farm, no_farm_block, saving_farm
from previs.ingest.access import Allowed
from previs.store import FolderStore, S3Store
from previs.store.addresses import shown
from previs.store.opening import DEFAULT_BLOCK, LOCAL_FOLDER, no_store_block, saving_store, store_at, store_block
from tasks.starter import Starter, starter

_CHOOSE_FARM: Final = "choose a saved farm (block:NAME), or leave the field empty"
_CHOOSE_STORE: Final = (
    "a run's form may name the operator's store, a saved one (block:NAME), or one in the buckets and folders of the "
    "block AllowedSources: leave the field empty, choose a saved store, or have the operator allow this one"
)
_PORTS: Final = {"http": 80, "https": 443}
_MOST_BLOCKS: Final = 200
_LOG: Final = logging.getLogger("previs.ingest")


@dataclass(frozen=True, slots=True)
class ChosenFarm:
    """Hold the settings of a farm and the addresses of its servers.

    Attributes:
        if_absent: Error of the run if no server was ever reached: nobody named or saved a farm.
    """

    block: ComfyUIFarm
    addresses: tuple[Address, ...]
    if_absent: FarmRefused | None = None


async def find_farm(farm: ComfyUIFarm | list[str] | str | None) -> ChosenFarm:
    """Return the settings of a farm, and the addresses of its servers.

    Args:
        farm: Block, ``block:NAME``, or addresses; None for the saved default, or else one server on this machine.

    Raises:
        FarmRefused: No such block is saved, the settings cannot be used, or a sender may not reach a server.
    """
    by = await starter()
    of_sender = "farm" in by.of_senders
    if isinstance(farm, ComfyUIFarm):
        if of_sender:
            raise FarmRefused(f"a run's form cannot hold a farm's settings: {_CHOOSE_FARM}")
        return ChosenFarm(farm, farm.addresses())
    if farm is None:
        if (default := await saved(ComfyUIFarm, DEFAULT_BLOCK)) is not None:
            return ChosenFarm(default, default.addresses())
        block = ComfyUIFarm(servers=[LOCAL_SERVER])
        return ChosenFarm(block, block.addresses(), no_default_farm())
    servers = [farm] if isinstance(farm, str) else farm
    if (name := farm_block(servers)) is not None:
        named = await saved(ComfyUIFarm, name)
        if named is None:
            raise no_farm_block(name)
        return ChosenFarm(named, named.addresses())
    try:
        block = ComfyUIFarm(servers=servers)
    except ValidationError as error:
        raise FarmRefused("; ".join(problem["msg"] for problem in error.errors())) from error
    addresses = block.addresses()
    return ChosenFarm(block, await _checked(addresses, by, by.allowed) if of_sender and by.allowed else addresses)


async def _checked(addresses: tuple[Address, ...], by: Starter, allowed: Allowed) -> tuple[Address, ...]:
    """Return the addresses; those that are not the operator's are checked here, and again at each connection."""
    own = {_place(url) for url in await _operators_servers(by)}
    checked = tuple(each if _place(each.url) in own else replace(each, policy=allowed) for each in addresses)
    others = [each for each in checked if each.policy is not None]
    reachable = await asyncio.gather(*(_may_reach(each, allowed) for each in others))
    if refused := [each for each, may in zip(others, reachable, strict=True) if not may]:
        hosts = ", ".join(dict.fromkeys(urlsplit(each.url).hostname or each.name for each in refused))
        raise FarmRefused(
            f"{', '.join(each.name for each in refused)} is not among the operator's servers, and its address is not "
            f"public or not known: {_CHOOSE_FARM}, or have the operator add {hosts} to the hosts of the block "
            "AllowedSources, or its network to the networks"
        )
    return checked


async def _may_reach(server: Address, allowed: Allowed) -> bool:
    try:
        await server.checked(allowed)
    except (AddressRefused, httpx.ConnectError) as error:
        _LOG.warning("%s is refused as a server: %s", server.name, error)
        return False
    return True


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or _PORTS[parts.scheme], parts.path.rstrip("/")


async def _operators_servers(by: Starter) -> list[str]:
    """Return the servers of the deployment and of all saved farms; this machine's too if no default is set."""
    own = by.own.get("farm")
    servers = list(_urls(own))
    servers.extend(url for data in await _saved_farms() for url in _urls(data))
    if own is None and await saved(ComfyUIFarm, DEFAULT_BLOCK) is None:
        servers.append(LOCAL_SERVER)
    return servers


async def _saved_farms() -> list[dict[str, Any]]:
    slug = ComfyUIFarm.get_block_type_slug()
    try:
        with asking_prefect():
            async with get_client() as client:
                found = await client.read_block_documents_by_type(slug, limit=_MOST_BLOCKS, include_secrets=False)
    except PrefectHTTPStatusError as error:
        # No such block was ever saved.
        if error.response.status_code != HTTPStatus.NOT_FOUND:
            raise
        return []
    return [document.data for document in found]


def _urls(farm: Any) -> Iterator[str]:  # noqa: ANN401 - a parameter, or the data of a block
    if isinstance(farm, Mapping):
        farm = farm.get("servers")
    for url in [farm] if isinstance(farm, str) else farm or ():
        # block:NAME is among the saved ones, and an address that cannot be used is nobody's.
        with suppress(ValueError):
            yield base_url(url)


async def open_store(store: StoreBlock | str | None) -> S3Store | FolderStore:
    """Return the store of a block, ``block:NAME``, path or URL; for None the saved default, or else a folder.

    Raises:
        StoreRefused: No such block is saved, the path or URL is not valid, or a sender may not choose it.
    """
    by = await starter()
    if "store" not in by.of_senders:
        return await _open(store)
    if not isinstance(store, str):
        raise StoreRefused("the store", f"its settings are in the parameters, but {_CHOOSE_STORE}")
    chosen = await asyncio.to_thread(_without_links, store_at(store))
    if by.stores.holds(chosen):
        return chosen
    own = await _operators_store(by.own.get("store"))
    if own is not None and (await asyncio.to_thread(_without_links, own)).name == chosen.name:
        return own
    raise StoreRefused(shown(store), _CHOOSE_STORE)


def _without_links(store: S3Store | FolderStore) -> S3Store | FolderStore:
    return FolderStore(os.path.realpath(store.name)) if isinstance(store, FolderStore) else store


async def _operators_store(own: Any) -> S3Store | FolderStore | None:  # noqa: ANN401 - a parameter
    """Return the store of a deployment, or the default of the server; None if the deployment's is not to be had."""
    if isinstance(own, Mapping):
        with suppress(ValueError, RuntimeError), asking_prefect():
            own = await Block.aload_from_ref(own.get("$ref", ""))
    return None if isinstance(own, Mapping) else await _open(own)


async def _open(store: StoreBlock | Block | str | None) -> S3Store | FolderStore:
    if store is not None and not isinstance(store, str):
        return await open_block(as_store_block(store))
    name = DEFAULT_BLOCK if store is None else store_block(store)
    if name is None:
        return store_at(str(store))
    block = await saved_store(name)
    if block is None and store is not None:
        raise no_store_block(name)
    return await open_block(block or FolderFrameStore(folder=LOCAL_FOLDER))


async def check_saved(parameters: Mapping[str, Any]) -> None:
    """Check that the blocks which a run's parameters name are saved and can be used, before there is a run.

    Raises:
        FarmRefused, StoreRefused: One is not, or prefect-aws is not installed.
        SourceNotFound, PrefectUnavailable, PrefectRefused: As in :func:`blocks.saved.saved`.
    """
    farm, store = parameters.get("farm"), parameters.get("store")
    if farm and farm_block([farm] if isinstance(farm, str) else farm) is not None:
        await find_farm(farm)
    if isinstance(store, str) and store_block(store) is not None:
        await _open(store)


async def defaults(*, in_containers: bool) -> AsyncIterator[str]:
    """Yield what runs use that name no farm or no store, as those of events and of every night.

    Args:
        in_containers: Whether runs are in containers, which keep no folder.
    """
    who = "events and nightly boards that name none"
    try:
        if (farm := await saved(ComfyUIFarm, DEFAULT_BLOCK)) is None:
            local = f"{who} use {LOCAL_SERVER} where they run"
            yield f"warning: no farm is saved as default: {local}; {saving_farm(DEFAULT_BLOCK)}"
        else:
            yield f"farm default, for {who}: {', '.join(farm.servers)}"
        if (store := await saved_store(DEFAULT_BLOCK)) is None:
            folder = f"the folder {LOCAL_FOLDER} in the checkout where they run"
            lost = ", which is lost with the container" if in_containers else ""
            yield f"warning: no store is saved as default: {who} use {folder}{lost}; {saving_store(DEFAULT_BLOCK)}"
        else:
            yield f"store default, for {who}: {(await open_block(store)).name}"
    except FixTheInput as error:
        yield f"warning: {error}"
