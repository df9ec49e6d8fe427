"""Measure what becomes of a run when its worker, its process, its network or Prefect's server dies."""

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.machine import Network, Worker, network
from benchmarks.proof import flaws
from benchmarks.rows import Row
from benchmarks.runs import Prefect, copy_database, prefect, shot_list
from benchmarks.servers import Plan, Servers, servers
from benchmarks.stage import SETTINGS
from previs.store import FolderStore, keys

_SERVERS = 2
_RENDER_SECONDS = 0.5
_BOARD = "deaths"
_POLL_SECONDS = 0.02
_MOST_OVER = 1
# systemd starts a worker again so soon, in the page on deploying.
_AWAY_SECONDS = 5
_CUT_SECONDS = 120
_ENDS_WITHIN = 900
_databases = tempfile.TemporaryDirectory(prefix="previs-bench-databases-")


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold what can die, and the run.

    Attributes:
        prefect: Prefect's server.
        worker: The worker.
        farm: Servers of the farm.
        folder: Folder of the store.
        run: Id of the flow run.
        network: Network of the worker; None for this machine's.
    """

    prefect: Prefect
    worker: Worker
    farm: Servers
    folder: Path
    run: str
    network: Network | None

    def recorded(self) -> int:
        """Return the number of takes with a record."""
        with contextlib.suppress(FileNotFoundError):
            return len(os.listdir(self.folder / keys.TAKES))  # noqa: PTH208 - takes a tenth of the time
        return 0

    async def until_recorded(self, count: int) -> None:
        """Wait until so many takes have a record."""
        while self.recorded() < count:
            await asyncio.sleep(_POLL_SECONDS)

    async def until_begun(self) -> list[int]:
        """Wait until the run has a process."""
        while not (found := self.processes()):
            await asyncio.sleep(_POLL_SECONDS)
        return found

    def processes(self) -> list[int]:
        """Return the processes of the run."""
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"PREFECT__FLOW_RUN_ID={self.run}".encode() in environment.read_bytes():
                    found.append(int(environment.parent.name))
        return found

    def signal_run(self, number: signal.Signals) -> None:
        """Send a signal to every process of the run."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    async def start_worker(self) -> None:
        """Start a worker a few seconds after the first has died."""
        await asyncio.sleep(_AWAY_SECONDS)
        self.worker.start()

    async def state(self) -> dict[str, Any]:
        """Return the flow run, as Prefect has it."""
        async with httpx.AsyncClient(base_url=self.prefect.api, timeout=30) as client:
            answer = await client.get(f"flow_runs/{self.run}")
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


async def _worker(scene: Scene) -> None:
    await scene.worker.end()
    await scene.start_worker()


async def _group(scene: Scene) -> None:
    os.killpg(scene.worker.pid, signal.SIGKILL)
    await _worker(scene)


async def _terminal(scene: Scene) -> None:
    await scene.worker.close_terminal()
    await scene.start_worker()


async def _terminal_of_both(scene: Scene) -> None:
    scene.signal_run(signal.SIGHUP)
    await _terminal(scene)


async def _stopped(scene: Scene) -> None:
    await scene.worker.end(signal.SIGTERM)
    await scene.start_worker()


async def _run(scene: Scene) -> None:
    scene.signal_run(signal.SIGKILL)


async def _both(scene: Scene) -> None:
    await scene.worker.end()
    scene.signal_run(signal.SIGKILL)
    await scene.start_worker()


async def _network(scene: Scene) -> None:
    if scene.network is not None:
        scene.network.cut()
        await asyncio.sleep(_CUT_SECONDS)
        scene.network.join()


async def _server(scene: Scene) -> None:
    await scene.prefect.end(signal.SIGKILL)
    await asyncio.sleep(_AWAY_SECONDS)
    await scene.prefect.start()


async def _power(scene: Scene) -> None:
    await scene.prefect.end(signal.SIGKILL)
    await scene.worker.end()
    scene.signal_run(signal.SIGKILL)
    await asyncio.sleep(_AWAY_SECONDS)
    await scene.prefect.start()
    scene.worker.start()


@dataclass(frozen=True, slots=True)
class _Death:
    """Describe a death.

    Attributes:
        of: What dies.
        recorded: Share of the takes that have a record by then; 0 for the start of the run's process.
        isolated: Whether the worker has a network of its own.
    """

    of: Callable[[Scene], Coroutine[Any, Any, None]]
    recorded: float = 0.3
    isolated: bool = False


DEATHS: Final[Mapping[str, _Death]] = {
    "worker killed": _Death(_worker),
    "worker killed as the run starts": _Death(_worker, 0),
    "worker's process group killed": _Death(_group),
    "terminal closed": _Death(_terminal),
    "SIGHUP to worker and run": _Death(_terminal_of_both),
    "worker stopped": _Death(_stopped),
    "run killed": _Death(_run),
    "run killed near its end": _Death(_run, 0.95),
    "worker and run killed": _Death(_both),
    "network cut for two minutes": _Death(_network, isolated=True),
    "Prefect's server killed": _Death(_server),
    "server, worker and run killed": _Death(_power),
}
"""What dies, by name."""


async def deaths(name: str, shots: int) -> Row:
    """Count the renders of a run that something happens to, and the seconds until it records a take again.

    What dies is started again five seconds later, but the run: whatever starts that again is what is measured.

    Args:
        name: Key in :data:`DEATHS`.
        shots: Number of shots on the board, one take each.
    """
    death = DEATHS[name]
    if death.isolated and os.geteuid():
        return Row({}, "measured by root alone: it makes a network namespace")
    async with _scene(shots, isolated=death.isolated) as scene:
        await scene.until_begun()
        await scene.until_recorded(int(shots * death.recorded))
        began = time.perf_counter()
        dying = asyncio.create_task(death.of(scene))
        # A take whose record is on its way may still be written by a process that was killed just now.
        await asyncio.sleep(_POLL_SECONDS)
        working = asyncio.create_task(_until_working(scene, scene.recorded(), began))
        await dying
        ended = await _ended(scene)
        took = time.perf_counter() - began
        worked = working.result() if working.done() else took
        working.cancel()
        renders = sum(map(len, await scene.farm.started()))
        found = await flaws(FolderStore(scene.folder), _BOARD, shots)
    completed = ended["state_type"] == "COMPLETED"
    if not completed:
        found.append(f"{ended['state_name']}: {ended['state'].get('message')}")
    figures = {
        "starts": ended["run_count"],
        "renders": renders,
        "floor": shots,
        "over_the_floor": renders - shots,
        "seconds_until_it_worked": round(worked, 1),
        "seconds_until_it_ended": round(took, 1),
        "flaws": len(found),
    }
    goal = f"completed, no flaw, at most {_MOST_OVER} render over the floor"
    return Row(figures, goal, not found and 0 <= renders - shots <= _MOST_OVER, found)


async def _until_working(scene: Scene, before: int, began: float) -> float:
    await scene.until_recorded(before + 1)
    return time.perf_counter() - began


async def _ended(scene: Scene) -> dict[str, Any]:
    """Wait until the run has ended for good: a crashed one may start again."""
    until = time.perf_counter() + _ENDS_WITHIN
    found: dict[str, Any] = {}
    while time.perf_counter() < until:
        with contextlib.suppress(httpx.HTTPError):
            found = await scene.state()
            if found["state_type"] in {"COMPLETED", "FAILED", "CANCELLED"}:
                break
        await asyncio.sleep(0.5)
    return found


@contextlib.asynccontextmanager
async def _scene(shots: int, *, isolated: bool) -> AsyncIterator[Scene]:
    """Start everything and the run."""
    async with contextlib.AsyncExitStack() as opened:
        own = opened.enter_context(network()) if isolated else None
        host = own.outside if own else "127.0.0.1"
        server = await opened.enter_async_context(prefect(host, await _deployed()))
        farm = await opened.enter_async_context(servers(Plan([()] * _SERVERS, _RENDER_SECONDS, host=host)))
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="previs-bench-")))
        worker = Worker(server.environment, isolated=isolated)
        opened.push_async_callback(worker.end)
        worker.start()
        of_operator = {"workflow": SETTINGS, "farm": farm.urls, "store": str(folder)}
        run = await server.start_deployed(of_operator, {"shots": shot_list(shots), "board": _BOARD})
        scene = Scene(server, worker, farm, folder, run, own)
        opened.callback(scene.signal_run, signal.SIGKILL)
        yield scene


async def _deployed() -> Path:
    """Return the database of a server that has the deployments; it is made once."""
    database = Path(_databases.name) / "prefect.db"
    if not database.exists():
        async with prefect() as server:
            await server.deploy()
            copy_database(server.database, database)
    return database
