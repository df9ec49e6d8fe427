"""Simulated servers for the command line."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

from previs.simulator import Simulator, serve


@contextlib.asynccontextmanager
async def simulators(count: int, *, seconds: float, port: int = 0) -> AsyncIterator[list[str]]:
    """Serve simulators and yield their addresses; on consecutive ports from ``port``, or on free ones."""
    async with contextlib.AsyncExitStack() as served:
        yield [
            await served.enter_async_context(serve(Simulator(seconds=seconds), port=port + number if port else 0))
            for number in range(count)
        ]


async def wait_for_ever() -> None:
    """Wait until somebody sends SIGINT or SIGTERM."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()
