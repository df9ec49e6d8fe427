"""Serve given bytes as answers on a real socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from tests.previs.comfyui.client.listening import listening


@dataclass
class Asked:
    """Record the first line and the headers of each request."""

    lines: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)


def response(status: int, body: bytes | object, kind: str = "application/json", **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"}
    all_headers = {**given, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items() if value)
    return f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode() + content


@contextlib.asynccontextmanager
async def answering(answer: Callable[[str], bytes | Iterable[bytes]]) -> AsyncIterator[tuple[str, Asked]]:
    """Answer each request line with bytes, whole or in pieces, and hang up.

    Yields:
        The base URL, and the recorded requests.
    """
    asked = Asked()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
        await reader.readexactly(int(length[0].partition(":")[2]) if length else 0)
        asked.lines.append(head.partition(" HTTP/")[0])
        asked.heads.append(head)
        content = answer(asked.lines[-1])
        for piece in [content] if isinstance(content, bytes) else content:
            writer.write(piece)
            await writer.drain()

    async with listening(serve) as host:
        yield f"http://{host}", asked
