"""Measure the client's time for a prompt against a floor: a bare WebSocket client on the same server."""

import json
import statistics
import time
import uuid
from collections.abc import Iterable

import httpx
from websockets.asyncio.client import connect

from benchmarks.rows import Row
from benchmarks.servers import Plan, servers
from benchmarks.stage import takes
from previs.comfyui.client.address import Address
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.graph import Graph

_GOAL_MS = 10


async def over_the_floor(rounds: int, prompts: int) -> Row:
    """Measure the milliseconds that an instant prompt takes beyond the floor: the median of the best round.

    Args:
        rounds: Number of rounds; both clients take turns.
        prompts: Number of prompts of each client in each round.
    """
    graphs = iter([dict(take.graph) for take in takes(2 * rounds * prompts)])
    measured: list[tuple[float, float]] = []
    async with servers(Plan(scripts=[()])) as served:
        [url] = served.urls
        for _ in range(rounds):
            bare = await _bare(url, [next(graphs) for _ in range(prompts)])
            measured.append((bare, await _ours(url, [next(graphs) for _ in range(prompts)])))
    floor, ours = min(measured, key=lambda each: each[1] - each[0])
    over = ours - floor
    figures = {"floor_ms": round(floor, 2), "client_ms": round(ours, 2), "over_ms": round(over, 2)}
    return Row(figures, f"at most {_GOAL_MS} ms over", over <= _GOAL_MS)


async def _bare(url: str, graphs: Iterable[Graph]) -> float:
    """Submit, wait for the last frame, read the history: the minimum to learn a prompt's outcome."""
    taken: list[float] = []
    async with (
        httpx.AsyncClient(base_url=url) as plain,
        connect(f"ws{url.removeprefix('http')}/ws?clientId=bare", max_queue=None) as socket,
    ):
        for graph in graphs:
            began = time.perf_counter()
            answer = await plain.post("/prompt", json={"prompt": graph, "client_id": "bare"})
            async for message in socket:
                frame = json.loads(message)
                if frame["type"] == "executing" and frame["data"]["node"] is None:
                    break
            (await plain.get(f"/history/{answer.json()['prompt_id']}")).raise_for_status()
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)


async def _ours(url: str, graphs: Iterable[Graph]) -> float:
    taken: list[float] = []
    async with Server(Address(url)) as server:
        await server.probe()
        for graph in graphs:
            began = time.perf_counter()
            prompt_id = str(uuid.uuid4())
            await server.submit(graph, prompt_id)
            await server.follow(prompt_id, Limits())
            taken.append(time.perf_counter() - began)
    return 1000 * statistics.median(taken)
