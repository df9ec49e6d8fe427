"""Measure the seconds and the memory to write a board as a timeline in each format, and to read it back."""

import asyncio
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.conversion import peak_mb
from benchmarks.rows import Row
from previs.editorial.conform import conform
from previs.editorial.cut import make_cut
from previs.editorial.files import SUFFIXES, read_timeline, write_timeline
from previs.records.manifest import Manifest, ShotEntry, TakeEntry

_MOST_SECONDS, _MOST_MB = 20.0, 300.0
_FPS = 24


async def timelines(shots: int) -> Row:
    """Write a board of so many shots in all formats and conform each file, in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        figures = await asyncio.get_running_loop().run_in_executor(fresh, partial(_in_fresh_process, shots))
    met = figures["whole"] and figures["seconds"] <= _MOST_SECONDS and figures["peak_mb"] <= _MOST_MB
    return Row(figures, f"read back whole, in {_MOST_SECONDS:g} s of CPU and {_MOST_MB:g} MB", bool(met))


def _in_fresh_process(shots: int) -> dict[str, float]:
    made, figures, whole = _board(shots), dict[str, float](), True
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            start, path = time.process_time(), Path(folder) / f"cut{suffix}"
            path.write_bytes(write_timeline(make_cut(made), suffix, _FPS, path.name))
            written = time.process_time()
            found = conform(made, read_timeline(path, _FPS), _FPS)
            whole &= [use.frames for use in found.uses] == [use.was for use in found.uses] and len(found.uses) == shots
            figures |= {
                f"write{suffix}": round(written - start, 2),
                f"read{suffix}": round(time.process_time() - written, 2),
            }
    return figures | {"seconds": round(time.process_time() - began, 1), "peak_mb": round(peak_mb(), 1), "whole": whole}


def _board(shots: int) -> Manifest:
    when = datetime(2026, 11, 29, tzinfo=UTC)
    takes = [
        TakeEntry(take=1, outcome="rendered", fingerprint=f"{number:064x}", seed=number) for number in range(shots)
    ]
    entries = tuple(
        ShotEntry(
            shot_id=f"SQ{number // 20:03d}_SH{number % 20 * 10:03d}",
            success=True,
            image_url=None,
            prompt="a lamp",
            duration=3.0,
            shot={"notes": f"看她的眼睛 {number}", "dialogue": "MEI: Wait!"},
            takes=(take,),
        )
        for number, take in enumerate(takes)
    )
    return Manifest(board="cut", run="r1", fps=_FPS, started=when, finished=when, workflow={}, shots=entries)
