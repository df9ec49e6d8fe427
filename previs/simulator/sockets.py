"""The sockets of a simulated server: one for each client, what is sent to them, and when they are cut."""

import asyncio
import json
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from previs.simulator.faults import Faults

MOST_UNSENT = 20_000
"""Frames that wait for a client that does not read; then its socket is cut."""

_TYPE_AT = len('{"type": "')

PREVIEW, PREVIEW_WITH_METADATA = 1, 4
JPEG = 1


def text(kind: str, content: str) -> str:
    """A text frame of a kind, its content already JSON."""
    return f'{{"type": "{kind}", "data": {content}}}'


def kind_of(frame: str | bytes) -> str:
    """The type in a text frame that :func:`text` made; all binary ones are ``preview``."""
    return frame[_TYPE_AT : frame.index('"', _TYPE_AT)] if isinstance(frame, str) else "preview"


def plain_preview(jpeg: bytes) -> bytes:
    """A binary frame of the older form: its kind, the picture's kind, the picture."""
    return struct.pack(">II", PREVIEW, JPEG) + jpeg


def told_preview(jpeg: bytes, metadata: dict[str, Any]) -> bytes:
    """A binary frame of the newer form: its kind, the metadata's length, the metadata, the picture."""
    told = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", PREVIEW_WITH_METADATA, len(told)) + told + jpeg


class Server(Protocol):
    """What a socket needs of its server."""

    faults: Faults

    def stays_open(self, frames: int) -> bool:
        """Told the number of each frame just sent; a false answer cuts the socket."""
        ...


@dataclass(slots=True, eq=False)
class Socket:
    """One open socket.

    Attributes:
        features: what the client said it supports.
        cut: closes the connection at once, without a closing frame.
        unsent: frames, each with the time on the monotonic clock before which it is not sent.
    """

    transmit: Callable[[MutableMapping[str, Any]], Awaitable[None]]
    cut: Callable[[], None]
    server: Server
    features: dict[str, Any] = field(default_factory=dict)
    unsent: deque[tuple[float, str | bytes]] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: str | bytes) -> None:
        """Send a frame after those before it, as often and as late as the faults say."""
        if len(self.unsent) >= MOST_UNSENT:
            self.cut()
            return
        faults = self.server.faults
        times, due = 1, 0.0
        if faults.tampers and faults.concerns_frame(kind_of(frame)):
            times = 0 if faults.use("skip_frames") else 2 if faults.use("repeat_frames") else 1
            due = time.monotonic() + faults.delay_frames
        for _ in range(times):
            self.unsent.append((due, frame))
        self.woken.set()

    async def write(self) -> None:
        """Send what is put, until cancelled or cut."""
        sent = 0
        while True:
            await self.woken.wait()
            self.woken.clear()
            while self.unsent:
                due, frame = self.unsent.popleft()
                if due:
                    await asyncio.sleep(due - time.monotonic())
                if isinstance(frame, str):
                    await self.transmit({"type": "websocket.send", "text": frame})
                else:
                    await self.transmit({"type": "websocket.send", "bytes": frame})
                sent += 1
                if not self.server.stays_open(sent):
                    self.cut()
                    return


@dataclass(slots=True)
class Sockets:
    """All open sockets by client; of a client's sockets only the last one opened."""

    by_client: dict[str, Socket] = field(default_factory=dict)

    def hears(self, client: str | None) -> bool:
        """Whether anybody would get a frame for a client; without one it is for everybody."""
        return bool(self.by_client) if client is None else client in self.by_client

    def send(self, frame: str | bytes, client: str | None = None) -> None:
        """Send a frame to a client, if it is there, or to everybody."""
        for socket in self.hearing(client):
            socket.put(frame)

    def hearing(self, client: str | None) -> list[Socket]:
        """Sockets that get a frame for a client."""
        if client is None:
            return list(self.by_client.values())
        return [self.by_client[client]] if client in self.by_client else []
