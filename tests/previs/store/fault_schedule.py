"""Bad weather on the way to S3: a proxy on a real socket that fails as networks and busy servers do.

    async with troubled(endpoint, share=1 / 3, seed=7) as weather:
        ...  # S3Settings(endpoint_url=weather.url, …)
        await weather.gone()
        await weather.back()

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
Conditions = Literal["heeded", "refused", "ignored"]

# Lost: S3 does as it was asked, and nobody hears of it. Cut: the answer ends somewhere, be it among its headers.
FAULTS: tuple[Fault, ...] = ("error", "slow down", "hang", "reset", "lost", "cut")
_SPOKEN = {"error": ("500 Internal Server Error", "InternalError"), "slow down": ("503 Slow Down", "SlowDown")}
_BYTES = 1 << 16


class Weather:
    """A proxy before an S3; ``url`` stands in for its endpoint.

    Args:
        endpoint: of the S3, over http.
        share: of all requests that fail.
        seed: of the choice of what fails and how.
        faults: to choose from.
        hang: seconds that a hanging request is left without an answer before it is reset.
        conditions: whether ``If-None-Match`` is passed on, answered with 501, or dropped, which breaks a signature.

    Attributes:
        met: how often each fault was; under ``"fair"`` the requests that had none.
        heads: of all requests in their order: first line and headers.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        share: float,
        seed: int,
        faults: Sequence[Fault] = FAULTS,
        hang: float = 0.5,
        conditions: Conditions = "heeded",
    ) -> None:
        there = urlsplit(endpoint)
        self.endpoint = (there.hostname or "127.0.0.1", there.port or 80)
        self.share, self.faults, self.hang, self.conditions = share, tuple(faults), hang, conditions
        self.met: Counter[str] = Counter()
        self.heads: list[str] = []
        self._chance = random.Random(seed)
        self._listening: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def back(self) -> None:
        """Listen, on the same port as before."""
        self._listening = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def gone(self) -> None:
        """Refuse connections, and reset those that are open."""
        if self._listening is not None:
            self._listening.close()
            self._listening = None
        for writer in tuple(self._open):
            reset(writer)

    def next_fault(self) -> Fault | None:
        """What the next request meets."""
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
        self.met[fault or "fair"] += 1
        self.heads.append(head.decode("latin-1"))
        if fault == "reset":
            reset(writer)
            return
        if fields.get(b"expect", b"").lower() == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(fields.get(b"content-length", 0)))
        if b"if-none-match" in fields and self.conditions == "refused":
            writer.write(spoken("501 Not Implemented", "NotImplemented", silent=False))
            await writer.drain()
            return
        if fault in _SPOKEN:
            writer.write(spoken(*_SPOKEN[fault], silent=head.startswith(b"HEAD ")))
            await writer.drain()
            return
        if fault == "hang":
            await asyncio.sleep(self.hang)
            reset(writer)
            return
        answer = await self._passed_on(head, body)
        if fault == "lost":
            reset(writer)
            return
        writer.write(answer[: self._chance.randrange(len(answer))] if fault == "cut" else answer)
        await writer.drain()

    async def _passed_on(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self.endpoint)
        try:
            first, _, rest = head.partition(b"\r\n")
            left_out = {b"connection", b"expect"} | ({b"if-none-match"} if self.conditions == "ignored" else set())
            lines = [line for line in rest.split(b"\r\n") if line and name_of(line) not in left_out]
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


def spoken(status: str, code: str, *, silent: bool) -> bytes:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>m</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close"
    return head.encode() + b"\r\n\r\n" + (b"" if silent else body)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the other side hears a reset."""
    held = writer.get_extra_info("socket")
    with suppress(OSError):
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def troubled(
    endpoint: str,
    *,
    share: float = 1 / 3,
    seed: int = 0,
    faults: Sequence[Fault] = FAULTS,
    hang: float = 0.5,
    conditions: Conditions = "heeded",
) -> AsyncIterator[Weather]:
    """A proxy that is up; at the end it is gone."""
    weather = Weather(endpoint, share=share, seed=seed, faults=faults, hang=hang, conditions=conditions)
    await weather.back()
    try:
        yield weather
    finally:
        await weather.gone()
