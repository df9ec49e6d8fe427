"""A folder, an S3 server on a real socket, and a server that answers as it is told."""

import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from previs.store import FolderStore, S3Settings, S3Store, Store

ACCESS_KEY_ID = "AKIDFORTESTSONLY0001"
SECRET_ACCESS_KEY = "secret-for-tests-only-4711"  # noqa: S105 - opens nothing


@pytest.fixture(autouse=True)
def no_aws_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    given = os.environ.get("PREVIS_TEST_S3_ENDPOINT")
    if given:
        yield given
        return
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    assert server._server is not None
    server._server.server_close()


@pytest.fixture
def settings(s3_endpoint: str) -> S3Settings:
    """Of a new bucket, with a prefix."""
    fresh = S3Settings(
        bucket=f"board-{uuid.uuid4()}",
        prefix="夜景 film",
        region="us-east-1",
        endpoint_url=s3_endpoint,
        access_key_id=os.environ.get("PREVIS_TEST_S3_ACCESS_KEY_ID", ACCESS_KEY_ID),
        secret_access_key=os.environ.get("PREVIS_TEST_S3_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    )
    assert fresh.access_key_id is not None
    assert fresh.secret_access_key is not None
    client = boto3.session.Session(
        fresh.access_key_id.get_secret_value(), fresh.secret_access_key.get_secret_value(), region_name=fresh.region
    ).client("s3", endpoint_url=s3_endpoint)
    client.create_bucket(Bucket=fresh.bucket)
    client.close()
    return fresh


@pytest.fixture
async def s3_store(settings: S3Settings) -> AsyncIterator[S3Store]:
    async with S3Store(settings) as store:
        yield store


@pytest.fixture
def folder_store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "故事 板" / "store")


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@dataclass(frozen=True)
class Answer:
    """What a scripted server says; cut, it promises more bytes than it sends."""

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
        """Say nothing."""


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[str, str], Answer]], ScriptedServer]]:
    """Starts a server whose answers a function of method and path makes."""
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
