"""Measure the memory that a process keeps of finished prompts."""

import asyncio
import ctypes
import gc
import multiprocessing
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.servers import Plan, servers
from benchmarks.stage import stage, takes

_SERVERS = 4
_AT_ONCE = 250


async def memory(prompts: int, points: int, goal_kb: float) -> Row:
    """Measure the KB of resident memory that each further 1,000 prompts leave, after the first third as warm-up.

    It runs in a process of its own, measures after the C library has returned free memory, and needs Linux.

    Args:
        prompts: Number of prompts to render.
        points: Number of measurements.
        goal_kb: Maximum wanted; with fewer prompts more of it is noise.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        running = asyncio.get_running_loop().run_in_executor(fresh, _in_fresh_process, prompts, prompts // points)
        measured = await running
    warm = {done: size for done, size in measured.items() if done >= prompts / 3}
    slope = 1000 * statistics.linear_regression(list(warm), list(warm.values())).slope
    figures = {f"mb_after_{done}": round(size / 1024, 1) for done, size in measured.items()}
    goal = f"at most {goal_kb:g} KB in 1,000 prompts"
    return Row({"kb_per_1000": round(slope, 1), **figures}, goal, slope <= goal_kb)


def _in_fresh_process(prompts: int, every: int) -> dict[int, int]:
    return asyncio.run(_sizes(prompts, every))


async def _sizes(prompts: int, every: int) -> dict[int, int]:
    sizes: dict[int, int] = {}
    async with servers(Plan([()] * _SERVERS)) as served, stage(served.urls) as on:
        for done in range(0, prompts, _AT_ONCE):
            await asyncio.gather(*(on.render(take) for take in takes(_AT_ONCE, start=done)))
            if (done + _AT_ONCE) % every == 0:
                gc.collect()
                _trim()
                sizes[done + _AT_ONCE] = _resident_kb()
    return sizes


def _trim() -> None:
    """Make the C library return free memory to the system; only glibc can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
