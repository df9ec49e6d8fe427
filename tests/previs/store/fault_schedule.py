"""Put a proxy on a real socket in front of S3 that fails as networks and busy servers do.

    async with faulty_proxy(endpoint, share=1 / 3, seed=7) as proxy:
        ...  # S3Settings(endpoint_url=proxy.url, …)
        await proxy.stop()
        await proxy.start()

It runs in the event loop that opened it. Requests are passed on unchanged, so their signatures hold.
"""

import asyncio
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["error", "slow down", "hang", "reset", "lost", "cut"]
Conditions = Literal["honoured", "refused", "ignored"]

# "lost": S3 carries out the request, and the response is lost. "cut": the response ends anywhere, even in its headers.
FAULTS: tuple[Fault, ...] = ("error", "slow down", "hang", "reset", "lost", "cut")
_ERRORS = {"error": ("500 Internal Server Error", "InternalError"), "slow down": ("503 Slow Down", "SlowDown")}
_BYTES = 1 << 16


class FaultyProxy:
    """Forward requests to an S3, some of them with faults; ``url`` replaces its endpoint.

    Args:
        endpoint: URL of the S3, over http.
        share: Share of all requests that fail.
        seed: Seed for the choice of requests and faults.
        faults: Faults to choose from.
        hang: Seconds after which a hanging request is reset.
        conditions: Whether ``If-None-Match`` is passed on, answered with 501, or dropped, which breaks a signature.

    Attributes:
        counts: Number of requests by fault; ``"none"`` for those without.
        heads: First line and headers of all requests, in their order.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        share: float,
        seed: int,
        faults: Sequence[Fault] = FAULTS,
        hang: float = 0.5,
        conditions: Conditions = "honoured",
    ) -> None:
        target = urlsplit(endpoint)
        self.endpoint = (target.hostname or "127.0.0.1", target.port or 80)
        self.share, self.faults, self.hang, self.conditions = share, tuple(faults), hang, conditions
        self.counts: Counter[str] = Counter()
        self.heads: list[str] = []
        self._chance = random.Random(seed)
        self._listening: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen, on the same port as before."""
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections, and reset those that are open."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for writer in tuple(self._open):
            reset(writer)

    def next_fault(self) -> Fault | None:
        """Choose the fault of the next request; None for no fault."""
        return self._chance.choice(self.faults) if self._chance.random() < self.share else None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            reset(writer)
        finally:
            self._open.discard(writer)
            with suppress(OSError):
                writer.close()
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = headers_of(head)
        fault = self.next_fault()
        self.counts[fault or "none"] += 1
        self.heads.append(head.decode("latin-1"))
        if fault == "reset":
            reset(writer)
            return
        if fields.get(b"expect", b"").lower() == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(fields.get(b"content-length", 0)))
        if b"if-none-match" in fields and self.conditions == "refused":
            writer.write(error_response("501 Not Implemented", "NotImplemented", with_body=True))
            await writer.drain()
            return
        if fault in _ERRORS:
            writer.write(error_response(*_ERRORS[fault], with_body=not head.startswith(b"HEAD ")))
            await writer.drain()
            return
        if fault == "hang":
            await asyncio.sleep(self.hang)
            reset(writer)
            return
        answer = await self._forward(head, body)
        if fault == "lost":
            reset(writer)
            return
        writer.write(answer[: self._chance.randrange(len(answer))] if fault == "cut" else answer)
        await writer.drain()

    async def _forward(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.endpoint)
        try:
            first, _, rest = head.partition(b"\r\n")
            dropped = {b"connection", b"expect"} | ({b"if-none-match"} if self.conditions == "ignored" else set())
            lines = [line for line in rest.split(b"\r\n") if line and name_of(line) not in dropped]
            writer.write(b"\r\n".join([first, *lines, b"Connection: close", b"", b""]) + body)
            await writer.drain()
            answer = await reader.read(-1)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        first, _, rest = answer.partition(b"\r\n")
        return first + b"\r\nConnection: close\r\n" + without_connection(rest)


def name_of(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower()


def headers_of(head: bytes) -> dict[bytes, bytes]:
    lines = head.split(b"\r\n")[1:]
    return {name_of(line): line.partition(b":")[2].strip() for line in lines if line}


def without_connection(answer: bytes) -> bytes:
    head, between, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if name_of(line) not in {b"connection", b"keep-alive"}]
    return b"\r\n".join(lines) + between + body


def error_response(status: str, code: str, *, with_body: bool) -> bytes:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + (body if with_body else b"")


def reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection."""
    held = writer.get_extra_info("socket")
    with suppress(OSError):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def faulty_proxy(
    endpoint: str,
    *,
    share: float = 1 / 3,
    seed: int = 0,
    faults: Sequence[Fault] = FAULTS,
    hang: float = 0.5,
    conditions: Conditions = "honoured",
) -> AsyncIterator[FaultyProxy]:
    """Start a proxy and stop it at the end."""
    proxy = FaultyProxy(endpoint, share=share, seed=seed, faults=faults, hang=hang, conditions=conditions)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
