"""Send frames to the WebSockets of clients, and cut them."""

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
"""Maximum of unsent frames; a client that does not read is cut."""

_TYPE_AT = len('{"type": "')

PREVIEW, PREVIEW_WITH_METADATA = 1, 4
JPEG = 1


def text(kind: str, content: str) -> str:
    """Return a text frame of a type; its content is JSON."""
    return f'{{"type": "{kind}", "data": {content}}}'


def kind_of(frame: str | bytes) -> str:
    """Return the type of a frame that :func:`text` made; binary frames are ``preview``."""
    return frame[_TYPE_AT : frame.index('"', _TYPE_AT)] if isinstance(frame, str) else "preview"


def plain_preview(jpeg: bytes) -> bytes:
    """Return a binary frame of the older form: event type, image type, image."""
    return struct.pack(">II", PREVIEW, JPEG) + jpeg


def preview_with_metadata(jpeg: bytes, metadata: dict[str, Any]) -> bytes:
    """Return a binary frame of the newer form: event type, length of the metadata, metadata, image."""
    described = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
    return struct.pack(">II", PREVIEW_WITH_METADATA, len(described)) + described + jpeg


class Server(Protocol):
    """Represent what a WebSocket needs of its server."""

    faults: Faults

    def stays_open(self, frames: int) -> bool:
        """Return whether the WebSocket stays open after it sent ``frames`` frames."""


@dataclass(slots=True, eq=False)
class Socket:
    """Represent one open WebSocket.

    Attributes:
        transmit: Sends an ASGI message.
        cut: Closes the connection at once, without a closing frame.
        features: Feature flags that the client sent.
        unsent: Frames to send, each with its earliest time on the monotonic clock.
    """

    transmit: Callable[[MutableMapping[str, Any]], Awaitable[None]]
    cut: Callable[[], None]
    server: Server
    features: dict[str, Any] = field(default_factory=dict)
    unsent: deque[tuple[float, str | bytes]] = field(default_factory=deque)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, frame: str | bytes) -> None:
        """Queue a frame, as often and as late as the faults say."""
        if len(self.unsent) >= MOST_UNSENT:
            self.cut()
            return
        faults = self.server.faults
        times, due = 1, 0.0
        if faults.changes_frames and faults.concerns_frame(kind_of(frame)):
            times = 0 if faults.use("skip_frames") else 2 if faults.use("repeat_frames") else 1
            due = time.monotonic() + faults.delay_frames
        for _ in range(times):
            self.unsent.append((due, frame))
        self.woken.set()

    async def write(self) -> None:
        """Send queued frames, until cancelled or cut."""
        sent = 0
        while True:
            await self.woken.wait()
            self.woken.clear()
            while self.unsent:
                due, frame = self.unsent.popleft()
                if due:
                    await asyncio.sleep(due - time.monotonic())
                form = "text" if isinstance(frame, str) else "bytes"
                await self.transmit({"type": "websocket.send", form: frame})
                sent += 1
                if not self.server.stays_open(sent):
                    self.cut()
                    return


@dataclass(slots=True)
class Sockets:
    """Hold the open WebSockets by client; of one client's, only the latest."""

    by_client: dict[str, Socket] = field(default_factory=dict)

    def send(self, frame: str | bytes, client: str | None = None) -> None:
        """Send a frame to a client if it is connected; without a client, send it to all."""
        for socket in self.recipients(client):
            socket.put(frame)

    def recipients(self, client: str | None) -> list[Socket]:
        """Return the WebSockets that get a frame for a client; without a client, return all."""
        if client is None:
            return list(self.by_client.values())
        return [self.by_client[client]] if client in self.by_client else []
