"""Provide a folder, an S3 server and a scripted server, both on real sockets."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from previs.store import Store


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@dataclass(frozen=True)
class Answer:
    """Represent a scripted response; if ``cut``, it announces more bytes than it sends."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


class ScriptedServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Callable[[str, str], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Scripted)
        self.script = script
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Scripted(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path))
        answer = self.server.script(self.command, self.path)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body) + (10 if answer.cut else 0)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.close_connection = True

    def __getattr__(self, name: str) -> object:
        # http.server looks for a method named after the request's own, such as do_GET.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Suppress the log."""


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[str, str], Answer]], ScriptedServer]]:
    """Return a function that starts a server, whose responses a script makes from method and path."""
    running: list[tuple[ScriptedServer, threading.Thread]] = []

    def start(script: Callable[[str, str], Answer]) -> ScriptedServer:
        server = ScriptedServer(script)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        running.append((server, thread))
        return server

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer
