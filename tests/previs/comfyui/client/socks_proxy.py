"""Run a SOCKS5 proxy without authentication on a real socket (RFC 1928)."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

from tests.previs.comfyui.client.listening import listening

_REFUSED = b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"
_GRANTED = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"


@contextlib.asynccontextmanager
async def socks_proxy() -> AsyncIterator[tuple[str, list[tuple[str, int]]]]:
    """Yield the proxy's host and port, and where it was asked to connect."""
    asked: list[tuple[str, int]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(b"\x05\x00")
        asked.append(await _target(reader))
        try:
            far_reader, far_writer = await asyncio.open_connection(*asked[-1])
        except OSError:
            writer.write(_REFUSED)
            await writer.drain()
            return
        writer.write(_GRANTED)
        with contextlib.closing(far_writer):
            await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))

    async with listening(serve) as host:
        yield host, asked


async def _target(reader: asyncio.StreamReader) -> tuple[str, int]:
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        host = ".".join(map(str, await reader.readexactly(4)))
    else:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    return host, struct.unpack(">H", await reader.readexactly(2))[0]


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(1 << 16):
        writer.write(chunk)
        await writer.drain()
    writer.close()
