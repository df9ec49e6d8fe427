"""Run a proxy on a real socket that terminates TLS, strips a path and requires a header."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.previs.comfyui.client.listening import listening

REFUSED = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextlib.asynccontextmanager
async def forwarder(
    url: str,
    *,
    path: str = "",
    header: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    instead: tuple[str, bytes] | None = None,
) -> AsyncIterator[str]:
    """Forward requests below a path with a header; answer others with 404 or 401, and one path with given bytes."""
    target = urlsplit(url)

    def answer_to(head: bytes) -> bytes | int:
        method, where, version = head.split(b"\r\n")[0].split(b" ")
        lines = [line for line in head.split(b"\r\n")[1:] if line]
        if not where.startswith(path.encode() + b"/"):
            return 404
        if header is not None and f"{header[0]}: {header[1]}".lower().encode() not in [line.lower() for line in lines]:
            return 401
        # One request per connection, so that each path is rewritten; an upgrade keeps its own header.
        if b"connection: upgrade" not in (line.lower() for line in lines):
            lines = [*(line for line in lines if not line.lower().startswith(b"connection:")), b"Connection: close"]
        return b"\r\n".join([b" ".join([method, where.removeprefix(path.encode()), version]), *lines, b"", b""])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if instead is not None and head.startswith(f"GET {instead[0]}".encode()):
            writer.write(instead[1])
            await writer.drain()
            return
        answer = answer_to(head)
        if isinstance(answer, int):
            writer.write(REFUSED % answer)
            await writer.drain()
            return
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        with contextlib.closing(far_writer):
            far_writer.write(answer)
            sides = [asyncio.create_task(_pass(reader, far_writer)), asyncio.create_task(_pass(far_reader, writer))]
            try:
                await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for side in sides:
                    side.cancel()
                await asyncio.wait(sides)

    async with listening(serve, tls) as host:
        yield f"{'http' if tls is None else 'https'}://{host}{path}"


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while some := await reader.read(1 << 16):
            writer.write(some)
            await writer.drain()
