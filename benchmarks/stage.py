"""Set up what every measurement needs: a farm, a store, and takes to render."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from previs.comfyui.client.address import Address
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph
from previs.errors import NoServer, TryAgain
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.planning.fingerprint import fingerprint
from previs.planning.make_plan import make_plan
from previs.planning.plan import PlannedTake, RunWorkflow
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.shots import read_shot_list
from previs.store import FolderStore
from previs.workflow import read_workflow

SETTINGS = {"checkpoint": "sd_xl_base_1.0.safetensors", "width": 64, "height": 64, "steps": 4}
_PAUSES = (0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Stage:
    """Render on servers, without Prefect.

    Attributes:
        context: Context of the renders.
        folder: Folder of the store.
        retries: Errors after which a render was tried again.
    """

    context: RunContext
    folder: Path
    retries: list[TryAgain] = field(default_factory=list)

    async def render(self, take: PlannedTake) -> None:
        """Render a take, with as many attempts as the flow's task but a quarter of its pauses."""
        dispatcher = TakeDispatcher(take, self.context)
        for pause in _PAUSES:
            try:
                await dispatcher.render()
            except NoServer:
                raise
            except TryAgain as error:
                self.retries.append(error)
                await asyncio.sleep(pause)
            else:
                return
        await dispatcher.render()


@contextlib.asynccontextmanager
async def stage(urls: Sequence[str]) -> AsyncIterator[Stage]:
    """Open a farm of servers and a temporary store, and wait for the first free slot."""
    async with contextlib.AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="previs-bench-"))
        farm = await opened.enter_async_context(Farm(Address(url) for url in urls))
        (await farm.acquire_slot()).release()
        sources = await opened.enter_async_context(SourceReader())
        store = FolderStore(folder)
        leases = await opened.enter_async_context(Leases(store, "bench"))
        yield Stage(RunContext(farm, store, sources, Limits(), RunProgress(), leases, InputAssets(store)), Path(folder))


def takes(count: int, *, start: int = 0) -> tuple[PlannedTake, ...]:
    """Plan one take for each of ``count`` shots that sample, each with its own prompt; number them from ``start``."""
    shots = [{"shot_id": start + number, "prompt": f"城市 {start + number}", "duration": 1} for number in range(count)]
    return make_plan(read_shot_list(shots), {None: RunWorkflow(read_workflow(SETTINGS, name="the settings"))}, {}).takes


def short_takes(count: int) -> list[PlannedTake]:
    """Make takes that take no time: their graphs have no sampler."""
    model = takes(1)[0]
    return [_with_graph(model, _plain_picture(number)) for number in range(count)]


def takes_of_one_picture(count: int) -> list[PlannedTake]:
    """Make takes whose graphs differ only in node ids, so that a server samples only for the first."""
    model = takes(1)[0]
    return [_with_graph(model, _renumbered(model.graph, f"{number + 1:04}")) for number in range(count)]


def _with_graph(take: PlannedTake, graph: Graph) -> PlannedTake:
    return replace(take, graph=graph, fingerprint=fingerprint(graph))


def _plain_picture(color: int) -> Graph:
    return {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": color}},
        "2": {"class_type": "SaveImage", "inputs": {"filename_prefix": "plain", "images": ["1", 0]}},
    }


def _renumbered(graph: Graph, prefix: str) -> Graph:
    def moved(value: object) -> object:
        match value:
            case [str() as node, int() as output] if node in graph:
                return [prefix + node, output]
        return value

    return {
        prefix + name: {**node, "inputs": {key: moved(value) for key, value in node["inputs"].items()}}
        for name, node in graph.items()
    }
