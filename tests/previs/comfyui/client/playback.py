"""Serve one recorded prompt on a real socket: its frames and answers as they were, in the ids of the client."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.previs.comfyui.client.listening import serving_app
from tests.previs.comfyui.recordings import events

_EMPTY = {"queue_running": [], "queue_pending": []}


@dataclass
class Playback:
    """Play the session of one prompt, which runs until its interrupt is obeyed.

    Attributes:
        posted: Ids of the prompts that were posted; each is played from the start.
        interrupted: Ids that the client interrupted.
    """

    session: list[dict[str, Any]]
    posted: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)
    socket: WebSocket | None = None

    @property
    def recorded_id(self) -> str:
        return str(self.answer("/prompt")["prompt_id"])

    def answer(self, path: str) -> Any:
        """Return the last recorded answer to a path."""
        return [each["response"].get("json") for each in self.session if each.get("path") == path][-1]

    def of(self, prompt_id: str, content: Any) -> Any:
        return json.loads(json.dumps(content).replace(self.recorded_id, prompt_id))

    async def send(self, prompt_id: str, *, after_interrupt: bool) -> None:
        """Send the frames before or after the recorded interrupt."""
        place = next(number for number, each in enumerate(self.session) if each.get("path") == "/interrupt")
        for event in self.session[place:] if after_interrupt else self.session[:place]:
            if event.get("ws") == "recv" and self.socket is not None:
                await self.socket.send_json(self.of(prompt_id, event["text"]))

    async def obey(self) -> None:
        """End the node that is at work, and with it the prompt."""
        self.ended.add(self.posted[-1])
        await self.send(self.posted[-1], after_interrupt=True)

    async def reply(self, request: Request) -> Response:
        path, prompt_id = request.url.path, self.posted[-1] if self.posted else ""
        if path == "/prompt":
            self.posted.append((await request.json())["prompt_id"])
            await self.send(self.posted[-1], after_interrupt=False)
            return JSONResponse(self.of(self.posted[-1], self.answer(path)))
        if path == "/interrupt":
            self.interrupted.append((await request.json())["prompt_id"])
            return Response()
        if path == "/queue":
            at_work = prompt_id and prompt_id not in self.ended
            return JSONResponse(self.of(prompt_id, self.answer(path)) if at_work else _EMPTY)
        asked = path.removeprefix("/history/")
        if asked in self.ended:
            return JSONResponse(self.of(asked, self.answer(f"/history/{self.recorded_id}")))
        return JSONResponse({}, 404 if path.startswith("/api") else 200)

    async def hold(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.socket = websocket
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()


@contextlib.asynccontextmanager
async def playback(scenario: str) -> AsyncIterator[tuple[Playback, str]]:
    """Yield the playback of a session, and its address."""
    played = Playback(events(scenario))
    routes = [WebSocketRoute("/ws", played.hold), Route("/{_:path}", played.reply, methods=["GET", "POST"])]
    async with serving_app(*routes) as url:
        yield played, url
