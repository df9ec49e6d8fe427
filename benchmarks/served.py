"""Measure the seconds, the bytes and the memory of a server that shows boards with their reviews."""

import asyncio
import base64
import hashlib
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks.rows import Row
from previs.records.manifest import Manifest, ShotEntry, TakeEntry, json_pieces
from previs.records.reviews import ReviewEvent
from previs.records.takes import Frame
from previs.store import FolderStore, keys

_MOST_SECONDS = 3.0
_MOST_MB = 250.0
_PEOPLE = 10
_THUMBNAIL_BYTES = 9_000
_GRAPH = {str(number): {"class_type": "KSampler", "inputs": {"text": "x" * 300}} for number in range(12)}


async def served(boards: int, shots: int) -> Row:
    """Serve so many boards of so many shots, in a process of its own, and look at the list, a board and its review.

    The memory is the most that the server's process held, its client's part included; it needs Linux.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        for number in range(boards):
            await _publish(store, number, shots)
        loop, spawn = asyncio.get_running_loop(), multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn) as fresh:
            figures = await loop.run_in_executor(fresh, partial(_in_fresh_process, folder))
    met = (
        max(figures["list_s"], figures["board_s"]) <= _MOST_SECONDS * max(1, boards / 20) and figures["mb"] <= _MOST_MB
    )
    return Row(figures, f"list and board at most {_MOST_SECONDS:g} s each, {_MOST_MB:g} MB", met)


def _in_fresh_process(folder: str) -> dict[str, float]:
    return asyncio.run(_measured(folder))


async def _measured(folder: str) -> dict[str, float]:
    from previs.review.desk import Desk  # noqa: PLC0415 - the import counts
    from previs.review.web import ServeSettings, make_app, serve  # noqa: PLC0415 - the same

    store = FolderStore(folder)
    app = make_app(store, ServeSettings().checked(), desk=Desk(store, folder, find=lambda: None))
    figures: dict[str, float] = {}
    async with serve(app) as url, httpx.AsyncClient(base_url=url, timeout=120) as browser:
        figures["list_s"], _ = await _timed(browser, "")
        figures["list_again_s"], _ = await _timed(browser, "")
        page = (await browser.get("boards/board-0/")).headers["location"]
        figures["board_s"], answer = await _timed(browser, page)
        figures["board_again_s"], _ = await _timed(browser, page)
        figures["page_mb"] = round(len(answer.content) / 1e6, 2)
        figures["page_sent_mb"] = round(int(answer.headers["content-length"]) / 1e6, 2)
        figures["review_s"], answer = await _timed(browser, "boards/board-0/state")
        figures["review_kb"] = round(len(answer.content) / 1e3, 1)
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(browser.get("boards/board-0/state") for _ in range(_PEOPLE)))
        figures[f"looks_of_{_PEOPLE}_s"] = round(time.perf_counter() - began, 2)
        figures["cpu_of_a_look_s"] = round((time.process_time() - cpu) / _PEOPLE, 3)
    figures["mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)
    return figures


async def _timed(browser: httpx.AsyncClient, path: str) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    answer = await browser.get(path)
    answer.raise_for_status()
    return round(time.perf_counter() - began, 2), answer


async def _publish(store: FolderStore, board: int, shots: int) -> None:
    now, name, run = datetime.now(UTC), f"board-{board}", "20261130-100000-000-abcdef01"
    entries = tuple(_shot(board, number) for number in range(shots))
    made = Manifest(board=name, run=run, lang="zh", started=now, finished=now, workflow={}, shots=entries)
    content = b"".join(json_pieces(made))
    await store.put(keys.run_key(name, run, "manifest.json"), content, media_type="application/json")
    for entry in entries if board == 0 else ():
        known: dict[str, Any] = {"shot_id": str(entry.shot_id), "at": now, "by": "Anna", "run": run}
        picture = entry.takes[0].frames[0].sha256
        for number, kind in enumerate(("approve", "comment"), 1):
            said = ReviewEvent(number=number, kind=kind, picture=picture, text="更多雨" * 10, **known)
            key = keys.review_key(name, str(entry.shot_id), number)
            await store.put(key, said.model_dump_json(by_alias=True).encode(), media_type="application/json")


def _shot(board: int, number: int) -> ShotEntry:
    digest = hashlib.sha256(f"{board} {number}".encode()).hexdigest()
    thumbnail = f"data:image/webp;base64,{base64.b64encode(os.urandom(_THUMBNAIL_BYTES)).decode()}"
    frame = Frame(
        key=keys.frame_key(digest, ".png"),
        sha256=digest,
        size=1_000_000,
        media_type="image/png",
        width=1280,
        height=720,
        thumbnail=thumbnail,
    )
    take = TakeEntry(take=1, outcome="rendered", fingerprint=digest, frames=(frame,), graph=_GRAPH, seed=7)
    shot = {"description": "雾中的码头。老渔夫背对镜头收网。", "prompt": "雾中的码头" * 20}
    return ShotEntry(
        shot_id=f"SH{number:04d}",
        success=True,
        image_url=None,
        prompt=shot["prompt"],
        duration=3,
        shot=shot,
        takes=(take,),
    )
