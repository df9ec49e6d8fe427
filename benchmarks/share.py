"""How near a farm comes to never idling."""

import asyncio
import time

from benchmarks.rows import Row
from benchmarks.servers import Plan, servers
from benchmarks.stage import stage, takes


async def share_of_the_ideal(shots: int, seconds: float, count: int, goal: float | None) -> Row:
    """``shots × seconds / servers`` over the time that it took, and the CPU seconds of both sides.

    Args:
        shots: to render.
        seconds: that each takes.
        count: of servers.
        goal: least share that is wanted.
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
