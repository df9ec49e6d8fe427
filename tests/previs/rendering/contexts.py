"""Open run contexts whose servers are all up, and plan and render takes in them."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from previs.comfyui.client.address import Address
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import PlannedTake, ReferenceImage
from previs.records.takes import TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.shots import Shot
from previs.store import Store
from tests.previs.comfyui.graphs import graph

if TYPE_CHECKING:
    # Processes that tests start import this module, and need neither pytest nor servers.
    from previs.simulator import Simulator
    from tests.conftest import Serve

QUICK = Limits(render=20, unreachable=1)
SHOT = Shot(shot_id="SH01", prompt="夜", duration=1.0)


@contextlib.asynccontextmanager
async def context_of(
    store: Store, *urls: str | Address, slots: int = 2, limits: Limits = QUICK, patience: float = 600
) -> AsyncIterator[RunContext]:
    """Open a run context, and wait until all its servers are up."""
    async with (
        SourceReader() as reader,
        Farm(
            (url if isinstance(url, Address) else Address(url) for url in urls), slots=slots, patience=patience
        ) as farm,
        Leases(store, str(uuid.uuid4()), interval=0.1) as leases,
    ):
        await wait_until(lambda: len(farm.up) == len(urls))
        yield RunContext(farm, store, reader, limits, RunProgress(), leases, InputAssets(store))


async def wait_until(condition: Callable[[], object], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


def take_of(made: Graph, *pictures: ReferenceImage, shot: Shot = SHOT) -> PlannedTake:
    named = {picture.name: picture for picture in pictures}
    return PlannedTake(shot, 1, made, 5, fingerprint(made), named, "sd_xl_base_1.0.safetensors")


def take(seed: int = 5, text: str = "夜") -> PlannedTake:
    return take_of(graph(seed, text))


def takes(count: int, text: str = "夜") -> list[PlannedTake]:
    """Plan one take for each of so many shots, SH01, SH02, …"""
    return [
        take_of(graph(number, text), shot=SHOT.model_copy(update={"shot_id": f"SH{number:02d}"}))
        for number in range(1, count + 1)
    ]


async def two_servers(simulate: "Serve") -> "tuple[list[Simulator], list[str]]":
    """Start two servers that render a take in a tenth of a second."""
    served = [await simulate(seconds=0.1) for _ in range(2)]
    return [simulator for simulator, _ in served], [url for _, url in served]


async def render(planned: PlannedTake, context: RunContext) -> TakeRecord:
    return await TakeDispatcher(planned, context).render()


Results = list[TakeRecord | BaseException]


async def render_all(planned: Iterable[PlannedTake], context: RunContext) -> Results:
    return await asyncio.gather(*(render(one, context) for one in planned), return_exceptions=True)


def records_of(results: Results) -> list[TakeRecord]:
    """Return the records of takes that were all rendered."""
    assert [result for result in results if not isinstance(result, TakeRecord)] == []
    return [result for result in results if isinstance(result, TakeRecord)]


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
