"""Provide stores, simulated servers and a Prefect server, all on real sockets."""

import contextlib
import functools
import gc
import io
import os
import shutil
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import certifi
import httpx
import hypothesis
import pytest
from moto.server import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from previs.simulator import Simulator, serve
from previs.store import FolderStore, S3Settings, S3Store, Store
from previs.store.s3_connection import make_client

TESTS = Path(__file__).parent
ACCESS_KEY_ID = "AKIDFORTESTSONLY0001"
SECRET_ACCESS_KEY = "secret-for-tests-only-4711"  # noqa: S105 - opens nothing


def pytest_configure() -> None:
    # A busy machine makes any example slow.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    _forget_aws_and_proxies()
    _share_trusted_certificates()


def _forget_aws_and_proxies() -> None:
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    nowhere = str(TESTS / "no-such-file")
    os.environ |= {"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


def _share_trusted_certificates() -> None:
    """Read certifi's list once: each of Prefect's many HTTP clients would take 20 ms of CPU time to read it again."""
    create = ssl.create_default_context

    @functools.cache
    def of_certifi() -> ssl.SSLContext:
        return create(cafile=certifi.where())

    def create_or_share(*arguments: Any, **options: Any) -> ssl.SSLContext:
        only_certifi = not arguments and options == {"cafile": certifi.where()}
        return of_certifi() if only_certifi else create(*arguments, **options)

    ssl.create_default_context = create_or_share


def pytest_collection_finish() -> None:
    """Keep the garbage collector from searching all modules and tests again and again, and young objects so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


class _KeepingAlive(MotoRequestHandler):
    """Keep connections open, as S3 does; werkzeug closes each, and a new one takes 1 ms of CPU time."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def run_wsgi(self) -> None:
        if self.headers.get("Expect") == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts, status, headers = run_wsgi_app(self.server.app, self.make_environ() | {"wsgi.input": io.BytesIO(body)})
        content = b"".join(parts)
        self.send_response_only(int(status.split()[0]))
        for name, value in ({"Content-Length": str(len(content))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    given = os.environ.get("PREVIS_TEST_S3_ENDPOINT")
    if given:
        yield given
        return
    # moto's own server searches its folder twice for each request, to find the service that is asked.
    server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True, request_handler=_KeepingAlive)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settings(s3_endpoint: str, request: pytest.FixtureRequest) -> S3Settings:
    """Return settings with a prefix that no other test uses, in the module's bucket."""
    prefix = f"夜景 film/{uuid.uuid4()}"
    return _module_settings(request.module.__name__, s3_endpoint).model_copy(update={"prefix": prefix})


@functools.cache
def _module_settings(module: str, s3_endpoint: str) -> S3Settings:  # noqa: ARG001 - one for each
    return bucket_settings(s3_endpoint)


def bucket_settings(s3_endpoint: str) -> S3Settings:
    """Create a bucket and return settings with a prefix in it."""
    fresh = S3Settings(
        bucket=f"board-{uuid.uuid4()}",
        prefix="夜景 film",
        region="us-east-1",
        endpoint_url=s3_endpoint,
        access_key_id=os.environ.get("PREVIS_TEST_S3_ACCESS_KEY_ID", ACCESS_KEY_ID),
        secret_access_key=os.environ.get("PREVIS_TEST_S3_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    )
    client = make_client(fresh)
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


FOLDER_AND_S3 = pytest.mark.parametrize("empty", ["folder", "s3"], indirect=True)
"""Mark tests whose claim depends on the store; tests/previs/store shows for all others that the two do the same."""


@pytest.fixture
def empty(request: pytest.FixtureRequest) -> Store:
    """Return a folder, or what the test's parameter names."""
    made: Store = request.getfixturevalue(f"{getattr(request, 'param', 'folder')}_store")
    return made


@pytest.fixture
def store(empty: Store) -> Store:
    return empty


Serve = Callable[..., Awaitable[tuple[Simulator, str]]]


@pytest.fixture
async def simulate() -> AsyncIterator[Serve]:
    """Return a function that starts simulated servers: quick ones with small pictures, unless set otherwise."""
    async with contextlib.AsyncExitStack() as served:

        async def start(**settings: object) -> tuple[Simulator, str]:
            simulator = Simulator(**{"seconds": 0.05, "draw": False, "previews": False} | settings)  # type: ignore[arg-type]
            return simulator, await served.enter_async_context(serve(simulator))

        yield start


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[str]]:
    """Yield the command's end of this process's standard input."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as given, os.fdopen(writing, "w") as command:
        monkeypatch.setattr(sys, "stdin", given)
        yield command


# Packages whose tests need no server, store or process, and fixtures that give them one all the same.
PURE = (
    "blocks",
    "previs/comfyui/protocol",
    "previs/farm",
    "previs/pictures",
    "previs/planning",
    "previs/publishing/views",
    "previs/records",
    "previs/screenplay",
    "previs/shots",
    "previs/test_errors.py",
    "previs/workflow",
    "tasks",
)
IMPURE = {"browser", "deployed_environment", "folder_store", "prefect_environment", "s3_endpoint", "simulate"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark pure tests, and put those that wait longest first, so that no long one is left to run alone at the end."""
    for item in items:
        if _is_pure(item):
            item.add_marker("pure")
    items.sort(key=_turn)


def _is_pure(item: pytest.Item) -> bool:
    path = item.path.relative_to(TESTS).as_posix()
    return path.startswith(PURE) and IMPURE.isdisjoint(getattr(item, "fixturenames", ()))


def _turn(item: pytest.Item) -> int:
    """Return 0 for tests of deployed runs, 1 for others with Prefect's server, 3 for pure ones, 2 for the rest."""
    fixtures = getattr(item, "fixturenames", ())
    if "deployed_environment" in fixtures:
        return 0
    if "prefect_environment" in fixtures:
        return 1
    return 3 if item.get_closest_marker("pure") else 2


PREFECT_STARTS = 120

# Prefect waits for seconds where the tests would wait along. The more often it writes, the more often SQLite is locked.
PREFECT_PERIODS = {
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Return where the processes of one run of the tests share a database that Prefect has migrated."""
    # Without pytest-xdist the folder above would be shared with other runs.
    return tmp_path_factory.getbasetemp().parent / "prefect.db" if "PYTEST_XDIST_WORKER" in os.environ else None


def _share_database(of_server: Path, shared: Path) -> None:
    unfinished = shared.with_suffix(f".{os.getpid()}")
    with closing(sqlite3.connect(of_server)) as source, closing(sqlite3.connect(unfinished)) as copy:
        source.backup(copy)
    unfinished.replace(shared)


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a Prefect server on a new database; yield the environment of a process that uses it."""
    with prefect_server(tmp_path_factory) as environment:
        yield environment


@contextlib.contextmanager
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a Prefect server on a new database; yield the environment of a process that uses it."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    environment = (
        os.environ
        | PREFECT_PERIODS
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        }
    )
    shared = _migrated_database(tmp_path_factory)
    if shared and shared.exists():
        # Migrating a new database takes longer than the start of the server.
        shutil.copy(shared, home / "prefect.db")
    command = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            _wait_for(f"{environment['PREFECT_API_URL']}/health", server, home / "server.log")
            if shared and not shared.exists():
                _share_database(home / "prefect.db", shared)
            yield environment
        finally:
            # Its database ends with it; a server that is asked to end waits for what its triggers have started.
            server.kill()
            server.wait(30)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PREFECT_STARTS
    while time.monotonic() < end and server.poll() is None:
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"Prefect's server did not start:\n{log.read_text()[-4000:]}")
