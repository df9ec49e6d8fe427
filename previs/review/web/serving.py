"""Listen for browsers until the program is stopped."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from previs.errors import ReviewRefused

_BACKLOG = 128
_LAST_REQUESTS_SECONDS = 3
_IDLE_SECONDS = 65


class _Server(uvicorn.Server):
    """Leave signals to the caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serve(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0, root_path: str = "") -> AsyncIterator[str]:
    """Serve an application in the running event loop, and yield its URL.

    Args:
        app: The application.
        host: Address of this machine to listen on.
        port: Port to listen on; 0 picks a free one.
        root_path: Path before all others, behind a proxy that strips it.

    Raises:
        ReviewRefused: The address is taken, or this machine does not have it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host.strip("[]"), port))
    except OSError as error:
        listening.close()
        raise ReviewRefused(f"{host} port {port} cannot be used: {error.strerror}: choose another --port") from error
    # The access log would hold the secrets of guest links.
    config = uvicorn.Config(
        app,
        root_path=root_path,
        access_log=False,
        log_config=None,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS,
        timeout_keep_alive=_IDLE_SECONDS,
        server_header=False,
        ws="none",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise ReviewRefused(f"{host} port {port}: the server did not start")
            await asyncio.sleep(0.01)
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{listening.getsockname()[1]}{root_path}/"
    finally:
        server.should_exit = True
        await serving
        listening.close()
