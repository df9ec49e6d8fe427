"""A simulated ComfyUI server: its state, the loop that runs its queue, and how it is served."""

import asyncio
import contextlib
import json
import os
import socket
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from previs.simulator import catalog, sockets
from previs.simulator.disk import Disk
from previs.simulator.execution import Execution, Outputs
from previs.simulator.faults import Faults
from previs.simulator.prompts import Prompt, Queue
from previs.simulator.routes import routes
from previs.simulator.studio import Studio

FILES_KEPT = 512
PATIENCE = 0.1
"""Seconds that requests get to notice that their connection is gone."""


class Simulator:
    """One server that speaks ComfyUI's protocol and draws instead of rendering.

    It is served by :func:`serve`. All of its state is in here; it is not safe to touch from another thread.

    Args:
        seconds: that a prompt takes, spread over the steps of its samplers; one that samples nothing takes none.
        steps_seen: progress frames of each sampler at most; none for one at each step.
        draw: whether pictures are drawn in full size; else each is a tiny PNG, another one for each seed and prompt.
        previews: whether samplers send pictures on their way, as ``--preview-method`` makes a real server do.
        faults: what goes wrong; can be changed at any time.
        folder: where files are kept; in memory where there is none, and then only the last ones of each kind.
        object_info: node classes; those of the bundled excerpt where none are given.
        uuid_ids_only: whether a ``prompt_id`` that is no canonical UUID is refused, as newer servers do.

    Attributes:
        posted: ids of accepted prompts, in order.
        started: ids of prompts that began to run, with repeats.
        sampled: ids of prompts for which a sampler ran, so that it was not cached, once for each sampler.
        interrupted: ids of prompts that somebody stopped.
        deleted: ids of prompts that somebody took out of the queue.
        uploads: names that uploaded files got.
    """

    def __init__(
        self,
        *,
        seconds: float = 1.0,
        steps_seen: int | None = None,
        draw: bool = True,
        previews: bool = True,
        faults: Faults | None = None,
        folder: Path | None = None,
        object_info: Mapping[str, Any] | None = None,
        uuid_ids_only: bool = False,
    ) -> None:
        self.seconds = seconds
        self.steps_seen = steps_seen
        self.previews = previews
        self.faults = faults or Faults()
        self.object_info = object_info or catalog.bundled()
        self.uuid_ids_only = uuid_ids_only
        self.disk = Disk(FILES_KEPT, folder)
        self.studio = Studio(self.disk, draw)
        self.posted: list[str] = []
        self.started: list[str] = []
        self.sampled: list[str] = []
        self.interrupted: list[str] = []
        self.deleted: list[str] = []
        self.uploads: list[str] = []
        self.connections: weakref.WeakValueDictionary[tuple[str, int], asyncio.Transport] = (
            weakref.WeakValueDictionary()
        )
        self._runner: asyncio.Task[None] | None = None
        self._begin()
        self.app = Starlette(routes=routes(self), lifespan=self._running, middleware=[Middleware(_Gate, self)])

    def _begin(self) -> None:
        self.number = 0
        self.cache: dict[str, Outputs] = {}
        self.execution: Execution | None = None
        self.sockets = sockets.Sockets()
        self.queue = Queue(self._tell_status, lambda: self.faults.history_limit)

    def restart(self) -> None:
        """Be as after a kill: queue, history and results gone, all connections cut; files stay.

        Call it in the loop that serves it.
        """
        for transport in list(self.connections.values()):
            transport.abort()
        self._begin()
        self.disk.files["temp"].clear()
        if self._runner is not None:
            self._runner.cancel()
            self._runner = asyncio.get_running_loop().create_task(self._run())

    def forget_results(self) -> None:
        """Let nothing be cached any more for the prompts to come."""
        self.cache = {}

    def status(self) -> dict[str, Any]:
        """What ``status`` frames tell."""
        return {"status": {"exec_info": {"queue_remaining": self.queue.remaining}}}

    def _tell_status(self) -> None:
        if self.sockets.by_client:
            self.sockets.send(sockets.text("status", json.dumps(self.status())))

    def may_go_on(self, frames: int) -> bool:
        """Whether a socket stays open that has carried so many frames."""
        return frames != self.faults.drop_after_frames or not self.faults.use("drop_sockets")

    def abort(self, scope: Scope) -> None:
        """Close the connection of a request at once; only where :func:`serve` serves it."""
        transport = self.connections.get(tuple(scope["client"]))
        if transport is not None:
            transport.abort()

    async def cut(self, scope: Scope) -> None:
        """Close the connection of a request at once; when this returns, nothing can be answered on it any more."""
        self.abort(scope)
        await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def _running(self, _: Starlette) -> AsyncIterator[None]:
        self._runner = asyncio.create_task(self._run())
        try:
            yield
        finally:
            runner, self._runner = self._runner, None
            runner.cancel()
            await asyncio.wait([runner])

    async def _run(self) -> None:
        while True:
            prompt = await self.queue.take()
            self.started.append(prompt.prompt_id)
            self.execution = Execution(self, prompt)
            ended = await self.execution.run()
            await asyncio.sleep(self.faults.history_lag)
            self.execution = None
            self.queue.finish(prompt, ended)
            self._tell_end(prompt)

    def _tell_end(self, prompt: Prompt) -> None:
        if prompt.client is not None:
            content = json.dumps({"node": None, "prompt_id": prompt.prompt_id})
            self.sockets.send(sockets.text("executing", content), prompt.client)


class _Gate:
    """What a request meets before any endpoint: a slow, refusing or guarded server."""

    def __init__(self, app: ASGIApp, simulator: Simulator) -> None:
        self.app = app
        self.simulator = simulator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        faults = self.simulator.faults
        if faults.answer_after:
            await asyncio.sleep(faults.answer_after)
        if not self._is_let_in(scope):
            await _refuse(scope, receive, send, 401)
        elif faults.concerns(scope["path"]) and faults.use("hang_up"):
            await self.simulator.cut(scope)
        elif faults.concerns(scope["path"]) and faults.use("refuse"):
            await _refuse(scope, receive, send, faults.refuse_status)
        else:
            await self.app(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        if self.simulator.faults.header is None:
            return True
        name, value = self.simulator.faults.header
        return (name.lower().encode(), value.encode()) in scope["headers"]


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int) -> None:
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    if scope["type"] == "websocket":
        await receive()
    start: Message = {"type": f"{kind}.start", "status": status, "headers": [(b"content-length", b"0")]}
    await send(start)
    await send({"type": f"{kind}.body", "body": b""})


class _Uvicorn(uvicorn.Server):
    """Uvicorn in the caller's loop: no signals, no ticking, and an end that waits for nobody."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.leave = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        self.ready.set()
        await self.leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - closed with servers
        for server in self.servers:
            server.close()
        while tasks := list(self.server_state.tasks):
            _, unmoved = await asyncio.wait(tasks, timeout=PATIENCE)
            for task in unmoved:
                task.cancel()
        await self.lifespan.shutdown()


def _listener(host: str, port: int) -> socket.socket:
    # With the protocol left at 0, asyncio does not turn Nagle's algorithm off, and each answer takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere the option lets two programs listen on one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def serve(simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve a simulator in the running loop.

    It can be served again afterwards, with all of its state; a new process would be :meth:`Simulator.restart`.

    Args:
        simulator: that is not being served already.
        host: address of this machine to listen on.
        port: 0 for a free one.

    Yields:
        Its base URL.

    Raises:
        OSError: the address is taken or is none of this machine's.
    """

    class Connection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            simulator.connections[transport.get_extra_info("peername")[:2]] = transport
            super().connection_made(transport)

    listener = _listener(host, port)
    config = uvicorn.Config(
        simulator.app,
        http=Connection,
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        ws_ping_interval=None,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    server = _Uvicorn(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    name = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{name}:{listener.getsockname()[1]}"
    finally:
        for transport in list(simulator.connections.values()):
            transport.abort()
        server.leave.set()
        await serving
        listener.close()
