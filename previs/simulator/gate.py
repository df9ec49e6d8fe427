"""What a request meets before any endpoint: a slow, refusing or guarded server."""

import asyncio
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from previs.simulator.server import Simulator


class Gate:
    """Lets requests pass, or does to them what the faults say; counts those that are done with."""

    def __init__(self, app: ASGIApp, simulator: "Simulator") -> None:
        self.app = app
        self.simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Treat one request, or one socket for as long as it is open."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        await self._meet(scope, receive, send)
        if scope["type"] == "http":
            self.simulator.performance.count("after_requests")

    async def _meet(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.simulator.faults
        if faults.answer_after:
            await asyncio.sleep(faults.answer_after)
        if not self._is_let_in(scope):
            await _refuse(scope, receive, send, 401, None)
        elif faults.concerns(scope["path"]) and faults.use("hang_up"):
            await self.simulator.cut(scope)
        elif faults.concerns(scope["path"]) and faults.use("refuse"):
            await _refuse(scope, receive, send, faults.refuse_status, faults.retry_after)
        else:
            await self.app(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        if self.simulator.faults.header is None:
            return True
        name, value = self.simulator.faults.header
        return (name.lower().encode(), value.encode()) in scope["headers"]


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, retry_after: int | None) -> None:
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    if scope["type"] == "websocket":
        await receive()
    headers = [(b"content-length", b"0")]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    start: Message = {"type": f"{kind}.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": f"{kind}.body", "body": b""})
