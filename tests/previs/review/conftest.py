"""Serve the boards of a store to clients on real sockets."""

import asyncio
import contextlib
import queue
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from previs.review.desk import Desk
from previs.review.prefect_api import PrefectApi
from previs.review.web import ServeSettings, make_app, serve
from previs.store import FolderStore, Store
from tests.previs.pdf.boards import BLUE, RED, png
from tests.previs.records.published import manifest, put_run, shot, take

PASSWORD = "correct horse"  # noqa: S105 - opens nothing
BOARD = "夜景 1"
PICTURES = png(RED), png(BLUE)


def client(url: str, **cookies: str) -> httpx.AsyncClient:
    """Return a browser's client: it sends the origin, as browsers do."""
    return httpx.AsyncClient(base_url=url, headers={"Origin": url.rstrip("/")}, cookies=cookies, timeout=30)


@contextlib.asynccontextmanager
async def member(url: str, name: str = "Anna") -> AsyncIterator[httpx.AsyncClient]:
    """Yield the client of a person who gave the password."""
    async with client(url) as made:
        answer = await made.post("login", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        yield made


@contextlib.asynccontextmanager
async def guest(url: str, secret: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield the client of a guest who opened a link."""
    async with client(url) as made:
        answer = await made.get(f"guest/{secret}")
        assert answer.status_code == 303, answer.text
        yield made


@contextlib.asynccontextmanager
async def serving(
    store: Store, password: str = PASSWORD, prefect: Callable[[], PrefectApi | None] = lambda: None, **settings: object
) -> AsyncIterator[str]:
    """Serve the boards of a store, by default without any Prefect, and yield the URL."""
    checked = ServeSettings(password=password, **settings).checked()  # type: ignore[arg-type]
    desk = Desk(store, store.name, find=prefect)
    async with serve(make_app(store, checked, desk=desk), root_path=checked.root_path) as url:
        yield url


@contextlib.contextmanager
def in_thread(served: Callable[[], AbstractAsyncContextManager[str]]) -> Iterator[str]:
    """Serve in a thread of its own, for tests that wait for a browser, and yield the URL."""
    started: queue.Queue[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = queue.Queue()

    async def serve_until_stopped() -> None:
        stop = asyncio.Event()
        async with served() as url:
            started.put((url, asyncio.get_running_loop(), stop))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve_until_stopped()))
    thread.start()
    url, loop, stop = started.get(timeout=30)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def serving_in_thread(store: Store, *words: str, **settings: object) -> AbstractContextManager[str]:
    """Serve as :func:`serving` does, in a thread."""
    return in_thread(lambda: serving(store, *words, **settings))  # type: ignore[arg-type]


@dataclass
class PrefectStandIn:
    """Answer the four requests of a review as Prefect 3.8 does, and keep what was asked.

    Attributes:
        runs: Runs of each board, as flow_runs/filter lists them.
        asked: Paths and bodies of all requests that change something.
        refuses: Why a run is not resumed; empty if it is.
        lost: Number of runs that are made while a proxy answers 502.
    """

    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refuses: str = ""
    lost: int = 0

    def app(self) -> Starlette:
        async def found(request: Request) -> Response:
            (tag,) = (await request.json())["flow_runs"]["tags"]["all_"]
            return JSONResponse(self.runs.get(tag.removeprefix("board:"), []))

        async def resume(request: Request) -> Response:
            self.asked.append((request.url.path, await request.json()))
            if self.refuses:
                return JSONResponse({"status": "REJECT", "details": {"type": "reject_details", "reason": self.refuses}})
            self.runs.clear()
            return JSONResponse({"status": "ACCEPT", "details": {"type": "accept_details"}}, 201)

        async def deployment(_: Request) -> Response:
            return JSONResponse({"id": str(uuid.UUID(int=7)), "name": "by-hand"})

        async def create(request: Request) -> Response:
            self.asked.append((request.url.path, await request.json()))
            if len(self.asked) <= self.lost:
                return Response(status_code=502)
            return JSONResponse({"id": str(uuid.UUID(int=8))}, 201)

        return Starlette(
            routes=[
                Route("/api/flow_runs/filter", found, methods=["POST"]),
                Route("/api/flow_runs/{run}/resume", resume, methods=["POST"]),
                Route("/api/deployments/name/storyboard/by-hand", deployment),
                Route("/api/deployments/{deployment}/create_flow_run", create, methods=["POST"]),
            ]
        )

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[Callable[[], PrefectApi]]:
        """Serve it, and yield what finds it."""
        async with serve(self.app()) as url:
            yield lambda: PrefectApi(f"{url}api")

    @contextlib.asynccontextmanager
    async def address(self) -> AsyncIterator[str]:
        """Serve it, and yield the URL of its API."""
        async with serve(self.app()) as url:
            yield f"{url}api"

    def pause(self, board: str, run: str, state: str = "PAUSED") -> None:
        """Have a run of a board be paused, whose ID begins as the end of its name within the board."""
        known = {"id": f"{run.rpartition('-')[2]}-0000-4000-8000-000000000000", "name": "夜景 · 2 shots · #1"}
        self.runs[board] = [known | {"state_type": state, "start_time": "2026-11-30T10:00:00Z"}]


@pytest.fixture
async def reviewed(tmp_path: Path) -> FolderStore:
    """Return a store with a board of two shots: one with two takes, one that failed."""
    made = FolderStore(tmp_path / "store")
    await put_run(made, first_run(), PICTURES)
    return made


def first_run(**changes: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Return the manifest of the board's first run."""
    shots = (
        shot("SH010", take(1, PICTURES[0]), take(2, PICTURES[1]), shot={"shot_id": "SH010", "prompt": "雨"}),
        shot("SH020", take(1, error="no room"), shot={"shot_id": "SH020", "prompt": "夜"}),
    )
    return manifest(*shots, board=BOARD, **changes)  # type: ignore[arg-type]
