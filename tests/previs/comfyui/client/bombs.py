"""Serve answers that are meant to take a client's memory or time."""

import asyncio
import contextlib
import functools
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.previs.comfyui.client.listening import listening

OK = b"HTTP/1.1 200 OK\r\n"
GZIP, ZLIB = zlib.MAX_WBITS | 16, zlib.MAX_WBITS
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
    packed = b"".join(once.compress(bytes(1 << 20)) for _ in range(megabytes)) + once.flush()
    return gzip.compress(packed, 9)


@functools.cache
def zeros(form: int) -> bytes:
    """Return 80 MB of zeros, compressed in zlib's form of this number; not on import, where each process would wait."""
    return zlib.compress(bytes(80 << 20), wbits=form)


async def bomb(writer: asyncio.StreamWriter) -> None:
    """Send 80 MB of zeros, compressed."""
    await encoded(zeros(GZIP), "gzip")(writer)


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
