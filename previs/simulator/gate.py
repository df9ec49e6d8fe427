"""Apply the faults that concern whole requests: slow, refused, cut or unauthorized."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from previs.simulator.server import Simulator


class Gate:
    """Pass each request on, or treat it as the faults say; count finished requests for the script."""

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self.app = app
        self.simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Treat one request, or one WebSocket for as long as it is open."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        await self._treat(scope, receive, send)
        if scope["type"] == "http":
            self.simulator.count("after_requests")

    async def _treat(self, scope: Scope, receive: Receive, send: Send) -> None:
        faults = self.simulator.faults
        if faults.answer_after:
            await asyncio.sleep(faults.answer_after)
        if not self._is_authorized(scope):
            await _refuse(scope, receive, send, 401, None)
        elif faults.concerns(scope["path"]) and faults.use("hang_up"):
            await self.simulator.cut(scope["client"])
        elif faults.concerns(scope["path"]) and faults.use("refuse"):
            await _refuse(scope, receive, send, faults.refuse_status, faults.retry_after)
        else:
            await self.app(scope, receive, send)

    def _is_authorized(self, scope: Scope) -> bool:
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
