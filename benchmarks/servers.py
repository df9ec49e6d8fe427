"""Simulated servers in processes of their own, so that neither their speed nor their CPU is what is measured."""

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

from benchmarks.event_log import Happening, Witness, account_of
from previs.simulator import Cue, Simulator, make_app, serve

_SPAWN = multiprocessing.get_context("spawn")
_END_WITHIN = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """Of one process of servers.

    Attributes:
        scripts: one for each server.
        seconds: that a prompt takes which samples.
        port: of the first server, the others on those that follow; 0 for any.
    """

    scripts: Sequence[Sequence[Cue]]
    seconds: float = 0.0
    port: int = 0


class Servers:
    """A process of simulated servers, as it is steered from here.

    Attributes:
        urls: of the servers.
    """

    def __init__(self, process: SpawnProcess, line: Connection, urls: list[str]) -> None:
        self.urls = urls
        self._process = process
        self._line = line
        self._turn = asyncio.Lock()

    async def accounts(self) -> list[list[Happening]]:
        """What happened on each server until now."""
        answer: list[list[Happening]] = await self._ask("accounts")
        return answer

    async def started(self) -> list[list[str]]:
        """Ids of the prompts that began to run, for each server, with repeats."""
        answer: list[list[str]] = await self._ask("started")
        return answer

    async def waiting(self) -> list[list[str]]:
        """Ids of the prompts in each server's queue, the one that runs first."""
        answer: list[list[str]] = await self._ask("waiting")
        return answer

    async def cpu_seconds(self) -> float:
        """That the process has used."""
        answer: float = await self._ask("cpu_seconds")
        return answer

    async def kill(self) -> None:
        """End the process as a power cut does: nobody is told anything."""
        self._process.kill()
        await asyncio.to_thread(self._process.join)

    async def _ask(self, question: str) -> Any:  # noqa: ANN401 - the callers know what is answered
        async with self._turn:
            self._line.send(question)
            return await asyncio.to_thread(self._line.recv)


@contextlib.asynccontextmanager
async def servers(plan: Plan) -> AsyncIterator[Servers]:
    """A process of servers, from when all of them listen; ended on every way out."""
    here, there = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_run, args=(there,), daemon=True)
    process.start()
    there.close()
    try:
        # Among the arguments of the process, a long plan would block here for ever if that came to no start.
        here.send(plan)
        yield Servers(process, here, await asyncio.to_thread(here.recv))
    finally:
        here.close()
        process.join(_END_WITHIN)
        if process.is_alive():
            process.kill()
            process.join()


@dataclass(slots=True)
class _Attendant:
    """Answers questions about the servers of this process."""

    simulators: list[Simulator] = field(default_factory=list)
    seen: list[list[Happening]] = field(default_factory=list)

    def accounts(self) -> list[list[Happening]]:
        return [account_of(simulator, seen) for simulator, seen in zip(self.simulators, self.seen, strict=True)]

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
    # Clients that hang up, as they do in bad weather, are told of as errors.
    logging.disable()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_attend(line, line.recv()))


async def _attend(line: Connection, plan: Plan) -> None:
    attendant = _Attendant()
    async with contextlib.AsyncExitStack() as served:
        urls = []
        for number, script in enumerate(plan.scripts):
            simulator = Simulator(seconds=plan.seconds, draw=False, previews=False, steps_seen=4, script=script)
            seen: list[Happening] = []
            attendant.simulators.append(simulator)
            attendant.seen.append(seen)
            port = plan.port + number if plan.port else 0
            app = Witness(make_app(simulator), simulator, seen)
            urls.append(await served.enter_async_context(serve(simulator, port=port, app=app)))
        line.send(urls)
        while question := await asyncio.to_thread(_next, line):
            line.send(getattr(attendant, question)())


def _next(line: Connection) -> str | None:
    """The next question; none when whoever asks is gone."""
    try:
        question: str = line.recv()
    except (EOFError, ConnectionError):
        return None
    return question
