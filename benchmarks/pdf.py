"""Measure the seconds, the memory and the size of the PDF of a board."""

import asyncio
import hashlib
import io
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

from benchmarks.rows import Row
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame
from previs.store import FolderStore, keys

_SIZES = ((1280, 720), (720, 1280), (1024, 1024), (1920, 800))
_SHOTS = 300
_MOST_SECONDS = 30.0
_MOST_MB = 300.0
_MB_OF_SHOT = 0.05  # the JPEG, twice, and the texts
_COMMON_HAN = 0x4E00
_SHOT = {
    "description": "雾中的码头。老渔夫背对镜头收网，远处渡轮鸣笛，海鸥掠过水面。",
    "dialogue": "老周：这天气，出不了海。",
    "notes": "开场",
    "camera": {"size": "大全景", "angle": "低角度", "movement": "推"},
}


async def pdf(shots: int) -> Row:
    """Make the PDF of so many shots with Chinese texts and pictures of four aspects, in a process of its own.

    The memory is the most that this process, or one that it started, held at a time; it needs Linux.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        figures = await asyncio.get_running_loop().run_in_executor(fresh, partial(_in_fresh_process, shots))
    seconds = _MOST_SECONDS * max(shots / _SHOTS, 1)
    megabytes = _MOST_MB + _MB_OF_SHOT * max(shots - _SHOTS, 0)
    met = figures["seconds"] <= seconds and figures["peak_mb"] <= megabytes
    return Row(figures, f"at most {seconds:g} s and {megabytes:g} MB", met)


def _in_fresh_process(shots: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measured(Path(folder), shots))


async def _measured(folder: Path, shots: int) -> dict[str, float]:
    async with FolderStore(folder / "store") as store:
        board = await stored_board(store, shots)
        start, before = time.perf_counter(), time.process_time()
        from previs.pdf import make  # noqa: PLC0415 - the import counts

        made = await make(store, board, {})
        seconds, cpu = time.perf_counter() - start, time.process_time() - before
    if made.faults or made.panels != shots:
        raise ValueError(made.faults)
    usage = max(resource.getrusage(each).ru_maxrss for each in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "pages": made.pages,
        "mb": round(len(made.content) / 1e6, 1),
        "peak_mb": round(usage * 1024 / 1e6, 1),
    }


async def stored_board(store: FolderStore, shots: int) -> Manifest:
    """Return a board of so many shots, whose frames are in the store, without thumbnails."""
    entries = []
    for number in range(shots):
        frame = await _frame(store, number)
        take = TakeEntry(take=1, outcome="rendered", fingerprint=frame.sha256, frames=(frame,))
        # Most boards have several hundred different characters.
        shot = _SHOT | {"notes": chr(_COMMON_HAN + 7 * number) + chr(_COMMON_HAN + 7 * number + 3)}
        entries.append(
            ShotEntry(
                shot_id=f"SQ010_SH{number:04d}",
                success=True,
                image_url=None,
                prompt="",
                duration=3,
                shot=shot,
                takes=(take,),
            )
        )
    now = datetime.now(UTC)
    return Manifest(board="雾港", run="r", lang="zh", started=now, finished=now, workflow={}, shots=tuple(entries))


async def _frame(store: FolderStore, number: int) -> Frame:
    """Store a picture of its own."""
    size = _SIZES[number % len(_SIZES)]
    made = _soft(size).copy()
    ImageDraw.Draw(made).text((40, 40), str(number), fill="white", font_size=200)
    file = io.BytesIO()
    made.save(file, "PNG", compress_level=1)
    content = file.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    key = keys.frame_key(digest, ".png")
    await store.put(key, content, media_type="image/png")
    return Frame(key=key, sha256=digest, size=len(content), media_type="image/png", width=size[0], height=size[1])


@cache
def _soft(size: tuple[int, int]) -> Image.Image:
    """Return a picture with soft shapes and some grain, as renders have."""
    soft = Image.effect_noise((64, 36), 120).filter(ImageFilter.GaussianBlur(1)).resize(size, Image.Resampling.BICUBIC)
    return Image.merge("RGB", [soft, Image.blend(soft, Image.effect_noise(size, 12), 0.2), soft])
