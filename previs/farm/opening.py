"""Read a farm that is named by text: the URLs of its servers, or a block that is saved in Prefect."""

from collections.abc import Sequence
from typing import Final

from previs.comfyui.client.address import base_url
from previs.errors import FarmRefused
from previs.store.opening import BLOCK

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
    return FarmRefused(f"no ComfyUI farm block named {name!r} is saved in Prefect")


def server_urls(farm: Sequence[str]) -> tuple[str, ...]:
    """Return the base URLs of a farm that is named by URLs, each once.

    Raises:
        FarmRefused: A URL cannot be used; the error never shows a password.
    """
    try:
        return tuple(dict.fromkeys(map(base_url, farm)))
    except ValueError as error:
        raise FarmRefused(str(error)) from error
