"""What every measurement needs: simulated servers, a farm before them, shots to render."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass

from previs.comfyui.address import Address
from previs.comfyui.server import Limits
from previs.errors import PromptLost, TryAgain
from previs.farm import Farm
from previs.plan import PlannedTake, make_plan
from previs.render import render
from previs.shots import read_shot_list
from previs.simulator import Simulator, serve
from previs.sources import Sources
from previs.store import FolderStore
from previs.studio import Studio
from previs.watching import Account
from previs.workflow import read_workflow

SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 4}
_MOST_TRIES = 12
_PAUSE = 0.2


@dataclass(frozen=True)
class Stage:
    """Servers and what renders on them, without Prefect.

    Attributes:
        retries: errors that were tried again, by their names.
    """

    simulators: list[Simulator]
    urls: list[str]
    studio: Studio
    retries: list[str]

    async def render(self, take: PlannedTake) -> None:
        """Render a take, trying again as the flow's task does, with a short pause."""
        tried: frozenset[str] = frozenset()
        for attempt in range(_MOST_TRIES):
            place = await self.studio.farm.place(checkpoint=take.checkpoint, avoid=tried)
            try:
                await render(take, place, self.studio)
            except TryAgain as error:
                if attempt == _MOST_TRIES - 1:
                    raise
                self.retries.append(type(error).__name__)
                tried = frozenset() if isinstance(error, PromptLost) else frozenset({getattr(error, "server", "")})
                await asyncio.sleep(_PAUSE)
            else:
                return


@contextlib.asynccontextmanager
async def stage(servers: int, seconds: float) -> AsyncIterator[Stage]:
    """Serve simulators that draw next to nothing, and wait until the farm has found all of them."""
    async with contextlib.AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="previs-bench-"))
        simulators = [Simulator(seconds=seconds, draw=False, previews=False, steps_seen=4) for _ in range(servers)]
        urls = [await opened.enter_async_context(serve(simulator)) for simulator in simulators]
        farm = await opened.enter_async_context(Farm(Address(url) for url in urls))
        while len(farm.up) < servers:
            await asyncio.sleep(0.01)
        sources = await opened.enter_async_context(Sources())
        yield Stage(simulators, urls, Studio(farm, FolderStore(folder), sources, Limits(), Account()), [])


def takes(count: int) -> tuple[PlannedTake, ...]:
    """Takes of as many shots, each with a prompt of its own."""
    shots = [{"shot_id": number, "prompt": f"城市 {number}", "duration": 1} for number in range(count)]
    return make_plan(read_shot_list(shots), read_workflow(SETTINGS, name="the settings"), {}).takes
