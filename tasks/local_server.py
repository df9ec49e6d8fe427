"""Serve Prefect's API on this machine, and have runs use that server."""

# ruff: noqa: PLC0415 - the record is locked, and the server started, before Prefect is imported

import asyncio
import gc
import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from previs.daemon import Claim, LocalServer, StartedServer, claim, log_file, running_server, start_server, stop_server
from previs.errors import PrevisError

if TYPE_CHECKING:
    import uvicorn

_BACKLOG: Final = 2048
_LAST_REQUESTS_SECONDS: Final = 5
# Objects after which garbage is looked for; a run of 1,000 shots makes about as many.
_OBJECTS: Final = 50_000
_LOOK_SECONDS: Final = 1.0
_DONE, _NOT_RUNNING, _REFUSED = 0, 1, 2


def control(word: str, home: str = "") -> int:
    """Start, stop or report the local server, or serve in this process, and return the exit code."""
    if word == "serve":
        return _serve(Path(home))
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    try:
        return {"start": _start, "stop": _stop, "status": _status}[word](settings.home, settings.api.url)
    except PrevisError as error:
        sys.stderr.write(f"{error}\n")
        return _NOT_RUNNING


def use_local_server(*, start: bool) -> StartedServer | None:
    """Use the local server in this process, unless Prefect's settings name one.

    Args:
        start: Whether to start one if none runs.

    Returns:
        The local server, or None if this process uses another one.

    Raises:
        PrefectUnavailable: It does not start.
    """
    from prefect.context import refresh_global_settings_context
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url is not None:
        return None
    if start:
        used = start_server(settings.home)
    elif running := running_server(settings.home):
        used = StartedServer(running, started=False)
    else:
        return None
    os.environ["PREFECT_API_URL"] = used.server.api
    refresh_global_settings_context()
    return used


def _start(home: Path, api: str | None) -> int:
    if api is not None:
        sys.stderr.write(f"PREFECT_API_URL, or Prefect's profile, names a server: {api}; runs use that one\n")
        return _REFUSED
    server, started = start_server(home)
    import httpx

    try:
        httpx.get(f"{server.api}/health", timeout=120).raise_for_status()
    except httpx.HTTPError as error:
        sys.stderr.write(f"{server.api} does not answer ({type(error).__name__}); its log is {log_file(home)}\n")
        return _NOT_RUNNING
    sys.stdout.write(f"{'started' if started else 'runs already'}: {_described(server, home)}\n")
    return _DONE


def _stop(home: Path, _: str | None) -> int:
    server = stop_server(home)
    sys.stdout.write(f"no local Prefect server runs for {home}\n" if server is None else f"stopped: {server.address}\n")
    return _DONE


def _status(home: Path, api: str | None) -> int:
    server = running_server(home)
    line = f"no local Prefect server runs for {home}" if server is None else f"runs: {_described(server, home)}"
    sys.stdout.write(f"{line}\n")
    if api is not None:
        sys.stdout.write(f"PREFECT_API_URL, or Prefect's profile, names a server: {api}; runs use that one\n")
    return _NOT_RUNNING if server is None else _DONE


def _described(server: LocalServer, home: Path) -> str:
    return (
        f"{server.address}, Prefect {server.version}, process {server.process}, data in {home}\n"
        f"export PREFECT_API_URL={server.api}"
    )


def _serve(home: Path) -> int:
    """Serve until a signal comes, unless another process does so already."""
    gc.disable()
    with claim(home) as claimed:
        if claimed is None:
            return _DONE
        os.ftruncate(sys.stderr.fileno(), 0)
        listening = listen(claimed.earlier_port)
        server = LocalServer(os.getpid(), listening.getsockname()[1], version("prefect"))
        claimed.write(server)
        asyncio.run(_serve_prefect(server, home, listening, claimed))
    return _DONE


def listen(port: int) -> socket.socket:
    """Return a socket that listens on 127.0.0.1, at a port if it is free, or else at another."""
    # asyncio sends small packets at once only through sockets of this protocol; through others they wait 40 ms.
    listening = socket.socket(proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError:
        listening.bind(("127.0.0.1", 0))
    listening.listen(_BACKLOG)
    return listening


async def _serve_prefect(server: LocalServer, home: Path, listening: socket.socket, claimed: Claim) -> None:
    origins = f"{server.address},http://localhost:{server.port}"
    os.environ |= {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(server.port),
        "PREFECT_SERVER_UI_API_URL": server.api,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": os.environ.get("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", origins),
    }
    import uvicorn
    from prefect.server.api.server import create_app
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    # A page on the web whose name has come to mean 127.0.0.1 is of another host.
    app = TrustedHostMiddleware(create_app(final=True), ["127.0.0.1", "localhost"])
    os.chdir(home)
    gc.freeze()
    served = uvicorn.Server(
        uvicorn.Config(
            app, lifespan="on", log_level="warning", timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS, access_log=False
        )
    )
    looking_after = asyncio.create_task(_look_after(served, claimed))
    await served.serve(sockets=[listening])
    looking_after.cancel()


async def _look_after(served: "uvicorn.Server", claimed: Claim) -> None:
    """Collect garbage from time to time, and end the server when its folder is deleted."""
    from prefect.server.database import provide_database_interface

    engine = await provide_database_interface().engine()
    while not claimed.lost:
        await asyncio.sleep(_LOOK_SECONDS)
        if gc.get_count()[0] > _OBJECTS:
            collect_if_idle(engine.pool)
    served.should_exit = True


def collect_if_idle(pool: object) -> None:
    """Collect garbage, unless a connection of a pool is in use.

    The collector may end a statement of a connection that waits, in a thread of its own, for the lock of a transaction
    of this event loop: on SQLite, Prefect then answers nothing for a minute.
    """
    from sqlalchemy.pool import QueuePool

    if not isinstance(pool, QueuePool) or not pool.checkedout():
        gc.collect()
