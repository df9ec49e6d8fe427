"""Open clients of a server for tests."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.server import Server

FAR = 20
"""Seconds after which a test fails instead of waiting on."""


@contextlib.asynccontextmanager
async def api_of(url: str, **headers: str) -> AsyncIterator[Api]:
    api = Api(Address(url, headers))
    try:
        yield api
    finally:
        await api.aclose()


def client(url: str, **headers: str) -> Server:
    return Server(Address(url, headers))


def new_id() -> str:
    return str(uuid.uuid4())


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(FAR):
        while not holds():
            await asyncio.sleep(0.01)
