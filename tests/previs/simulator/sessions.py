"""Read recorded sessions, and drive simulators through sessions of the same form."""

import asyncio
import base64
import contextlib
import hashlib
import io
import json
import ssl
import struct
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import websockets
from PIL import Image

from previs.simulator import Simulator, VersionName, serve
from previs.simulator.catalog import bundled
from tests.copies import copied
from tests.previs.simulator.protocol_checks import HEADERS, Event, Session

_TESTS = Path(__file__).parents[2]
RECORDINGS: dict[VersionName, Path] = {
    "0.3.64": _TESTS / "recordings",
    "0.33.0": _TESTS / "recordings-0.33.0",
}
SCENARIOS: list[tuple[VersionName, str]] = [
    (version, path.stem)
    for version, folder in RECORDINGS.items()
    for path in sorted(folder.glob("*.json"))
    if path.stem != "object_info"
]
NO_PICTURE = b"this file is no picture at all, truly"
RECORDED_CHECKPOINTS = ["broken.safetensors", "sd_xl_base_1.0.safetensors"]
LONG_PAUSE = 2
"""Seconds after which a client without a socket asks again for the end of its prompts."""


def recorded(scenario: str, version: VersionName = "0.3.64") -> Session:
    session: Session = json.loads((RECORDINGS[version] / f"{scenario}.json").read_text("utf-8"))["events"]
    return session


@cache
def object_info(version: VersionName = "0.3.64") -> dict[str, Any]:
    """Return the node classes of the recorded server."""
    if version == "0.3.64":
        return dict(json.loads((RECORDINGS[version] / "object_info.json").read_text("utf-8")))
    info = copied(dict(bundled(version)))
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0] = RECORDED_CHECKPOINTS
    return info


def http_client(url: str = "", **headers: str) -> httpx.AsyncClient:
    """Return a client for plain HTTP; loading the CA certificates would take 45 ms."""
    return httpx.AsyncClient(base_url=url, headers=headers, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def text_to_image(*, seed: int = 1, text: str = "a city", prefix: str = "shot", **sampler: object) -> dict[str, Any]:
    posted = next(event for event in recorded("text_to_image_success") if event.get("path") == "/prompt")
    graph: dict[str, Any] = json.loads(json.dumps(posted["json"]["prompt"]))
    graph["3"]["inputs"] |= {"seed": seed, **sampler}
    graph["6"]["inputs"]["text"] = text
    graph["9"]["inputs"]["filename_prefix"] = prefix
    return graph


def picture_of(name: str) -> bytes:
    """Return the bytes of a small picture that differs by name."""
    file = io.BytesIO()
    digest = hashlib.sha256(name.encode()).digest()
    Image.frombytes("RGB", (4, 2), digest[:24]).resize((64, 48)).save(file, "PNG")
    return file.getvalue()


class Served:
    """Serve a simulator that can be killed and started again at its address."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.url = ""
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        port = int(self.url.rpartition(":")[2] or 0)
        self.url = await self._stack.enter_async_context(serve(self.simulator, port=port))

    async def kill(self) -> None:
        await self._stack.aclose()
        self.simulator.restart()


@contextlib.asynccontextmanager
async def served(simulator: Simulator) -> AsyncIterator[Served]:
    host = Served(simulator)
    await host.start()
    try:
        yield host
    finally:
        await host._stack.aclose()


class Visitor:
    """Represent a client: sends HTTP requests, and keeps the frames of its socket."""

    def __init__(self, url: str, http: httpx.AsyncClient, socket: websockets.ClientConnection) -> None:
        self.url = url
        self.http = http
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def submit(self, graph: dict[str, Any], **options: object) -> str:
        answer = await self.http.post("/prompt", json={"prompt": graph, "client_id": "visitor", **options})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["prompt_id"])

    async def hear(self, kind: str, **wanted: object) -> dict[str, Any]:
        """Wait for the next frame of a type with these values; previews have the type ``preview``."""
        while True:
            message = await asyncio.wait_for(self.socket.recv(), 10)
            frame = {"type": "preview", "data": _binary(message)} if isinstance(message, bytes) else json.loads(message)
            self.heard.append(frame)
            if frame["type"] == kind and wanted.items() <= frame["data"].items():
                return dict(frame["data"])

    async def ended(self, prompt_id: str) -> dict[str, Any]:
        """Wait for a prompt's last frame, and return its history entry."""
        await self.hear("executing", node=None, prompt_id=prompt_id)
        return dict((await self.http.get(f"/history/{prompt_id}")).json()[prompt_id])

    async def render(self, graph: dict[str, Any], **options: object) -> dict[str, Any]:
        return await self.ended(await self.submit(graph, **options))

    async def view(self, file: dict[str, str]) -> httpx.Response:
        return await self.http.get("/view", params=file)


@contextlib.asynccontextmanager
async def visited(url: str, client_id: str = "visitor", **headers: str) -> AsyncIterator[Visitor]:
    address = f"ws{url.removeprefix('http')}/ws?clientId={client_id}"
    async with (
        http_client(url, **headers) as http,
        websockets.connect(address, compression=None, max_queue=None, additional_headers=headers) as socket,
    ):
        yield Visitor(url, http, socket)


@contextlib.asynccontextmanager
async def visit(simulator: Simulator) -> AsyncIterator[Visitor]:
    async with serve(simulator) as url, visited(url) as visitor:
        yield visitor


class Recorder:
    """Send the requests of a recorded scenario to a server in the same order, and record the session."""

    def __init__(self, host: Served) -> None:
        self.host = host
        self.events: Session = []
        self._http = http_client()
        self._socket: websockets.ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._came = asyncio.Event()
        self._names: dict[str, str] = {}

    async def drive(self, script: Session) -> Session:
        async with self._http:
            for place, event in enumerate(script):
                before = script[place - 1] if place else event
                if event.get("ws") == "open" and (node := _running_when_opened(script, place)):
                    await self._is_silent(node)
                if _ends_a_silence(script, place):
                    await self._until(_heard(script[:place]))
                    self.host.simulator.end_silence()
                if "http" in event and self._socket is None and event.get("t", 0) - before.get("t", 0) > LONG_PAUSE:
                    await self._queue_is_empty()
                await self._perform(event)
                if _needs_wait(script, place):
                    await self._until(_heard(script[: place + 1]))
            await self._close()
        return self.events

    async def _perform(self, event: Event) -> None:
        match event.get("ws"):
            case "open":
                await self._close()
                address = f"ws{self.host.url.removeprefix('http')}{event['path']}"
                self._socket = await websockets.connect(address, compression=None, max_queue=None)
                self.events.append({"ws": "open", "path": event["path"]})
                self._reading = asyncio.create_task(self._read(self._socket))
            case "send":
                assert self._socket
                await self._socket.send(json.dumps(event["text"]))
                self.events.append({"ws": "send", "text": event["text"]})
            case "close" if event["code"] == 1006:
                await self.host.kill()
                assert self._reading
                await self._reading
                self.events.append({"ws": "close"})
            case "close":
                await self._close()
                self.events.append({"ws": "close"})
            case None:
                await self._ask(event)

    async def _close(self) -> None:
        if self._socket and self._reading:
            await self._socket.close()
            await self._reading
        self._socket = self._reading = None

    async def _read(self, socket: websockets.ClientConnection) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                message = await socket.recv()
                heard = {"text": json.loads(message)} if isinstance(message, str) else {"binary": _binary(message)}
                self.events.append({"ws": "recv", **heard})
                self._came.set()

    async def _until(self, wanted: list[str]) -> None:
        """Wait until all frames of the recording have come, except those that depend on time."""
        async with asyncio.timeout(20):
            while not set(wanted) <= set(_heard(self.events)):
                self._came.clear()
                await self._came.wait()

    async def _is_silent(self, node: str) -> None:
        """Wait until a node is silent, if any will be."""
        simulator = self.host.simulator
        async with asyncio.timeout(20):
            while simulator.faults.silent_for and (execution := simulator.execution) and execution.node != node:
                await asyncio.sleep(0)

    async def _queue_is_empty(self) -> None:
        async with asyncio.timeout(20):
            while self.host.simulator.queue.remaining:
                await asyncio.sleep(0)

    async def _ask(self, event: Event) -> None:
        if "error" in event:
            await self._fail(event)
            return
        if not self.host.simulator._runner:
            await self.host.start()
        path = self._path(event)
        response = await self._http.request(event["http"], self.host.url + path, **self._content(event))
        self.events.append({"http": event["http"], "path": path, "response": _response(response, event)})
        self._learn(event, response)

    async def _fail(self, event: Event) -> None:
        with pytest.raises(httpx.ConnectError):
            await self._http.request(event["http"], self.host.url + self._path(event))
        self.events.append({"http": event["http"], "path": self._path(event), "error": "refused"})

    def _path(self, event: Event) -> str:
        path = str(event["path"])
        for old, new in self._names.items():
            path = path.replace(old, new)
        return path

    def _content(self, event: Event) -> dict[str, Any]:
        if "json" in event:
            text = json.dumps(event["json"])
            for old, new in self._names.items():
                text = text.replace(old, new)
            return {"content": text}
        if "form" not in event:
            return {}
        form = dict(event["form"])
        image = form.pop("image", None)
        parts: dict[str, Any] = {name: (None, value) for name, value in form.items()}
        if image:
            is_broken = image["filename"] == "broken.png"
            content = NO_PICTURE if is_broken else picture_of(image["sha256"])
            parts["image"] = (quote(image["filename"], safe=""), content, image["content_type"])
        return {"files": parts}

    def _learn(self, event: Event, response: httpx.Response) -> None:
        if event["path"] == "/prompt" and response.status_code == 200 and event["http"] == "POST":
            self._names[event["response"]["json"]["prompt_id"]] = response.json()["prompt_id"]
        elif event["path"].startswith("/history/"):
            self._names |= dict(zip(_files(event["response"]["json"]), _files(response.json()), strict=True))


def _files(history: dict[str, Any]) -> list[str]:
    outputs = next(iter(history.values()), {"outputs": {}})["outputs"]
    return [file["filename"] for node in sorted(outputs) for file in outputs[node]["images"]]


def _ends_a_silence(script: Session, place: int) -> bool:
    """Return whether a frame ends the silence of a node: meanwhile the client acted, or opened its socket."""
    if script[place].get("ws") != "recv":
        return False
    last = next((event.get("text", {}) for event in reversed(script[:place]) if event.get("ws") == "recv"), {})
    if last.get("type") != "executing" or last["data"]["node"] is None:
        return False
    return "http" in script[place - 1] or _is_late(last)


def _is_late(frame: dict[str, Any]) -> bool:
    """Return whether a frame names the node that runs when a socket opens."""
    return frame.get("type") == "executing" and set(frame["data"]) == {"node"}


def _running_when_opened(script: Session, place: int) -> str | None:
    """Return the node that runs when the socket opens, or None."""
    heard = (event.get("text", {}) for event in script[place + 1 : place + 3])
    return next((str(frame["data"]["node"]) for frame in heard if _is_late(frame)), None)


def _needs_wait(script: Session, place: int) -> bool:
    """Return whether a request follows a received frame."""
    following = script[place + 1] if place + 1 < len(script) else None
    return script[place].get("ws") == "recv" and (following is None or following.get("ws") != "recv")


def _heard(session: Session) -> list[str]:
    """Return the received frames to wait for: types by node, and ends, each with its count."""
    told: list[str] = []
    for event in session:
        if event.get("ws") != "recv" or "text" not in event:
            continue
        kind, content = event["text"]["type"], event["text"]["data"]
        if kind in ("status", "progress_state") and "sid" not in content:
            continue
        node = content.get("node", "")
        if kind == "progress" and any(name.startswith(f"progress {node} ") for name in told):
            continue
        told.append(f"{kind} {node} {sum(name.startswith(f'{kind} {node} ') for name in told)}")
    return told


def _binary(message: bytes) -> dict[str, Any]:
    kind, second = struct.unpack(">II", message[:8])
    head = {"event_type": kind, "bytes": len(message)}
    if kind == 4:
        metadata = json.loads(message[8 : 8 + second])
        image = message[8 + second :]
        return {**head, "metadata": metadata, "image_head_base64": base64.b64encode(image[:12]).decode()}
    return {**head, "image_format": {1: "jpeg"}[second], "image_head_base64": base64.b64encode(message[8:20]).decode()}


def _response(response: httpx.Response, event: Event) -> dict[str, Any]:
    headers = {name: value for name, value in response.headers.items() if name in HEADERS}
    told: dict[str, Any] = {"status": response.status_code, "headers": headers}
    if headers.get("content-type", "").startswith("application/json"):
        return {**told, "json": response.json()}
    if event["path"].startswith("/view") and response.status_code == 200:
        body = response.content
        head = base64.b64encode(body[:16]).decode()
        return {**told, "body": {"bytes": len(body), "head_base64": head}}
    return {**told, "text": response.text}
