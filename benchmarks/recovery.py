"""Measure how long prompts wait when their server is killed."""

import asyncio
import time
from urllib.parse import urlsplit

from benchmarks.rows import Row
from benchmarks.servers import Plan, Servers, servers
from benchmarks.stage import stage, takes

_GOAL_SECONDS = 10
_RENDER_SECONDS = 1.0
_POLL_SECONDS = 0.02


async def restarted() -> Row:
    """Measure the seconds from killing a farm's only server until its two prompts have started again.

    The server is started again at once. When the second prompt starts, the first has been rendered.
    """
    async with servers(Plan([()], _RENDER_SECONDS)) as first, stage(first.urls) as on:
        work = asyncio.gather(*(on.render(take) for take in takes(2)))
        lost = await _prompts_of(first)
        began = time.perf_counter()
        await first.kill()
        port = urlsplit(first.urls[0]).port or 0
        async with servers(Plan([()], _RENDER_SECONDS, port)) as again:
            away = time.perf_counter() - began
            took = await _running_again(lost, again, began)
            await work
    return _row(took, {"server_away_seconds": round(away, 2)})


async def lost_for_good() -> Row:
    """Measure the seconds from killing one of two servers until its two prompts have started on the other one."""
    async with (
        servers(Plan([()], _RENDER_SECONDS)) as doomed,
        servers(Plan([()], _RENDER_SECONDS)) as other,
        stage([*doomed.urls, *other.urls]) as on,
    ):
        work = asyncio.gather(*(on.render(take) for take in takes(8)))
        await _prompts_of(other)
        lost = await _prompts_of(doomed)
        began = time.perf_counter()
        await doomed.kill()
        took = await _running_again(lost, other, began)
        await work
    return _row(took, {})


async def _prompts_of(server: Servers) -> set[str]:
    """Wait until a server has two prompts, and return their ids."""
    while len(found := (await server.waiting())[0]) < 2:  # noqa: PLR2004 - slots of a server on a farm
        await asyncio.sleep(_POLL_SECONDS)
    return set(found)


async def _running_again(wanted: set[str], server: Servers, began: float) -> float:
    while not wanted <= set((await server.started())[0]):
        await asyncio.sleep(_POLL_SECONDS)
    return time.perf_counter() - began


def _row(took: float, more: dict[str, float]) -> Row:
    return Row({"seconds": round(took, 2), **more}, f"within {_GOAL_SECONDS} s", took <= _GOAL_SECONDS)
