"""Measure the seconds and the memory to make the animatic of a board of stills."""

import asyncio
import hashlib
import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from benchmarks.rows import Row
from previs.animatic.make import Settings, make
from previs.animatic.timeline import timeline
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame
from previs.store import FolderStore, keys

_SIZE = (1280, 720)
_SECONDS_OF_SHOT = 3.0
_MOST_SECONDS = 60.0
_MOST_MB = 400.0
_SHOTS = 300
_BETWEEN_SAMPLES = 0.1


async def animatic(shots: int, *, slates: bool = False, moves: bool = False) -> Row:
    """Make the animatic of so many shots of 3 s at 1280 × 720, and count its frames; it needs Linux.

    The memory is that of all its processes together, in which what they share counts for each. The goal is for two
    cores, and for held stills.

    Args:
        shots: Number of shots, each with a picture of its own.
        slates: Whether slates and timecode are burned in.
        moves: Whether a slow push moves over each still.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(fresh, _in_fresh_process, shots, slates, moves)
        root = next(iter(fresh._processes))  # noqa: SLF001 - the executor does not name its process
        peak = 0.0
        while not working.done():
            peak = max(peak, sum(map(_resident_mb, _family(root))))
            await asyncio.wait([working], timeout=_BETWEEN_SAMPLES)
        figures = await working
    seconds = _MOST_SECONDS * shots / _SHOTS
    met = figures["seconds"] <= seconds and peak <= _MOST_MB
    goal = f"at most {seconds:g} s and {_MOST_MB:g} MB"
    whole = {**figures, "peak_mb": round(peak, 1)}
    return Row(whole) if moves else Row(whole, goal, met)


def _in_fresh_process(shots: int, slates: bool, moves: bool) -> dict[str, float]:  # noqa: FBT001 - called by the executor
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder), shots, Settings(slates=slates), push=moves))


async def _measured(folder: Path, shots: int, settings: Settings, *, push: bool) -> dict[str, float]:
    path = folder / "out.mp4"
    async with FolderStore(folder / "store") as store:
        board = await _board(store, shots)
        start, before = time.perf_counter(), sum(_cpu_seconds())
        plays = timeline(board, push=push)
        made = await make(store, plays, path, settings)
        seconds = time.perf_counter() - start
        cpu = sum(_cpu_seconds()) - before
    if made.faults:
        raise ValueError(made.faults[0])
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "frames_per_second": round(plays.frames / seconds),
        "mb": round(path.stat().st_size / 1e6, 1),
    }


async def _board(store: FolderStore, shots: int) -> Manifest:
    entries = []
    for number in range(shots):
        content = _picture(number)
        digest = hashlib.sha256(content).hexdigest()
        key = keys.frame_key(digest, ".png")
        await store.put(key, content, media_type="image/png")
        frame = Frame(key=key, sha256=digest, size=len(content), media_type="image/png")
        take = TakeEntry(take=1, outcome="rendered", fingerprint=digest, frames=(frame,))
        entries.append(
            ShotEntry(
                shot_id=number,
                success=True,
                image_url=None,
                prompt="",
                duration=_SECONDS_OF_SHOT,
                shot={"dialogue": f"line {number}"},
                takes=(take,),
            )
        )
    now = datetime.now(UTC)
    return Manifest(board="b", run="r", started=now, finished=now, workflow={}, shots=tuple(entries))


def _picture(number: int) -> bytes:
    """Return a picture with soft shapes and some grain, as renders have."""
    soft = Image.effect_noise((64, 36), 120).filter(ImageFilter.GaussianBlur(1)).resize(_SIZE, Image.Resampling.BICUBIC)
    grain = Image.effect_noise(_SIZE, 12)
    made = Image.merge("RGB", [soft, Image.blend(soft, grain, 0.2), grain])
    ImageDraw.Draw(made).text((40, 40), str(number), fill="white", font_size=200)
    file = io.BytesIO()
    made.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _cpu_seconds() -> tuple[float, ...]:
    return os.times()[:4]


def _family(root: int) -> Iterator[int]:
    """Yield a process and those that it started."""
    yield root
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                parent = int((each / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
            except OSError:
                continue
            if parent == root:
                yield from _family(int(each.name))


def _resident_mb(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
