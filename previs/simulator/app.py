"""Build the ASGI application of a simulator: its endpoints, behind the faults of requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from previs.simulator.gate import Gate
from previs.simulator.performance import Performance
from previs.simulator.routes import no_route, routes
from previs.simulator.server import Simulator


def make_app(simulator: Simulator) -> ASGIApp:
    """Return a simulator's application; while it runs, the simulator runs its queue."""
    return Starlette(
        routes=routes(simulator),
        lifespan=lambda _: simulator.running(),
        middleware=[Middleware(Gate, simulator)],
        exception_handlers={404: no_route, 405: no_route},
    )


@contextlib.asynccontextmanager
async def playing(simulator: Simulator) -> AsyncIterator[None]:
    """Play the simulator's script inside the ``async with`` block.

    The simulator keeps the player, so that a script continues when the simulator is served again.
    """
    if simulator.player is None:
        simulator.player = Performance(simulator)
    task = asyncio.create_task(simulator.player.play())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
