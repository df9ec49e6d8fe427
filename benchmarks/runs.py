"""Runs of the flow, each in a process of its own as the command starts it, before one Prefect server."""

import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx

from benchmarks.stage import SETTINGS
from previs.rendering.progress import BoardPublished, TakeSettled, from_line

_STARTS_WITHIN = 120
_LOOK_EVERY = 0.02
_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class Run:
    """How a run went.

    Attributes:
        startup: seconds from the start of the process to the start of the flow.
        seconds: of the flow.
        ending: seconds from the flow's end to that of the process.
        cpu: seconds of CPU, startup included.
        peak_mb: resident memory of the process at most.
        code: that the process exited with.
        outcomes: of its takes.
        message: of its board.
        said: sentences.
    """

    startup: float
    seconds: float
    ending: float
    cpu: float
    peak_mb: float
    code: int
    outcomes: Mapping[str, int]
    message: str
    said: tuple[str, ...]


@dataclass(slots=True)
class FlowProcess:
    """A run under way.

    Attributes:
        told: what it writes.
        began: when its process was started, in seconds since the epoch.
        settled: ends of takes so far.
        said: sentences so far.
    """

    process: Process
    told: asyncio.StreamReader
    began: float
    settled: list[TakeSettled] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    board: BoardPublished | None = None
    peak_kb: int = 0
    cpu: float = 0.0

    async def read(self) -> None:
        """Take in what it tells, until it ends."""
        async for line in self.told:
            match from_line(line):
                case TakeSettled() as end:
                    self.settled.append(end)
                case BoardPublished() as board:
                    self.board = board
                case str() as sentence:
                    self.said.append(sentence)

    async def watch(self) -> None:
        """Look at its memory and CPU time, until it ends."""
        place = Path(f"/proc/{self.process.pid}")
        # A process that has ended and was not waited for has no memory to tell of.
        with contextlib.suppress(OSError, ValueError):
            while self.process.returncode is None:
                # The high-water mark of this program alone; that of wait4(2) begins with the parent's.
                [mark] = re.findall(r"^VmHWM:\s*(\d+) kB$", (place / "status").read_text("utf-8"), re.MULTILINE)
                self.peak_kb = int(mark)
                fields = (place / "stat").read_text("utf-8").rpartition(")")[2].split()
                self.cpu = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
                await asyncio.sleep(_LOOK_EVERY)

    async def kill(self) -> None:
        """End it as a power cut does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(frozen=True, slots=True)
class Prefect:
    """A Prefect server, and the environment of processes that use it."""

    api: str
    environment: Mapping[str, str]

    @contextlib.asynccontextmanager
    async def flow(
        self, environment: Mapping[str, str], parameters: Mapping[str, object]
    ) -> AsyncIterator[FlowProcess]:
        """Start the flow; it is killed if it is still there at the end."""
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
            code=code,
            outcomes=Counter(each.outcome for each in flow.settled),
            message=flow.board.message if flow.board else "",
            said=tuple(flow.said),
        )

    async def bare(self, tasks: int) -> float:
        """Seconds that Prefect takes for so many task runs that do nothing, in a fresh process."""
        process = await self._start("benchmarks.bare_flow", str(tasks), environment={})
        told, _ = await process.communicate()
        return float(told)

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
        """When the last flow run began and ended, in seconds since the epoch."""
        async with httpx.AsyncClient() as plain:
            answer = await plain.post(f"{self.api}/flow_runs/filter", json={"sort": "START_TIME_DESC", "limit": 1})
        [run] = answer.raise_for_status().json()
        began, end = (datetime.fromisoformat(run[name]).timestamp() for name in ("start_time", "end_time"))
        return began, end


@contextlib.asynccontextmanager
async def prefect() -> AsyncIterator[Prefect]:
    """A Prefect server on a database of its own."""
    with tempfile.TemporaryDirectory(prefix="previs-bench-prefect-", ignore_cleanup_errors=True) as home:
        port = await _free_port()
        api = f"http://127.0.0.1:{port}/api"
        environment = {"PREFECT_HOME": home, "PREFECT_API_URL": api, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | environment,
        )
        try:
            await _until_up(api)
            yield Prefect(api, environment)
        finally:
            server.terminate()
            await server.wait()


async def _until_up(api: str) -> None:
    async with asyncio.timeout(_STARTS_WITHIN), httpx.AsyncClient() as plain:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await plain.get(f"{api}/health")).is_success:
                    return
            await asyncio.sleep(_LOOK_EVERY)


async def _free_port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
