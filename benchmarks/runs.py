"""Run the flow against one Prefect server, each run in a process as the command starts it."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from benchmarks.stage import SETTINGS
from previs.rendering.progress import BoardPublished, TakeSettled, from_line

_START_TIMEOUT = 120
_POLL_SECONDS = 0.02
_LINE = 1 << 24
POOL = "storyboards"


@dataclass(frozen=True, slots=True)
class Run:
    """Represent a finished run.

    Attributes:
        startup: Seconds from the start of the process to the start of the flow.
        seconds: Duration of the flow.
        ending: Seconds from the flow's end to the end of the process.
        cpu: CPU seconds, with the startup.
        peak_mb: Maximum resident memory of the process.
        peak_mb_of_children: Maximum resident memory of the processes that it started, together.
        code: Exit code of the process.
        outcomes: Number of takes by outcome.
        message: Message of the published board.
        log_lines: Log lines.
    """

    startup: float
    seconds: float
    ending: float
    cpu: float
    peak_mb: float
    peak_mb_of_children: float
    code: int
    outcomes: Mapping[str, int]
    message: str
    log_lines: tuple[str, ...]


@dataclass(slots=True)
class FlowProcess:
    """Follow a run.

    Attributes:
        output: Output of the process.
        began: Start of the process, in seconds since the epoch.
        settled: Takes that have ended.
        log_lines: Log lines so far.
    """

    process: Process
    output: asyncio.StreamReader
    began: float
    settled: list[TakeSettled] = field(default_factory=list)
    log_lines: list[str] = field(default_factory=list)
    board: BoardPublished | None = None
    peak_kb: int = 0
    peak_kb_of_children: int = 0
    cpu: float = 0.0

    async def read(self) -> None:
        """Read its output until it ends."""
        async for line in self.output:
            match from_line(line):
                case TakeSettled() as end:
                    self.settled.append(end)
                case BoardPublished() as board:
                    self.board = board
                case str() as sentence:
                    self.log_lines.append(sentence)

    async def watch(self) -> None:
        """Measure its memory and CPU time until it ends."""
        proc = Path(f"/proc/{self.process.pid}")
        # The status of a process that has ended but was not waited for has no VmHWM line.
        with contextlib.suppress(OSError, ValueError):
            while self.process.returncode is None:
                # VmHWM is the maximum of this program alone; wait4(2) reports the parent's at least.
                [peak] = re.findall(r"^VmHWM:\s*(\d+) kB$", (proc / "status").read_text("utf-8"), re.MULTILINE)
                self.peak_kb = int(peak)
                fields = (proc / "stat").read_text("utf-8").rpartition(")")[2].split()
                self.peak_kb_of_children = max(self.peak_kb_of_children, sum(map(_resident_kb, _children(proc))))
                self.cpu = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
                await asyncio.sleep(_POLL_SECONDS)

    async def kill(self) -> None:
        """Kill the process, as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(slots=True)
class Prefect:
    """Control a Prefect server.

    Attributes:
        host: Address that it listens on.
        port: Port that it listens on.
        environment: Environment of processes that use it.
    """

    host: str
    port: int
    environment: Mapping[str, str]
    _server: Process | None = None

    @property
    def api(self) -> str:
        """Return the URL of its API."""
        return self.environment["PREFECT_API_URL"]

    @property
    def database(self) -> Path:
        """Return the file of its database."""
        return Path(self.environment["PREFECT_HOME"]) / "prefect.db"

    def run_processes(self) -> Iterator[Path]:
        """Yield the folders in ``/proc`` of the flow runs' processes that use it."""
        mark = f"PREFECT_API_URL={self.api}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                environment = (process / "environ").read_bytes()
                if mark in environment and b"PREFECT__FLOW_RUN_ID=" in environment:
                    yield process

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self._server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prefect", "server", "start", "--no-ui"),
            *("--host", self.host, "--port", str(self.port)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | self.environment,
        )
        await _until_up(self.api)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop it with a signal; its database stays."""
        if self._server is not None:
            with contextlib.suppress(ProcessLookupError):
                self._server.send_signal(number)
            await self._server.wait()
            self._server = None

    async def deploy(self) -> None:
        """Register the deployments of this checkout."""
        process = await self._start("flows", "deploy", environment={})
        output, _ = await process.communicate(json.dumps({"pool": POOL}).encode() + b"\n")
        if process.returncode:
            raise RuntimeError(output.decode())

    @contextlib.asynccontextmanager
    async def flow(
        self, environment: Mapping[str, str], parameters: Mapping[str, object]
    ) -> AsyncIterator[FlowProcess]:
        """Start the flow; kill it at the end of the ``async with`` block."""
        began = time.time()
        process = await self._start("flows", "storyboard", environment=environment)
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        process.stdin.write(json.dumps({"workflow": SETTINGS, **parameters}).encode() + b"\n")
        run = FlowProcess(process, process.stdout, began)
        reading = asyncio.gather(run.read(), run.watch())
        try:
            yield run
        finally:
            await run.kill()
            await reading
            process.stdin.close()

    async def run(self, environment: Mapping[str, str], parameters: Mapping[str, object]) -> Run:
        """Run the flow to its end."""
        async with self.flow(environment, parameters) as flow:
            code = await flow.process.wait()
            ended = time.time()
        began, end = await self._times()
        return Run(
            startup=began - flow.began,
            seconds=end - began,
            ending=ended - end,
            cpu=flow.cpu,
            peak_mb=flow.peak_kb / 1024,
            peak_mb_of_children=flow.peak_kb_of_children / 1024,
            code=code,
            outcomes=Counter(each.outcome for each in flow.settled),
            message=flow.board.message if flow.board else "",
            log_lines=tuple(flow.log_lines),
        )

    async def start_deployed(self, own: Mapping[str, object], parameters: Mapping[str, object]) -> str:
        """Start a run of the deployment and return its id; a worker must be there.

        Args:
            own: Parameters that the deployment gets, which are the operator's.
            parameters: Parameters of the run, which are a sender's.
        """
        async with httpx.AsyncClient(base_url=self.api, timeout=60) as client:
            deployment = (await client.get("deployments/name/storyboard/by-hand")).raise_for_status().json()["id"]
            (await client.patch(f"deployments/{deployment}", json={"parameters": own})).raise_for_status()
            answer = await client.post(f"deployments/{deployment}/create_flow_run", json={"parameters": parameters})
        run: str = answer.raise_for_status().json()["id"]
        return run

    async def bare(self, tasks: int) -> tuple[float, float]:
        """Return the seconds and the CPU seconds that Prefect takes for empty task runs, in a fresh process."""
        process = await self._start("benchmarks.bare_flow", str(tasks), environment={})
        output, _ = await process.communicate()
        seconds, cpu = output.split()
        return float(seconds), float(cpu)

    async def _start(self, *command: str, environment: Mapping[str, str]) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, **self.environment, **environment},
            limit=_LINE,
        )

    async def _times(self) -> tuple[float, float]:
        """Return the start and the end of the last flow run, in seconds since the epoch."""
        async with httpx.AsyncClient() as plain:
            answer = await plain.post(f"{self.api}/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1})
        [run] = answer.raise_for_status().json()
        began, end = (datetime.fromisoformat(run[name]).timestamp() for name in ("start_time", "end_time"))
        return began, end


@contextlib.asynccontextmanager
async def prefect(host: str = "127.0.0.1", database: Path | None = None) -> AsyncIterator[Prefect]:
    """Run a Prefect server with a database of its own, which may begin as a copy of another one.

    At the end, flow runs that still use it are killed: they outlive their workers.
    """
    with tempfile.TemporaryDirectory(prefix="previs-bench-prefect-", ignore_cleanup_errors=True) as home:
        port = await _free_port()
        api = f"http://{host}:{port}/api"
        environment = {"PREFECT_HOME": home, "PREFECT_API_URL": api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        server = Prefect(host, port, environment)
        if database:
            copy_database(database, server.database)
        try:
            await server.start()
            yield server
        finally:
            for process in server.run_processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process.name), signal.SIGKILL)
            await server.end()


def copy_database(database: Path, copy: Path) -> None:
    """Copy a database of SQLite that may be in use."""
    with contextlib.closing(sqlite3.connect(database)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)


def _children(proc: Path) -> list[str]:
    return [child for task in (proc / "task").iterdir() for child in (task / "children").read_text("ascii").split()]


def _resident_kb(process: str) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
    return 0


async def _until_up(api: str) -> None:
    async with asyncio.timeout(_START_TIMEOUT), httpx.AsyncClient() as plain:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await plain.get(f"{api}/health")).is_success:
                    return
            await asyncio.sleep(_POLL_SECONDS)


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


def shot_list(count: int) -> list[dict[str, object]]:
    """Return a shot list, each shot with its own prompt."""
    return [{"shot_id": f"SH{n:04}", "prompt": f"城市 {n}", "duration": 2.0} for n in range(count)]
