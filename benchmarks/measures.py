"""The measurements, each a row: what was measured, and figures by name."""

import asyncio
import json
import random
import statistics
import time
import uuid
from typing import Any

import httpx
from websockets.asyncio.client import connect

from benchmarks.stage import Stage, stage, takes
from previs.comfyui.server import Limits
from previs.simulator import Simulator

_PLACES = 2

Row = dict[str, str | float | int]


async def over_the_floor(prompts: int = 200) -> Row:
    """Milliseconds that a prompt that takes no time costs beyond a bare socket client on the same server."""
    async with stage(1, 0) as on, httpx.AsyncClient(base_url=on.urls[0]) as plain:
        graphs = [dict(take.graph) for take in takes(2 * prompts)]
        bare: list[float] = []
        async with connect(f"ws{on.urls[0].removeprefix('http')}/ws?clientId=bare", max_queue=None) as socket:
            for graph in graphs[:prompts]:
                began = time.perf_counter()
                answer = await plain.post("/prompt", json={"prompt": graph, "client_id": "bare"})
                prompt_id = answer.json()["prompt_id"]
                async for message in socket:
                    frame = json.loads(message)
                    if frame["type"] == "executing" and frame["data"]["node"] is None:
                        break
                (await plain.get(f"/history/{prompt_id}")).raise_for_status()
                bare.append(time.perf_counter() - began)
        server, ours = on.studio.farm.servers[0], []
        for graph in graphs[prompts:]:
            began = time.perf_counter()
            prompt_id = str(uuid.uuid4())
            await server.submit(graph, prompt_id)
            await server.follow(prompt_id, Limits())
            ours.append(time.perf_counter() - began)
    floor, median = 1000 * statistics.median(bare), 1000 * statistics.median(ours)
    return {"floor_ms": round(floor, 2), "client_ms": round(median, 2), "over_ms": round(median - floor, 2)}


async def share_of_the_ideal(shots: int, seconds: float, servers: int) -> Row:
    """How near a farm comes to never idling: ``shots × seconds / servers`` over the time it took."""
    async with stage(servers, seconds) as on:
        began = time.perf_counter()
        await asyncio.gather(*(on.render(take) for take in takes(shots)))
        took = time.perf_counter() - began
    ideal = shots * seconds / servers
    return {"shots": shots, "servers": servers, "seconds": round(took, 2), "share": round(ideal / took, 3)}


async def recovery(*, for_good: bool) -> Row:
    """Seconds from the loss of a server in mid-render until its prompts run again."""
    async with stage(2, 2.0) as on:
        work = [asyncio.create_task(on.render(take)) for take in takes(4)]
        lost = on.simulators[0]
        while not all(simulator.started for simulator in on.simulators) or lost.queue.remaining < _PLACES:
            await asyncio.sleep(0.01)
        wanted, began = set(lost.posted), time.perf_counter()
        before = [list(simulator.started) for simulator in on.simulators]
        if for_good:
            lost.faults.hang_up = float("inf")
        lost.restart()
        while not wanted <= _started_since(on.simulators, before):
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
        await asyncio.gather(*work)
    return {"seconds": round(took, 2)}


def _started_since(simulators: list[Simulator], before: list[list[str]]) -> set[str]:
    news = [simulator.started[len(old) :] for simulator, old in zip(simulators, before, strict=True)]
    return {prompt for new in news for prompt in new}


async def storm(shots: int, seconds: float, seed: int) -> Row:
    """Renders under random faults: how many were lost or wrongly failed, and how many renders it took.

    A file cut short or garbled twice running is rendered again: such renders are no doubles.
    """
    dice = random.Random(seed)  # noqa: S311 - draws faults
    async with stage(3, seconds) as on:
        weather = asyncio.create_task(_bad_weather(on, dice))
        ends = await asyncio.gather(*(on.render(take) for take in takes(shots)), return_exceptions=True)
        weather.cancel()
        await asyncio.wait([weather])
        kept = len(await on.studio.store.sizes("takes/"))
        started = sum(len(simulator.started) for simulator in on.simulators)
    failed = sum(isinstance(end, BaseException) for end in ends)
    return {"shots": shots, "lost": shots - kept, "failed": failed, "renders": started, "retries": len(on.retries)}


async def _bad_weather(on: Stage, dice: random.Random) -> None:
    while True:
        await asyncio.sleep(dice.random() * 0.4)
        faults = dice.choice(on.simulators).faults
        change: dict[str, Any] = dice.choice(
            [
                {"refuse": dice.randint(1, 6), "refuse_status": dice.choice([429, 502, 503])},
                {"hang_up": dice.randint(1, 4)},
                {"drop_sockets": 1, "drop_after_frames": dice.randint(1, 30)},
                {"lose_prompt_answer": 1},
                {"cut_downloads": dice.randint(1, 3)},
                {"garbage": dice.randint(1, 3)},
                {"history_lag": dice.choice([0, 0.2])},
            ]
        )
        for name, value in change.items():
            setattr(faults, name, value)
