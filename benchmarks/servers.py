"""Run simulated servers in a process of their own, so that their CPU time is not measured."""

import asyncio
import contextlib
import logging
import multiprocessing
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from benchmarks.event_log import EventLog, LoggedEvent, events_of
from previs.simulator import Cue, Simulator, make_app, serve

_SPAWN = multiprocessing.get_context("spawn")
_END_WITHIN = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """Describe one process of servers.

    Attributes:
        scripts: Script of each server.
        seconds: Duration of a prompt that samples.
        port: Port of the first server; the others use the next ones. 0 picks free ones.
        host: Address to listen on.
    """

    scripts: Sequence[Sequence[Cue]]
    seconds: float = 0.0
    port: int = 0
    host: str = "127.0.0.1"


class Servers:
    """Control a process of simulated servers.

    Attributes:
        urls: Base URLs of the servers.
    """

    def __init__(self, process: SpawnProcess, line: Connection, urls: list[str]) -> None:
        self.urls = urls
        self._process = process
        self._line = line
        self._turn = asyncio.Lock()

    async def event_logs(self) -> list[list[LoggedEvent]]:
        """Return the events of each server so far."""
        answer: list[list[LoggedEvent]] = await self._ask("event_logs")
        return answer

    async def started(self) -> list[list[str]]:
        """Return the ids of each server's started prompts; one that ran twice is listed twice."""
        answer: list[list[str]] = await self._ask("started")
        return answer

    async def waiting(self) -> list[list[str]]:
        """Return the ids of the prompts in each server's queue, the running one first."""
        answer: list[list[str]] = await self._ask("waiting")
        return answer

    async def cpu_seconds(self) -> float:
        """Return the CPU time of the process."""
        answer: float = await self._ask("cpu_seconds")
        return answer

    async def kill(self) -> None:
        """Kill the process, as a power cut does."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)

    async def _ask(self, question: str) -> Any:  # noqa: ANN401 - the callers know what is answered
        async with self._turn:
            self._line.send(question)
            return await asyncio.to_thread(self._line.recv)


@contextlib.asynccontextmanager
async def servers(plan: Plan) -> AsyncIterator[Servers]:
    """Start a process of servers, and yield it when all of them listen."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_run, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        # As an argument of the process, a long plan would block here for ever if the process failed to start.
        here.send(plan)
        yield Servers(process, here, await asyncio.to_thread(here.recv))
    finally:
        here.close()
        process.join(_END_WITHIN)
        if process.is_alive():
            process.kill()
            process.join()


@dataclass(slots=True)
class _Answers:
    """Answer questions about the servers of this process."""

    simulators: list[Simulator] = field(default_factory=list)
    logged: list[list[LoggedEvent]] = field(default_factory=list)

    def event_logs(self) -> list[list[LoggedEvent]]:
        return [events_of(simulator, logged) for simulator, logged in zip(self.simulators, self.logged, strict=True)]

    def started(self) -> list[list[str]]:
        return [simulator.started for simulator in self.simulators]

    def waiting(self) -> list[list[str]]:
        queues = [simulator.queue for simulator in self.simulators]
        return [
            [prompt.prompt_id for prompt in (*([queue.running] if queue.running else ()), *queue.pending)]
            for queue in queues
        ]

    def cpu_seconds(self) -> float:
        return time.process_time()


def _run(line: Connection) -> None:
    # Uvicorn logs each client that hangs up as an error.
    logging.disable()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(line, line.recv()))


async def _serve(line: Connection, plan: Plan) -> None:
    answers = _Answers()
    async with contextlib.AsyncExitStack() as served:
        urls = []
        for number, script in enumerate(plan.scripts):
            simulator = Simulator(seconds=plan.seconds, draw=False, previews=False, steps_seen=4, script=script)
            logged: list[LoggedEvent] = []
            answers.simulators.append(simulator)
            answers.logged.append(logged)
            port = plan.port + number if plan.port else 0
            app = EventLog(make_app(simulator), simulator, logged)
            urls.append(await served.enter_async_context(serve(simulator, host=plan.host, port=port, app=app)))
        line.send(urls)
        while question := await asyncio.to_thread(_next, line):
            line.send(getattr(answers, question)())


def _next(line: Connection) -> str | None:
    """Return the next question, or None when the other process has ended."""
    try:
        question: str = line.recv()
    except (EOFError, ConnectionError):
        return None
    return question
