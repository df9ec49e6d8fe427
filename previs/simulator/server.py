"""A simulated ComfyUI server: its state, and the loop that runs its queue."""

import asyncio
import contextlib
import json
import time
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Scope

from previs.simulator import catalog, sockets
from previs.simulator.disk import Disk
from previs.simulator.execution import Execution, Outputs
from previs.simulator.faults import Faults
from previs.simulator.gate import Gate
from previs.simulator.journal import Event, Kind, Outcome, outcome_of
from previs.simulator.output_nodes import OutputWriter
from previs.simulator.performance import Performance
from previs.simulator.prompts import Prompt, Queue
from previs.simulator.routes import no_route, routes
from previs.simulator.script import Cue

FILES_KEPT = 512


class Door(Protocol):
    """The port of a simulator that is being served."""

    def close(self) -> None:
        """Refuse connections; does nothing to a door that is closed."""
        ...

    async def open(self) -> None:
        """Accept connections again; does nothing to a door that is open."""
        ...


class Simulator:
    """One server that speaks ComfyUI's protocol and draws instead of rendering.

    It is served by :func:`previs.simulator.serve`. All of its state is in here; it is not safe to touch from another
    thread.

    Args:
        seconds: that a prompt takes, spread over the steps of its samplers; one that samples nothing takes none.
        steps_seen: progress frames of each sampler at most; none for one at each step.
        draw: whether pictures are drawn in full size; else each is a tiny PNG, another one for each seed and prompt.
        previews: whether samplers send pictures on their way, as ``--preview-method`` makes a real server do.
        faults: what goes wrong; can be changed at any time.
        folder: where files are kept; in memory where there is none, and then only the last ones of each kind.
        object_info: node classes; those of the bundled excerpt where none are given.
        uuid_ids_only: whether a ``prompt_id`` that is no canonical UUID is refused, as newer servers do.
        jobs: whether it is a newer server: with ``/api/jobs``, with times of creation, and ``uuid_ids_only``.
        script: turns faults by time or by count.

    Attributes:
        metadata: of model files, by folder and name, as their headers tell it; can be changed at any time.
        journal: all that happened to prompts, in order; it grows without end.
        posted: ids of accepted prompts, in order.
        started: ids of prompts that began to run, with repeats.
        sampled: ids of prompts for which a sampler ran, so that it was not cached, once for each sampler.
        interrupted: ids of prompts that somebody stopped.
        deleted: ids of prompts that somebody took out of the queue.
        uploads: names that uploaded files got.
        freed: how many times somebody posted ``/free``.
        door: the port it listens on; none while it is not served.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        *,
        seconds: float = 1.0,
        steps_seen: int | None = None,
        draw: bool = True,
        previews: bool = True,
        faults: Faults | None = None,
        folder: Path | None = None,
        object_info: Mapping[str, Any] | None = None,
        uuid_ids_only: bool = False,
        jobs: bool = False,
        script: Sequence[Cue] = (),
    ) -> None:
        self.seconds = seconds
        self.steps_seen = steps_seen
        self.previews = previews
        self.faults = faults or Faults()
        self.object_info = object_info or catalog.bundled()
        self.uuid_ids_only = uuid_ids_only or jobs
        self.jobs = jobs
        self.disk = Disk(FILES_KEPT, folder)
        self.metadata: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.writer = OutputWriter(self.disk, draw)
        self._keep_account()
        self.door: Door | None = None
        self.connections: weakref.WeakValueDictionary[tuple[str, int], asyncio.Transport] = (
            weakref.WeakValueDictionary()
        )
        self.performance = Performance(self, script)
        self._runner: asyncio.Task[None] | None = None
        self._begin()
        self.app = Starlette(
            routes=routes(self),
            lifespan=self._running,
            middleware=[Middleware(Gate, self)],
            exception_handlers={404: no_route, 405: no_route},
        )

    def _keep_account(self) -> None:
        self.journal: list[Event] = []
        self.posted: list[str] = []
        self.started: list[str] = []
        self.sampled: list[str] = []
        self.interrupted: list[str] = []
        self.deleted: list[str] = []
        self.uploads: list[str] = []
        self.freed = 0
        self._lists: dict[Kind, list[str]] = {
            "posted": self.posted,
            "started": self.started,
            "sampled": self.sampled,
            "interrupted": self.interrupted,
            "deleted": self.deleted,
        }

    def _begin(self) -> None:
        self.number = 0
        self.cache: dict[str, Outputs] = {}
        self.execution: Execution | None = None
        self.sockets = sockets.Sockets()
        self.queue = Queue(self._tell_status, lambda: self.faults.history_limit)
        self._frees: set[str] = set()

    def note(self, kind: Kind, prompt_id: str = "", outcome: Outcome | None = None) -> None:
        """Keep that something happened, in the journal and in the list of its kind."""
        self.journal.append(Event(time.monotonic(), kind, prompt_id, outcome))
        if kind in self._lists:
            self._lists[kind].append(prompt_id)

    def restart(self) -> None:
        """Be as after a kill: queue, history and results gone, memory empty, all connections cut; files stay.

        Call it in the loop that serves it.
        """
        self.note("restarted")
        self.cut_all()
        self._begin()
        self.faults.memory_full = False
        self.disk.files["temp"].clear()
        if self._runner is not None:
            self._runner.cancel()
            self._runner = asyncio.get_running_loop().create_task(self._run())

    def close_door(self, *, cut: bool = False) -> None:
        """Stop listening: new connections are refused, as where no server runs; the port stays taken.

        Does nothing to a door that is closed. Whatever faults there are, requests on open connections are served.

        Args:
            cut: whether the connections that there are end too.

        Raises:
            RuntimeError: it is not being served.
        """
        self._served_door().close()
        if cut:
            self.cut_all()

    async def open_door(self) -> None:
        """Listen on the same port again; does nothing to a door that is open.

        Raises:
            RuntimeError: it is not being served.
        """
        await self._served_door().open()

    def _served_door(self) -> Door:
        if self.door is None:
            raise RuntimeError("a simulator that is not being served has no door")
        return self.door

    def cut_all(self) -> None:
        """Cut all connections, sockets too."""
        for transport in list(self.connections.values()):
            transport.abort()

    def forget_results(self) -> None:
        """Let nothing be cached any more for the prompts to come."""
        self.cache = {}

    def free(self, wanted: set[str]) -> None:
        """Unload models, or forget results as well, when no prompt runs.

        Args:
            wanted: ``unload_models``, ``free_memory`` or both; the second includes the first.
        """
        self.freed += 1
        self._frees |= wanted
        if self.queue.running is None:
            self._free()

    def _free(self) -> None:
        if self._frees:
            self.faults.memory_full = False
        if "free_memory" in self._frees:
            self.forget_results()
        self._frees = set()

    def interrupt(self, prompt_id: str | None) -> bool:
        """Stop the prompt that runs, if it has that id; without one, whichever it is.

        Returns:
            Whether there was such a one.
        """
        execution = self.execution
        if execution is None or prompt_id not in (None, execution.prompt.prompt_id):
            return False
        self.note("interrupted", execution.prompt.prompt_id)
        execution.interrupted.set()
        return True

    def delete(self, prompt_id: str) -> bool:
        """Take one waiting prompt of an id out of the queue.

        Returns:
            Whether there was one.
        """
        if not self.queue.delete(prompt_id):
            return False
        self.note("deleted", prompt_id)
        return True

    def status(self) -> dict[str, Any]:
        """What ``status`` frames tell."""
        return {"status": {"exec_info": {"queue_remaining": self.queue.remaining}}}

    def _tell_status(self) -> None:
        if self.sockets.by_client:
            self.sockets.send(sockets.text("status", json.dumps(self.status())))

    def may_go_on(self, frames: int) -> bool:
        """Whether a socket stays open that has carried so many frames, one more than before."""
        self.performance.count("after_frames")
        return frames != self.faults.drop_after_frames or not self.faults.use("drop_sockets")

    def abort(self, scope: Scope) -> None:
        """Close the connection of a request at once; only where it is served."""
        transport = self.connections.get(tuple(scope["client"]))
        if transport is not None:
            transport.abort()

    async def cut(self, scope: Scope) -> None:
        """Close the connection of a request at once; when this returns, nothing can be answered on it any more."""
        self.abort(scope)
        await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def _running(self, _: Starlette) -> AsyncIterator[None]:
        self._runner = asyncio.create_task(self._run())
        try:
            yield
        finally:
            runner, self._runner = self._runner, None
            runner.cancel()
            await asyncio.wait([runner])

    async def _run(self) -> None:
        while True:
            prompt = await self.queue.take()
            self.note("started", prompt.prompt_id)
            self.performance.count("after_prompts")
            self.execution = Execution(self, prompt)
            ended = await self.execution.run()
            await asyncio.sleep(self.faults.history_lag)
            self.execution = None
            self.note("ended", prompt.prompt_id, outcome_of(ended))
            self.queue.finish(prompt, ended)
            self._tell_end(prompt)
            self._free()

    def _tell_end(self, prompt: Prompt) -> None:
        if prompt.client is not None:
            content = json.dumps({"node": None, "prompt_id": prompt.prompt_id})
            self.sockets.send(sockets.text("executing", content), prompt.client)
