"""Measure how close a farm comes to never being idle."""

import asyncio
import time

from benchmarks.rows import Row
from benchmarks.servers import Plan, servers
from benchmarks.stage import stage, takes


async def share_of_the_ideal(shots: int, seconds: float, count: int, goal: float | None) -> Row:
    """Divide the ideal time, ``shots × seconds / servers``, by the time taken; measure CPU time of both sides.

    Args:
        shots: Number of shots to render.
        seconds: Duration of each render.
        count: Number of servers.
        goal: Minimum share wanted.
    """
    planned = takes(shots)
    async with servers(Plan(scripts=[()] * count, seconds=seconds)) as served, stage(served.urls) as on:
        theirs, ours, began = await served.cpu_seconds(), time.process_time(), time.perf_counter()
        await asyncio.gather(*(on.render(take) for take in planned))
        took, ours = time.perf_counter() - began, time.process_time() - ours
        theirs = await served.cpu_seconds() - theirs
    share = shots * seconds / count / took
    figures = {
        "share": round(share, 3),
        "seconds": round(took, 2),
        "client_cpu_ms_per_shot": round(1000 * ours / shots, 1),
        "servers_cpu_ms_per_shot": round(1000 * theirs / shots, 1),
    }
    return Row(figures, f"at least {goal:.0%}" if goal else "", share >= goal if goal else None)
