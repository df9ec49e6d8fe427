"""Measure what a run costs that is killed repeatedly, and check that nothing is lost."""

import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from benchmarks.bucket import Kind, bucket
from benchmarks.proof import flaws
from benchmarks.rows import Row
from benchmarks.runs import FlowProcess, prefect, shot_list
from benchmarks.servers import Plan, Servers, servers
from previs.store import FolderStore, Store

_SERVERS = 2
_RENDER_SECONDS = 0.1
_BOARD = "killed"
_POLL_SECONDS = 0.01
_STARTS_WITHIN = 1.5


async def killed(kind: Kind, shots: int, kills: int, seed: int) -> Row:
    """Count the renders of a run that is killed with SIGKILL at random moments and started again each time.

    Half of the moments come when a random number of prompts has started or of takes has ended, the others at a random
    time after the start.

    Args:
        kind: Kind of the store.
        shots: Number of shots on the board, one take each.
        kills: Number of kills.
        seed: Seed of the moments.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing secret is drawn
    async with prefect() as server, servers(Plan([()] * _SERVERS, _RENDER_SECONDS)) as farm, _stored(kind) as kept:
        store, name, environment = kept
        parameters = {"shots": _chained(shots), "farm": farm.urls, "store": name, "board": _BOARD}
        began = time.perf_counter()
        done = 0
        for number in sorted(chance.sample(range(1, shots), kills)):
            async with server.flow(environment, parameters) as flow:
                done += await _killed_at(number, chance, flow, farm)
        last = await server.run(environment, parameters)
        took = time.perf_counter() - began
        renders = sum(map(len, await farm.started()))
        found = await flaws(store, _BOARD, shots)
    if last.code:
        found.append(f"the last run: {last.message} {' '.join(last.log_lines)}")
    most = _SERVERS * done
    figures = {
        "renders": renders,
        "floor": shots,
        "over_the_floor": renders - shots,
        "kills": done,
        "seconds": round(took, 1),
        "flaws": len(found),
    }
    goal = f"no flaw, at most {most} renders over the floor"
    return Row(figures, goal, not found and 0 <= renders - shots <= most, found)


async def _killed_at(number: int, chance: random.Random, flow: FlowProcess, farm: Servers) -> bool:
    """Kill a run at a random moment; return whether it was still alive."""
    kind = chance.choice(("started", "settled", "time", "time"))
    until = asyncio.get_running_loop().time() + chance.uniform(0.0, 2 * _STARTS_WITHIN)
    while flow.process.returncode is None:
        if kind == "started" and sum(map(len, await farm.started())) >= number:
            break
        if kind == "settled" and len(flow.settled) >= number:
            break
        if kind == "time" and asyncio.get_running_loop().time() >= until:
            break
        await asyncio.sleep(_POLL_SECONDS)
    alive = flow.process.returncode is None
    await flow.kill()
    return alive


@contextlib.asynccontextmanager
async def _stored(kind: Kind) -> AsyncIterator[tuple[Store, str, Mapping[str, str]]]:
    """Yield a store, its path or URL, and the environment of a process that uses it."""
    if kind == "folder":
        with tempfile.TemporaryDirectory(prefix="previs-bench-") as folder:
            yield FolderStore(Path(folder)), folder, {}
    else:
        async with bucket() as s3, s3.store("killed") as store:
            yield store, store.name, s3.environment


def _chained(count: int) -> list[dict[str, object]]:
    """Return a shot list in which each tenth shot references the one before it."""
    shots = shot_list(count)
    for before, shot in zip(shots[8::10], shots[9::10], strict=False):
        shot["references"] = [{"url": f"shot:{before['shot_id']}", "reference_id": "before"}]
    return shots
