"""Run an S3 server in a process of its own; count its requests, and stop it for a while."""

import asyncio
import contextlib
import logging
import multiprocessing
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any, Final, Literal

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from pydantic import SecretStr
from werkzeug.serving import ThreadedWSGIServer

from previs.store import S3Settings, S3Store

Kind = Literal["s3", "folder"]
KINDS: Final[tuple[Kind, ...]] = ("s3", "folder")
"""Kinds of stores."""

_SPAWN = multiprocessing.get_context("spawn")
_END_WITHIN = 10
NAME = "bench"
# moto checks no signature.
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": "us-east-1"}


class Bucket:
    """Control an S3 server with one bucket.

    Attributes:
        url: Endpoint URL.
    """

    def __init__(self, line: Connection, url: str) -> None:
        self.url = url
        self._line = line

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of a process that uses it."""
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true"}

    def store(self, prefix: str) -> S3Store:
        """Return a store in a folder of the bucket; enter it with ``async with``."""
        settings = S3Settings(
            bucket=NAME,
            prefix=prefix,
            region=ENVIRONMENT["AWS_DEFAULT_REGION"],
            endpoint_url=self.url,
            access_key_id=SecretStr(ENVIRONMENT["AWS_ACCESS_KEY_ID"]),
            secret_access_key=SecretStr(ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]),
        )
        return S3Store(settings)

    async def counts(self) -> Counter[str]:
        """Return the number of requests since the last call, by kind: ``LIST``, or the HTTP method."""
        counted: Counter[str] = await self._ask("counts")
        return counted

    async def stop(self) -> None:
        """Refuse connections, and cut open ones."""
        await self._ask("stop")

    async def start(self) -> None:
        """Serve again, with the same content."""
        await self._ask("start")

    async def _ask(self, question: str) -> Any:  # noqa: ANN401 - the callers know what is answered
        self._line.send(question)
        return await asyncio.to_thread(self._line.recv)


@contextlib.asynccontextmanager
async def bucket() -> AsyncIterator[Bucket]:
    """Run an S3 server inside the ``async with`` block."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        yield Bucket(here, await asyncio.to_thread(here.recv))
    finally:
        here.close()
        process.join(_END_WITHIN)
        if process.is_alive():
            process.kill()
            process.join()


class _Listening(ThreadedWSGIServer):
    """Keep a list of connections, so that they can be cut."""

    def __init__(self, port: int, app: "_Counting") -> None:
        super().__init__("127.0.0.1", port, app, MotoRequestHandler)
        self._open: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - the base class's signature
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - the base class's signature
        """Ignore errors of connections that were cut."""

    def end(self) -> None:
        """Stop listening, and cut open connections."""
        self.shutdown()
        self.server_close()
        for each in tuple(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Counting:
    """Count the requests to moto's application."""

    def __init__(self) -> None:
        self.app = DomainDispatcherApplication(create_backend_app)
        self.counts: Counter[str] = Counter()
        # moto looks for a key that must be free before it writes it, and may write another's in between; S3 does not.
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        listing = "list-type" in environ.get("QUERY_STRING", "")
        self.counts["LIST" if listing else environ["REQUEST_METHOD"]] += 1
        with contextlib.nullcontext() if environ["REQUEST_METHOD"] in {"GET", "HEAD"} else self._writing:
            answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


def _serve(line: Connection) -> None:
    logging.disable()
    app = _Counting()
    server = _Listening(0, app)
    port = server.port
    url = f"http://127.0.0.1:{port}"
    client = boto3.session.Session("bench", "bench", region_name="us-east-1").client("s3", endpoint_url=url)
    client.create_bucket(Bucket=NAME)
    app.counts.clear()
    line.send(url)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        while True:
            match line.recv():
                case "counts":
                    line.send(app.counts.copy())
                    app.counts.clear()
                case "stop":
                    server.end()
                    line.send(None)
                case "start":
                    server = _Listening(port, app)
                    line.send(None)
