"""Provide stores, simulated servers and a Prefect server, all on real sockets."""

import contextlib
import functools
import gc
import io
import itertools
import os
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import IO

import hypothesis
import pytest
from moto.server import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from previs.simulator import Simulator, serve
from previs.store import FolderStore, S3Settings, S3Store, Store
from previs.store.s3_connection import make_client
from tests.prefect_server import NO_DEPLOYMENTS, prefect_server

TESTS = Path(__file__).parent
ACCESS_KEY_ID = "AKIDFORTESTSONLY0001"
SECRET_ACCESS_KEY = "secret-for-tests-only-4711"  # noqa: S105 - opens nothing


# Importing makes objects that stay: searching them for garbage takes a fifth of the time to collect the tests.
gc.disable()


def pytest_configure() -> None:
    # A busy machine makes any example slow.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    _forget_environment()


def _forget_environment() -> None:
    """Use nothing that this machine is set to: no AWS account, no proxy, none of its certificates."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    nowhere = str(TESTS / "no-such-file")
    os.environ |= {"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere}
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    # Each of Prefect's many HTTP clients takes 20 ms of CPU time to read the list of a system.
    for name in ("SSL_CERT_FILE", "PREFECT_API_SSL_CERT_FILE"):
        os.environ[name] = str(TESTS / "trusted.pem")
    # Each of them also asks its server for a token that no server here wants.
    os.environ["PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"] = "false"
    # Prefect searches each line that it logs for what to colour.
    os.environ["PREFECT_LOGGING_COLORS"] = "false"


def pytest_collection_finish() -> None:
    """Keep the garbage collector from searching all modules and tests again and again, and young objects so often."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 50)


class _KeepingAlive(MotoRequestHandler):
    """Keep connections open, as S3 does; werkzeug closes each, and a new one takes 1 ms of CPU time."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    # moto looks for a key that must be free before it writes it, and may write another's in between; S3 does not.
    writing = threading.Lock()

    def run_wsgi(self) -> None:
        if self.headers.get("Expect") == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with contextlib.nullcontext() if self.command in {"GET", "HEAD"} else self.writing:
            asked = self.make_environ() | {"wsgi.input": io.BytesIO(body)}
            parts, status, headers = run_wsgi_app(self.server.app, asked)
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
# Tests that wait, for pauses of a client or for a decoder: processes that have others left use the time.
WAITING = (
    "previs/comfyui/client",
    "previs/ingest/test_decoding.py",
    "previs/rendering",
    "previs/store/test_fault_schedule.py",
)
IMPURE = {"browser", "deployed_environment", "folder_store", "prefect_environment", "s3_endpoint", "simulate"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark pure tests, and put those that wait longest first, so that no long one is left to run alone at the end."""
    for item in items:
        if _is_pure(item):
            item.add_marker("pure")
    items[:] = _spread(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@functools.cache
def _begins_with(path: Path, names: tuple[str, ...]) -> bool:
    return path.relative_to(TESTS).as_posix().startswith(names)


def _is_pure(item: pytest.Item) -> bool:
    return _begins_with(item.path, PURE) and IMPURE.isdisjoint(getattr(item, "fixturenames", ()))


def _turn(item: pytest.Item) -> int:
    """Return 0 for deployed runs, 1 without a worker, 2 with Prefect's server alone, 3 if it needs a browser, 4 if it
    waits, 6 if pure, or 5.
    """
    fixtures = getattr(item, "fixturenames", ())
    if "deployed_environment" in fixtures:
        return 1 if "no_worker" in fixtures else 0
    if "prefect_environment" in fixtures:
        return 2
    if "browser" in fixtures:
        return 3
    if item.get_closest_marker("pure"):
        return 6
    return 4 if _begins_with(item.path, WAITING) else 5


def _spread(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Order tests for processes that each get an equal part of the list, and take from the ends of others' parts.

    The first gets the tests of deployed runs. Two get those with Prefect's server: each process starts one, and SQLite
    refuses writes if several use the same. The last gets those with a browser, which each process starts, too. Pure
    tests fill the parts.
    """
    parts: list[list[pytest.Item]] = [[] for _ in range(processes)]
    by_turn = [parts[:1], parts[:1], parts[1:3] or parts, parts[-1:], parts[1:] or parts, parts[1:] or parts]
    takers = [itertools.cycle(each) for each in by_turn]
    pure: list[pytest.Item] = []
    for (turn, _), group in itertools.groupby(sorted(items, key=_turn), key=lambda item: (_turn(item), item.path)):
        (next(takers[turn]) if turn < len(takers) else pure).extend(group)
    left = iter(pure)
    for number, part in enumerate(parts):
        size = (len(items) + number) // processes
        part.extend(itertools.islice(left, max(0, size - len(part))))
    return [*itertools.chain(*parts), *left]


@pytest.fixture(scope="session")
def prefect_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Run a Prefect server that starts no deployment; yield the environment of a process that uses it."""
    with prefect_server(tmp_path_factory, NO_DEPLOYMENTS) as environment:
        yield environment


@pytest.fixture(scope="module")
def no_threads_left() -> Iterator[None]:
    """End Prefect's threads, whose sockets draw from the ``random`` module while other tests do so, too."""
    yield
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - most tests need no Prefect

    EventsWorker.drain_all(timeout=30)
    # What they leave open is seen here, where it is known to be theirs, and not in the midst of another test.
    gc.collect()
