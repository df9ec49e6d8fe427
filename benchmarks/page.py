"""Measure what a browser loads of a board's page, and when it paints: with thumbnails, and with full frames."""

import asyncio
import contextlib
import functools
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from benchmarks.browser import browser, chromium
from benchmarks.pdf import stored_board
from benchmarks.rows import Row
from previs.pictures.thumbnails import thumbnail_of
from previs.publishing.views import FrameLinks, page
from previs.records.manifest import Manifest
from previs.records.takes import Frame
from previs.store import FolderStore

_MEGABITS, _LATENCY_MS = 50, 20
_LEAST_RATIO = 10.0
_SLACK_MS = 250


async def pages(shots: int) -> Row:
    """Open the page of so many shots over a line of 50 Mbit/s, and one of the same shots with full frames."""
    if chromium() is None:
        return Row({}, "Chromium is not installed")
    with tempfile.TemporaryDirectory() as folder:
        async with FolderStore(Path(folder)) as store:
            board = await stored_board(store, shots)
        return await asyncio.to_thread(_measured, Path(folder), board)


def _measured(folder: Path, board: Manifest) -> Row:
    small = _with_thumbnails(folder, board)
    (folder / "small.html").write_text(page(small, links=_link), encoding="utf-8")
    (folder / "full.html").write_text(page(board, links=_link), encoding="utf-8")
    with _served(folder) as url, browser() as tab:
        found = {
            name: tab.measure(f"{url}/{name}.html", megabits=_MEGABITS, latency_ms=_LATENCY_MS)
            for name in ("small", "full")
        }
    ratio = found["full"]["mb_all_seen"] / found["small"]["mb_all_seen"]
    late = found["small"]["first_paint_ms"] - found["full"]["first_paint_ms"]
    figures = {
        **found["small"],
        **{f"full_{name}": value for name, value in found["full"].items()},
        "page_mb": round((folder / "small.html").stat().st_size / 1e6, 2),
        "ratio": round(ratio, 1),
    }
    goal = f"a {_LEAST_RATIO:g}th of the bytes of full frames, and painted at most {_SLACK_MS} ms later"
    return Row(figures, goal, ratio >= _LEAST_RATIO and late <= _SLACK_MS)


def _with_thumbnails(folder: Path, board: Manifest) -> Manifest:
    def small(frame: Frame) -> Frame:
        with Image.open(folder / frame.key) as picture:
            return frame.model_copy(update={"thumbnail": thumbnail_of(picture)})

    shots = tuple(
        shot.model_copy(
            update={
                "takes": tuple(
                    take.model_copy(update={"frames": tuple(map(small, take.frames))}) for take in shot.takes
                )
            }
        )
        for shot in board.shots
    )
    return board.model_copy(update={"shots": shots})


def _link(frame: Frame) -> FrameLinks:
    return FrameLinks(frame.key, frame.key)


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _served(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Silent, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
