"""Read a farm that is named by text: the URLs of its servers, or a block that is saved in Prefect."""

from collections.abc import Sequence
from typing import Final

from previs.comfyui.client.address import base_url
from previs.errors import FarmRefused
from previs.store.opening import BLOCK, DEFAULT_BLOCK

LOCAL_SERVER: Final = "http://127.0.0.1:8188"


def farm_block(farm: Sequence[str]) -> str | None:
    """Return the name of the block in ``block:NAME``, or None if the farm is named by URLs.

    Raises:
        FarmRefused: It is named by a block and something else.
    """
    if not any(server.startswith(BLOCK) for server in farm):
        return None
    if len(farm) > 1:
        raise FarmRefused("give one block, or URLs, not both")
    return farm[0].removeprefix(BLOCK)


def no_farm_block(name: str) -> FarmRefused:
    """Return the error for a farm block that is not saved."""
    return FarmRefused(f"no ComfyUI farm block named {name!r} is saved in Prefect: {saving_farm(name)}")


def no_default_farm() -> FarmRefused:
    """Return the error for a run that names no farm, if none is the default and no server runs on this machine."""
    return FarmRefused(
        f"none is named, none is saved as {DEFAULT_BLOCK!r}, and no server answers at {LOCAL_SERVER}: name one, start "
        f"a server there, or {saving_farm(DEFAULT_BLOCK)}"
    )


def saving_farm(name: str) -> str:
    """Return how to save a block of a farm under a name."""
    code = f"from blocks import ComfyUIFarm; ComfyUIFarm(servers=['http://SERVER:8188']).save('{name}')"
    return f'save a ComfyUI Farm as {name!r} in Prefect\'s pages under Blocks, or in the checkout: python -c "{code}"'


def server_urls(farm: Sequence[str]) -> tuple[str, ...]:
    """Return the base URLs of a farm that is named by URLs, each once.

    Raises:
        FarmRefused: A URL cannot be used; the error never shows a password.
    """
    try:
        return tuple(dict.fromkeys(map(base_url, farm)))
    except ValueError as error:
        raise FarmRefused(str(error)) from error
