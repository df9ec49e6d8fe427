"""Answer the requests of ComfyUI's API, each with and without the prefix ``/api``."""

import asyncio
import json
import posixpath
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import python_multipart  # noqa: F401 - Starlette reads uploads with it; without it, the first upload would fail
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from previs.simulator import catalog, sockets
from previs.simulator.disk import FOLDERS, leads_out
from previs.simulator.downloads import download
from previs.simulator.jobs import WrongQueryError, job_of, jobs_of
from previs.simulator.prompts import Prompt
from previs.simulator.server import Simulator
from previs.simulator.validation import BrokenNodeError, ValidationResult, validate

Endpoint = Callable[[Request], Awaitable[Response]]

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_ONLY_UUIDS = (
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one"
)
_SERVER_ERROR = "500 Internal Server Error\n\nServer got itself in trouble"


def json_response(content: object, status: int = 200) -> Response:
    """Return a JSON response in aiohttp's form."""
    return Response(json.dumps(content), status, media_type="application/json; charset=utf-8")


async def no_route(_: Request, error: Exception) -> Response:
    """Return aiohttp's response to an unknown path or method."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (404, None)
    text = f"{status}: {HTTPStatus(status).phrase}"
    return Response(text, status, media_type="text/plain", headers=headers)


def routes(simulator: Simulator) -> list[Route | WebSocketRoute]:
    """Return all endpoints of a simulator."""
    queue = _QueueEndpoints(simulator)
    disk = _DiskEndpoints(simulator)
    info = _InfoEndpoints(simulator)
    table: list[tuple[str, str, Endpoint]] = [
        ("GET", "/prompt", queue.remaining),
        ("POST", "/prompt", queue.submit),
        ("GET", "/queue", queue.queue),
        ("POST", "/queue", queue.change_queue),
        ("POST", "/interrupt", queue.interrupt),
        ("GET", "/history", queue.history),
        ("GET", "/history/{prompt_id}", queue.ended),
        ("POST", "/history", queue.change_history),
        ("POST", "/free", queue.free),
        ("GET", "/view", disk.view),
        ("POST", "/upload/image", disk.upload),
        ("GET", "/object_info", info.object_info),
        ("GET", "/object_info/{class_type}", info.class_info),
        ("GET", "/system_stats", _constant(simulator.version.system_stats)),
        ("GET", "/features", _constant(simulator.version.features)),
        ("GET", "/models", _constant(simulator.version.folders)),
        ("GET", "/models/{folder}", info.models),
        ("GET", "/embeddings", _constant([])),
        ("GET", "/view_metadata/{folder}", info.metadata),
    ]
    jobs: list[tuple[str, str, Endpoint]] = [
        ("GET", "/api/jobs", queue.jobs),
        ("GET", "/api/jobs/{prompt_id}", queue.job),
        ("POST", "/api/jobs/{prompt_id}/cancel", queue.cancel),
    ]
    http = [Route(start + path, call, methods=[method]) for start in ("", "/api") for method, path, call in table]
    listen = _Listening(simulator).listen
    http += [Route(path, call, methods=[method]) for method, path, call in jobs if simulator.version.has_jobs]
    return [*http, WebSocketRoute("/ws", listen), WebSocketRoute("/api/ws", listen)]


def _constant(content: object) -> Endpoint:
    async def answer(_: Request) -> Response:
        return json_response(content)

    return answer


async def _posted(request: Request) -> dict[str, Any]:
    """Return the request's JSON object; otherwise fail with 500, as ComfyUI does."""
    content = _parsed(await request.body())
    if content is None:
        raise HTTPException(500, _SERVER_ERROR)
    return content


def _parsed(text: str | bytes) -> dict[str, Any] | None:
    """Return a JSON object, or None if the text is something else."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _refused(kind: str, message: str, details: str) -> Response:
    error = {"type": kind, "message": message, "details": details, "extra_info": {}}
    return json_response({"error": error, "node_errors": {}}, 400)


class _Endpoints:
    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator


class _QueueEndpoints(_Endpoints):
    async def remaining(self, _: Request) -> Response:
        return json_response({"exec_info": {"queue_remaining": self.simulator.queue.remaining}})

    async def submit(self, request: Request) -> Response:
        simulator = self.simulator
        posted = await _posted(request)
        number = self._number(posted)
        if "prompt" not in posted:
            return _refused("no_prompt", "No prompt provided", "No prompt provided")
        prompt_id = str(posted["prompt_id"]) if posted.get("prompt_id") is not None else str(uuid.uuid4())
        if simulator.version.takes_only_uuids and not _UUID.fullmatch(prompt_id):
            return _refused("invalid_prompt_id", "prompt_id must be a valid UUID", _ONLY_UUIDS)
        extra = posted.get("extra_data", {})
        if not isinstance(posted["prompt"], dict) or not isinstance(extra, dict):
            raise HTTPException(500, _SERVER_ERROR)
        result = self._validated(posted["prompt"])
        if result.error:
            return json_response({"error": result.error, "node_errors": result.node_errors}, 400)
        if "client_id" in posted:
            extra["client_id"] = posted["client_id"]
        if simulator.version.has_jobs:
            extra["create_time"] = time.time_ns() // 1_000_000
        simulator.record("posted", prompt_id)
        simulator.queue.put(Prompt(number, prompt_id, result.graph, extra, result.outputs))
        if simulator.faults.use("lose_prompt_answer"):
            await simulator.cut(request.scope["client"])
        return json_response({"prompt_id": prompt_id, "number": number, "node_errors": result.node_errors})

    def _validated(self, graph: dict[str, Any]) -> ValidationResult:
        simulator = self.simulator
        try:
            names_missing = simulator.version.names_missing_nodes
            return validate(graph, simulator.object_info, input_files=simulator.disk, names_missing_nodes=names_missing)
        except BrokenNodeError as error:
            raise HTTPException(500, _SERVER_ERROR) from error

    def _number(self, posted: dict[str, Any]) -> float:
        requested = posted.get("number")
        if isinstance(requested, int | float):
            return float(requested)
        number = self.simulator.number
        self.simulator.number += 1
        return -number if posted.get("front") else number

    async def queue(self, _: Request) -> Response:
        queue = self.simulator.queue
        running = [queue.running.as_list()] if queue.running else []
        pending = [prompt.as_list() for prompt in queue.pending]
        return json_response({"queue_running": running, "queue_pending": pending})

    async def change_queue(self, request: Request) -> Response:
        posted = await _posted(request)
        if posted.get("clear"):
            for prompt in self.simulator.queue.pending:
                self.simulator.record("deleted", prompt.prompt_id)
            self.simulator.queue.clear()
        for prompt_id in posted.get("delete", []):
            self.simulator.delete(prompt_id)
        return Response()

    async def interrupt(self, request: Request) -> Response:
        posted = _parsed(await request.body()) or {}
        self.simulator.interrupt(posted.get("prompt_id") or None)
        return Response()

    async def jobs(self, request: Request) -> Response:
        try:
            return json_response(jobs_of(self.simulator.queue, request.query_params))
        except WrongQueryError as error:
            return json_response({"error": str(error)}, 400)

    async def job(self, request: Request) -> Response:
        job = job_of(request.path_params["prompt_id"], self.simulator.queue)
        return json_response({"error": "Job not found"}, 404) if job is None else json_response(job)

    async def cancel(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        return json_response({"cancelled": self.simulator.interrupt(prompt_id) or self.simulator.delete(prompt_id)})

    async def history(self, request: Request) -> Response:
        history = self.simulator.queue.history
        limits = (request.query_params.get(name) for name in ("max_items", "offset"))
        try:
            most, offset = (int(limit) if limit is not None else -1 for limit in limits)
        except ValueError as error:
            raise HTTPException(500, _SERVER_ERROR) from error
        if most < 0:
            return json_response(history)
        first = offset if offset >= 0 else max(0, len(history) - most)
        return json_response(dict(list(history.items())[first : first + most]))

    async def ended(self, request: Request) -> Response:
        prompt_id = request.path_params["prompt_id"]
        history = self.simulator.queue.history
        return json_response({prompt_id: history[prompt_id]} if prompt_id in history else {})

    async def change_history(self, request: Request) -> Response:
        posted = await _posted(request)
        history = self.simulator.queue.history
        if posted.get("clear"):
            history.clear()
        for prompt_id in posted.get("delete", []):
            history.pop(prompt_id, None)
        return Response()

    async def free(self, request: Request) -> Response:
        posted = await _posted(request)
        self.simulator.free({flag for flag in ("unload_models", "free_memory") if posted.get(flag)})
        return Response()


class _DiskEndpoints(_Endpoints):
    async def view(self, request: Request) -> Response:
        query = request.query_params
        if "filename" not in query:
            return Response(status_code=404)
        name, folder = query["filename"], query.get("type", "output")
        if not name or name.startswith("/") or ".." in name or folder not in FOLDERS:
            return Response(status_code=400)
        subfolder = posixpath.normpath(query.get("subfolder") or ".")
        if leads_out(subfolder):
            return Response(status_code=403)
        name = posixpath.basename(name)
        stored = self.simulator.disk.read(folder, posixpath.normpath(posixpath.join(subfolder, name)))
        if stored is None or "\0" in name:
            return Response(status_code=404)
        return download(stored, name, self.simulator)

    async def upload(self, request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > self.simulator.version.features["max_upload_size"]:
            return Response(status_code=413)
        async with request.form() as form:
            image = form.get("image")
            if not isinstance(image, UploadFile) or not image.filename:
                return Response(status_code=400)
            folder, subfolder = str(form.get("type", "input")), str(form.get("subfolder", ""))
            content = await image.read()
            overwrite = form.get("overwrite") in ("true", "1")
        if folder not in FOLDERS:
            raise HTTPException(500, _SERVER_ERROR)
        if leads_out(posixpath.normpath(posixpath.join(subfolder, image.filename))):
            return Response(status_code=400)
        name = self.simulator.disk.upload(folder, subfolder, image.filename, content, overwrite=overwrite)
        self.simulator.uploads.append(name)
        return json_response({"name": name, "subfolder": subfolder, "type": folder})


class _InfoEndpoints(_Endpoints):
    async def object_info(self, _: Request) -> Response:
        images = self.simulator.disk.images()
        info = self.simulator.object_info
        return json_response({name: catalog.with_images(each, images) for name, each in info.items()})

    async def class_info(self, request: Request) -> Response:
        name = request.path_params["class_type"]
        info = self.simulator.object_info.get(name)
        return json_response({name: catalog.with_images(info, self.simulator.disk.images())} if info else {})

    async def models(self, request: Request) -> Response:
        names = catalog.models(self.simulator.object_info, request.path_params["folder"], self.simulator.version_name)
        return Response(status_code=404) if names is None else json_response(names)

    async def metadata(self, request: Request) -> Response:
        folder, name = request.path_params["folder"], request.query_params.get("filename", "")
        header = catalog.metadata(self.simulator.metadata, folder, name)
        return Response(status_code=404) if header is None else json_response(header)


class _Listening(_Endpoints):
    async def listen(self, websocket: WebSocket) -> None:
        simulator = self.simulator
        client = websocket.query_params.get("clientId") or uuid.uuid4().hex
        await websocket.accept()
        socket = sockets.Socket(websocket.send, lambda: simulator.abort(websocket.scope["client"]), simulator)
        simulator.sockets.by_client[client] = socket
        socket.put(sockets.text("status", json.dumps({**simulator.status(), "sid": client})))
        execution = simulator.execution
        if execution and execution.node is not None and execution.prompt.client == client:
            socket.put(sockets.text("executing", json.dumps({"node": execution.node})))
        writing = asyncio.create_task(socket.write())
        try:
            await self._read(websocket, socket)
        finally:
            # As in ComfyUI: when a client's older WebSocket closes, its newer one is removed from the list.
            simulator.sockets.by_client.pop(client, None)
            writing.cancel()
            await asyncio.wait([writing])

    async def _read(self, websocket: WebSocket, socket: sockets.Socket) -> None:
        """Read until the client disconnects; only its first message may be feature flags."""
        is_first = True
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            flags = _parsed(message.get("text") or "") or {}
            if is_first and flags.get("type") == "feature_flags":
                features = flags.get("data")
                socket.features = features if isinstance(features, dict) else {}
                socket.put(sockets.text("feature_flags", json.dumps(self.simulator.version.features)))
            is_first = False
