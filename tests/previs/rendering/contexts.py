"""Open run contexts whose servers are all up, and plan takes for them."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

from previs.comfyui.client.address import Address
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.planning.fingerprint import fingerprint
from previs.planning.plan import PlannedTake, ReferenceImage
from previs.rendering.context import RunContext
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.shots import Shot
from previs.store import FolderStore, S3Store
from tests.previs.comfyui.graphs import graph

QUICK = Limits(render=20, silence=20, unreachable=1)
SHOT = Shot(shot_id="SH01", prompt="夜", duration=1.0)


@contextlib.asynccontextmanager
async def context_of(
    store: FolderStore | S3Store, *urls: str, slots: int = 2, limits: Limits = QUICK, run: str = ""
) -> AsyncIterator[RunContext]:
    """Open a run context, and wait until all its servers are up."""
    async with (
        SourceReader() as sources,
        Farm((Address(url) for url in urls), slots=slots) as farm,
        Leases(store, run or str(uuid.uuid4()), interval=0.1) as leases,
    ):
        while len(farm.up) < len(urls):
            await asyncio.sleep(0.01)
        yield RunContext(farm, store, sources, limits, RunProgress(), leases, InputAssets(store))


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
