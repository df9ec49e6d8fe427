"""Serve a simulator: listen on a port in the caller's event loop, close the port and open it again."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from previs.simulator.app import make_app, playing
from previs.simulator.server import Simulator

PATIENCE = 0.1
"""Seconds that requests get to notice that their connection is closed."""


class _Uvicorn(uvicorn.Server):
    """Run Uvicorn in the caller's event loop: no signals, no ticking, and no waiting for clients at the end."""

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
            _, unfinished = await asyncio.wait(tasks, timeout=PATIENCE)
            for task in unfinished:
                task.cancel()
        await self.lifespan.shutdown()

    async def listen(self, listener: socket.socket) -> None:
        """Accept connections on another socket."""

        def connection() -> asyncio.Protocol:
            protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return protocol

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(connection, sock=listener, backlog=self.config.backlog))


class _Door:
    """Represent the port of a server.

    While it is closed, a socket that does not listen holds the port: connections are refused, and the system gives the
    port to no other program that asks for a free one.
    """

    def __init__(self, server: _Uvicorn, address: tuple[str, int]) -> None:
        self._server = server
        self._address = address
        self._holding: socket.socket | None = None

    def close(self) -> None:
        if self._holding is None:
            self._stop_listening()
            self._holding = _bound_socket(*self._address)

    async def open(self) -> None:
        if self._holding is not None:
            listener, self._holding = self._holding, None
            await self._server.listen(listener)

    def _stop_listening(self) -> None:
        for each in self._server.servers:
            each.close()
        self._server.servers.clear()

    def release(self) -> None:
        """Release the port, whether the door is open or closed."""
        self._stop_listening()
        if self._holding is not None:
            self._holding.close()


def _bound_socket(host: str, port: int) -> socket.socket:
    # If the protocol is 0, asyncio does not turn Nagle's algorithm off, and each answer takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere the option lets two programs listen on one port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


@contextlib.asynccontextmanager
async def serve(
    simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0, app: ASGIApp | None = None
) -> AsyncIterator[str]:
    """Serve a simulator in the running event loop.

    It can be served again afterwards, with all of its state. To simulate a new process, call
    :meth:`Simulator.restart`.

    Args:
        simulator: A simulator that is not being served.
        host: Address of this machine to listen on.
        port: Port to listen on; 0 picks a free one.
        app: The simulator's application wrapped in middleware; None serves :func:`~previs.simulator.app.make_app`.

    Yields:
        Its base URL.

    Raises:
        OSError: The address is taken, or this machine does not have it.
    """

    class Connection(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            simulator.connections[transport.get_extra_info("peername")[:2]] = transport
            super().connection_made(transport)

    listener = _bound_socket(host, port)
    config = uvicorn.Config(
        app or make_app(simulator),
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
    bound = listener.getsockname()[1]
    door = simulator.door = _Door(server, (host, bound))
    name = f"[{host}]" if ":" in host else host
    try:
        async with playing(simulator):
            yield f"http://{name}:{bound}"
    finally:
        simulator.door = None
        door.release()
        simulator.cut_all()
        server.leave.set()
        await serving
        listener.close()
