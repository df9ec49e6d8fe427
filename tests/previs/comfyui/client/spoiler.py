"""Run a proxy on a real socket that damages a server's answers and frames, reproducibly."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.mutations import json_text, wrong_bytes, wrong_json
from tests.previs.comfyui.client.listening import serving_app

METHODS = ["GET", "POST"]


@contextlib.asynccontextmanager
async def spoiler(url: str, source: random.Random, share: float) -> AsyncIterator[str]:
    """Forward everything to a server, and damage that share of its JSON answers and of its frames."""

    async def forward(request: Request) -> Response:
        path = f"{url}{request.url.path}?{request.url.query}"
        sent = {"content-type": request.headers.get("content-type", "")}
        answer = await client.request(request.method, path, content=await request.body(), headers=sent)
        content = answer.content
        if answer.headers.get("content-type", "").startswith("application/json") and source.random() < share:
            content = _damaged(source, content)
        return Response(content, answer.status_code, media_type=answer.headers.get("content-type"))

    async def follow(near: WebSocket) -> None:
        await near.accept()
        async with connect(f"{url.replace('http', 'ws', 1)}/ws?{near.url.query}") as far:
            sides = [asyncio.create_task(_pass_on(near, far)), asyncio.create_task(pass_back(far, near))]
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
            for side in sides:
                side.cancel()
            await asyncio.wait(sides)

    async def pass_back(far: ClientConnection, near: WebSocket) -> None:
        with contextlib.suppress(ConnectionClosed, WebSocketDisconnect, RuntimeError):
            async for message in far:
                content = message.encode() if isinstance(message, str) else message
                damaged = _damaged(source, content) if source.random() < share else content
                if isinstance(message, bytes):
                    await near.send_bytes(damaged)
                else:
                    await near.send_text(damaged.decode(errors="replace"))

    routes = [WebSocketRoute("/ws", follow), Route("/{path:path}", forward, methods=METHODS)]
    async with httpx.AsyncClient(trust_env=False) as client, serving_app(*routes) as base:
        yield base


async def _pass_on(near: WebSocket, far: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed, WebSocketDisconnect):
        while True:
            await far.send(await near.receive_text())


def _damaged(source: random.Random, content: bytes) -> bytes:
    try:
        value = json.loads(content)
    except ValueError:
        return wrong_bytes(source, content, [content])
    return json_text(wrong_json(source, value))
