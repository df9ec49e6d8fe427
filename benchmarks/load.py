"""Measure a board of many shots that are all rendered, and how Prefect's API answers meanwhile."""

import asyncio
import contextlib
import json
import os
import re
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bucket import NAME, Kind, bucket
from benchmarks.machine import Worker, network
from benchmarks.proof import flaws
from benchmarks.rows import Row
from benchmarks.runs import Prefect, prefect, shot_list
from benchmarks.servers import Plan, servers
from benchmarks.stage import SETTINGS
from previs.store import FolderStore

_SERVERS = 4
_GOAL_CPU_MS = 12
_GOAL_MB = 300
_MANY = 1_000
_POLL_SECONDS = 0.25
_BOARD = "load"
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_PAGE = {"sort": "START_TIME_DESC", "limit": 200}


@dataclass(slots=True)
class _Watch:
    """Watch the API and the processes of flow runs.

    Attributes:
        latencies: Seconds that a page of flow runs took, once each poll.
        processes: CPU seconds and peak memory in MB of each process, by its id.
    """

    latencies: list[float] = field(default_factory=list)
    processes: dict[int, tuple[float, float]] = field(default_factory=dict)

    async def until_ended(self, server: Prefect, run: str) -> dict[str, Any]:
        """Watch until the run has ended; return it."""
        async with httpx.AsyncClient(base_url=server.api, timeout=60) as client:
            while True:
                began = time.perf_counter()
                # Prefect's server on SQLite can be silent for a minute, or answer 500, while the run goes on.
                with contextlib.suppress(httpx.HTTPError):
                    (await client.post("flow_runs/filter", json=_PAGE)).raise_for_status()
                self.latencies.append(time.perf_counter() - began)
                self._measure(server)
                with contextlib.suppress(httpx.HTTPError):
                    found: dict[str, Any] = (await client.get(f"flow_runs/{run}")).raise_for_status().json()
                    if found["state_type"] in _ENDED:
                        return found
                await asyncio.sleep(_POLL_SECONDS)

    def figures(self, shots: int, bare_cpu: float) -> dict[str, float]:
        """Return what was seen, for a board of so many shots and the CPU seconds of as many empty tasks."""
        latencies = sorted(self.latencies)
        cpu = sum(cpu for cpu, _ in self.processes.values()) - bare_cpu
        return {
            "cpu_ms_a_shot_beyond_prefect": round(cpu / shots * 1000, 1),
            "peak_mb": round(max((peak for _, peak in self.processes.values()), default=0.0)),
            "processes": len(self.processes),
            "api_median_ms": round(statistics.median(latencies) * 1000),
            "api_p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1000),
            "api_most_ms": round(latencies[-1] * 1000),
        }

    def _measure(self, server: Prefect) -> None:
        for proc in server.run_processes():
            with contextlib.suppress(OSError, ValueError):
                [peak] = re.findall(r"^VmHWM:\s*(\d+) kB$", (proc / "status").read_text("utf-8"), re.MULTILINE)
                fields = (proc / "stat").read_text("utf-8").rpartition(")")[2].split()
                cpu = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
                self.processes[int(proc.name)] = (cpu, int(peak) / 1024)


async def load(kind: Kind, shots: int, parts: int, *, two_hosts: bool = False) -> Row:
    """Measure a board under a worker for each part; servers take no time for an image.

    CPU time is that of the runs' processes, beyond what as many empty Prefect tasks take.

    Args:
        kind: Kind of the store.
        shots: Number of shots, one take each.
        parts: Number of runs that render the board.
        two_hosts: Whether the first worker has a network of its own, and the others share the servers' host.
    """
    if two_hosts and os.geteuid():
        return Row({}, "measured by root alone: it makes a network namespace")
    async with AsyncExitStack() as opened:
        host = opened.enter_context(network()).outside if two_hosts else "127.0.0.1"
        server = await opened.enter_async_context(prefect(host))
        farm = await opened.enter_async_context(servers(Plan([()] * _SERVERS, host=host)))
        s3 = await opened.enter_async_context(bucket())
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="previs-bench-"))
        bare, bare_cpu = await server.bare(shots)
        await server.deploy()
        for number in range(parts):
            # One run at a time, so that each part has a worker of its own.
            isolated = two_hosts and not number
            worker = Worker({**server.environment, **s3.environment}, isolated=isolated, limit=1)
            opened.push_async_callback(worker.end)
            worker.start()
        before = _megabytes(server)
        # Prefect takes no parameters as large as a long list.
        listed = Path(folder) / "shots.json"
        listed.write_text(json.dumps(shot_list(shots)), "utf-8")
        store = f"s3://{NAME}/load" if kind == "s3" else f"{folder}/store"
        own = {"workflow": SETTINGS, "farm": farm.urls, "store": store, "shots": str(listed)}
        given = {"board": _BOARD, **({"parts": parts} if parts > 1 else {})}
        watch = _Watch()
        began = time.perf_counter()
        ended = await watch.until_ended(server, await server.start_deployed(own, given))
        took = time.perf_counter() - began
        renders = sum(map(len, await farm.started()))
        database = _megabytes(server) - before
        async with AsyncExitStack() as reading:
            made = await reading.enter_async_context(s3.store("load")) if kind == "s3" else FolderStore(Path(store))
            found = await flaws(made, _BOARD, shots)
    if ended["state_type"] != "COMPLETED":
        found.append(f"{ended['state_name']}: {ended['state'].get('message')}")
    figures = {
        "seconds": round(took, 1),
        "bare_tasks_seconds": round(bare, 1),
        "prefect_cpu_ms_a_shot": round(bare_cpu / shots * 1000, 1),
        **watch.figures(shots, bare_cpu),
        "renders_over_the_floor": renders - shots,
        "database_mb": round(database, 1),
    }
    goal = f"every shot once, at most {_GOAL_CPU_MS} ms of CPU a shot beyond Prefect's own and {_GOAL_MB} MB"
    # The start takes a large part of a short run.
    quick = figures["cpu_ms_a_shot_beyond_prefect"] <= _GOAL_CPU_MS or shots < _MANY
    met = not found and renders == shots and quick and figures["peak_mb"] <= _GOAL_MB
    return Row(figures, goal, met, found)


def _megabytes(server: Prefect) -> float:
    files = server.database.parent.glob(f"{server.database.name}*")
    return sum(file.stat().st_size for file in files) / 1_000_000
