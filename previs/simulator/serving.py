"""How a simulator is served: a port in the caller's loop, whose door can be closed and opened again."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from previs.simulator.server import Simulator

PATIENCE = 0.1
"""Seconds that requests get to notice that their connection is gone."""


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

    async def listen(self, listener: socket.socket) -> None:
        """Accept connections on a socket as on those it began with."""

        def connection() -> asyncio.Protocol:
            protocol: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
                config=self.config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return protocol

        loop = asyncio.get_running_loop()
        self.servers.append(await loop.create_server(connection, sock=listener, backlog=self.config.backlog))


class _Door:
    """The port of a server.

    While it is closed a socket that does not listen holds the port: connections are refused, and the system hands the
    port to nobody who asks for a free one.
    """

    def __init__(self, server: _Uvicorn, address: tuple[str, int]) -> None:
        self._server = server
        self._address = address
        self._holding: socket.socket | None = None

    def close(self) -> None:
        if self._holding is None:
            self._leave()
            self._holding = _listener(*self._address)

    async def open(self) -> None:
        if self._holding is not None:
            listener, self._holding = self._holding, None
            await self._server.listen(listener)

    def _leave(self) -> None:
        for each in self._server.servers:
            each.close()
        self._server.servers.clear()

    def give_up(self) -> None:
        """Let go of the port, whichever way it is held."""
        self._leave()
        if self._holding is not None:
            self._holding.close()


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
    bound = listener.getsockname()[1]
    door = simulator.door = _Door(server, (host, bound))
    playing = asyncio.create_task(simulator.performance.play())
    name = f"[{host}]" if ":" in host else host
    try:
        yield f"http://{name}:{bound}"
    finally:
        playing.cancel()
        await asyncio.wait([playing])
        simulator.door = None
        door.give_up()
        simulator.cut_all()
        server.leave.set()
        await serving
        listener.close()
