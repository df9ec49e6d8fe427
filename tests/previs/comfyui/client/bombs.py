"""Serve answers that are meant to take a client's memory or time."""

import asyncio
import contextlib
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.previs.comfyui.client.listening import listening

OK = b"HTTP/1.1 200 OK\r\n"
Send = Callable[[asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def sending(send: Send) -> AsyncIterator[str]:
    """Answer each request by a function that writes to its connection; yield the base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await send(writer)

    async with listening(serve) as host:
        yield f"http://{host}"


def nested(megabytes: int) -> bytes:
    """Return zeros that were compressed twice: a thousandth of a thousandth of their size."""
    once = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    packed = b"".join(once.compress(zeros) for _ in range(megabytes)) + once.flush()
    return gzip.compress(packed, 9)


def encoded(body: bytes, encoding: str) -> Send:
    """Send a body whose content encoding the headers name."""
    return whole(OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding.encode(), len(body)) + body)


def whole(answer: bytes) -> Send:
    """Send an answer at once."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return send


def endless(start: bytes, piece: bytes, pause: float = 0.0) -> Send:
    """Send a start, and then the same piece until the client hangs up."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return send
