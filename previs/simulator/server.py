"""Hold the state of a simulated ComfyUI server, and run its queue."""

import asyncio
import contextlib
import json
import time
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from previs.simulator import catalog, sockets
from previs.simulator.disk import Disk
from previs.simulator.execution import Execution, Outputs
from previs.simulator.faults import Faults
from previs.simulator.journal import Event, Kind, Outcome, outcome_of
from previs.simulator.output_nodes import OutputWriter
from previs.simulator.prompts import Prompt, Queue
from previs.simulator.script import Cue, Moment
from previs.simulator.versions import OLDEST, VERSIONS, VersionName

FILES_KEPT = 512

Peer = tuple[str, int]
"""Host and port of the client's end of a connection."""


class Door(Protocol):
    """Represent the port of a simulator that is being served."""

    def close(self) -> None:
        """Refuse new connections; do nothing if the door is closed."""

    async def open(self) -> None:
        """Accept connections again; do nothing if the door is open."""


class ScriptPlayer(Protocol):
    """Represent what plays a simulator's script."""

    def count(self, moment: Moment) -> None:
        """Count one more started prompt, finished request or sent frame, and apply the cues that are now due."""

    async def play(self) -> None:
        """Apply the cues that are due by time, until cancelled."""


class Simulator:
    """Represent one server that speaks ComfyUI's protocol and draws instead of rendering.

    Serve it with :func:`previs.simulator.serve`. All state of the server is here. It is not thread-safe.

    Args:
        seconds: Duration of a prompt, spread over its samplers' steps; a prompt without a sampler takes no time.
        steps_seen: Maximum of progress frames for each sampler; None sends one for each step.
        draw: Whether to draw full-size pictures; otherwise each is a tiny PNG that depends on seed and prompt.
        previews: Whether samplers send previews, as ComfyUI does with ``--preview-method``.
        faults: What goes wrong; may be changed at any time.
        folder: Folder to write files to; None keeps the latest :data:`FILES_KEPT` of each kind in memory.
        object_info: Node classes; None installs those bundled for the version.
        version: Version of ComfyUI to be; :mod:`previs.simulator.versions` says how they differ.
        script: Cues that change the faults by time or by count.

    Attributes:
        version: What its version of ComfyUI answers.
        metadata: Headers of model files, by folder and name; may be changed at any time.
        journal: Every event of every prompt, in order; unbounded.
        posted: Ids of accepted prompts, in order.
        started: Ids of prompts that started, in order; an id that ran twice is listed twice.
        sampled: Ids of prompts for which a sampler ran (was not cached), once for each sampler.
        interrupted: Ids of prompts that a client interrupted.
        deleted: Ids of prompts that a client deleted from the queue.
        uploads: Names given to uploaded files.
        freed: Number of requests to ``/free``.
        door: The port it listens on; None while it is not served.
        player: What plays the script; None before it is first served.
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
        version: VersionName = OLDEST,
        script: Sequence[Cue] = (),
    ) -> None:
        self.seconds = seconds
        self.steps_seen = steps_seen
        self.previews = previews
        self.faults = faults or Faults()
        self.version_name = version
        self.version = VERSIONS[version]
        self.object_info = object_info or catalog.bundled(version)
        self.script = tuple(script)
        self.disk = Disk(FILES_KEPT, folder)
        self.metadata: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.writer = OutputWriter(self.disk, draw, self.faults)
        self.door: Door | None = None
        self.player: ScriptPlayer | None = None
        self.connections: weakref.WeakValueDictionary[Peer, asyncio.Transport] = weakref.WeakValueDictionary()
        self._runner: asyncio.Task[None] | None = None
        self._start_journal()
        self._reset()

    def _start_journal(self) -> None:
        self.journal: list[Event] = []
        self.uploads: list[str] = []
        self.freed = 0
        kinds = ("posted", "started", "sampled", "interrupted", "deleted")
        self._lists: dict[str, list[str]] = {kind: [] for kind in kinds}
        self.posted, self.started, self.sampled, self.interrupted, self.deleted = self._lists.values()

    def _reset(self) -> None:
        self.number = 0
        self.cache: dict[str, Outputs] = {}
        self.execution: Execution | None = None
        self.sockets = sockets.Sockets()
        self.queue = Queue(self._send_status, lambda: self.faults.history_limit)
        self._frees: set[str] = set()

    def record(self, kind: Kind, prompt_id: str = "", outcome: Outcome | None = None) -> None:
        """Add an event to the journal and to the list of its kind."""
        self.journal.append(Event(time.monotonic(), kind, prompt_id, outcome))
        if kind in self._lists:
            self._lists[kind].append(prompt_id)

    def count(self, moment: Moment) -> None:
        """Count an event for the script."""
        if self.player is not None:
            self.player.count(moment)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the queue inside the ``async with`` block."""
        self._runner = asyncio.create_task(self._run())
        try:
            yield
        finally:
            runner, self._runner = self._runner, None
            runner.cancel()
            await asyncio.wait([runner])

    def restart(self) -> None:
        """Behave as if killed and restarted: lose queue, history, results and connections; keep files.

        Call it in the event loop that serves the simulator.
        """
        self.record("restarted")
        self.cut_all()
        self._reset()
        self.faults.memory_full = False
        self.disk.files["temp"].clear()
        if self._runner is not None:
            self._runner.cancel()
            self._runner = asyncio.get_running_loop().create_task(self._run())

    def close_door(self, *, cut: bool = False) -> None:
        """Refuse new connections, as if no server ran, but keep the port; do nothing if the door is closed.

        Requests on open connections are served, unless ``cut`` cuts these connections too.

        Raises:
            RuntimeError: The simulator is not being served.
        """
        self._served_door().close()
        if cut:
            self.cut_all()

    async def open_door(self) -> None:
        """Listen on the same port again; do nothing if the door is open.

        Raises:
            RuntimeError: The simulator is not being served.
        """
        await self._served_door().open()

    def _served_door(self) -> Door:
        if self.door is None:
            raise RuntimeError("a simulator that is not being served has no door")
        return self.door

    def cut_all(self) -> None:
        """Cut every connection, WebSockets included."""
        for transport in list(self.connections.values()):
            transport.abort()

    def abort(self, peer: Peer) -> None:
        """Cut one client's connection, if it is open."""
        transport = self.connections.get(peer)
        if transport is not None:
            transport.abort()

    async def cut(self, peer: Peer) -> None:
        """Cut one client's connection; on return, no response can be sent on it."""
        self.abort(peer)
        await asyncio.sleep(0)

    def free(self, wanted: set[str]) -> None:
        """Unload models (``unload_models``), or empty the cache too (``free_memory``), as soon as no prompt runs."""
        self.freed += 1
        self._frees |= wanted
        if self.queue.running is None:
            self._free()

    def _free(self) -> None:
        if self._frees:
            self.faults.memory_full = False
        if "free_memory" in self._frees:
            self.cache = {}
        self._frees = set()

    def interrupt(self, prompt_id: str | None) -> bool:
        """Interrupt the running prompt if it has this id, or any without an id; return whether one was interrupted."""
        execution = self.execution
        if execution is None or prompt_id not in (None, execution.prompt.prompt_id):
            return False
        self.record("interrupted", execution.prompt.prompt_id)
        execution.interrupted.set()
        return True

    def end_silence(self) -> bool:
        """Stop the silence of a node at once; return whether a node was silent."""
        execution = self.execution
        if execution is None or not execution.silent:
            return False
        execution.heard.set()
        return True

    def delete(self, prompt_id: str) -> bool:
        """Delete one waiting prompt with this id, and return whether there was one."""
        if not self.queue.delete(prompt_id):
            return False
        self.record("deleted", prompt_id)
        return True

    def status(self) -> dict[str, Any]:
        """Return the content of a ``status`` frame."""
        return {"status": {"exec_info": {"queue_remaining": self.queue.remaining}}}

    def _send_status(self) -> None:
        if self.sockets.by_client:
            self.sockets.send(sockets.text("status", json.dumps(self.status())))

    def stays_open(self, frames: int) -> bool:
        """Count a frame that a WebSocket sent, and return whether it stays open after ``frames`` frames."""
        self.count("after_frames")
        return frames != self.faults.drop_after_frames or not self.faults.use("drop_sockets")

    async def _run(self) -> None:
        while True:
            prompt = await self.queue.take()
            self.record("started", prompt.prompt_id)
            self.count("after_prompts")
            self.execution = Execution(self, prompt)
            ended = await self.execution.run()
            await asyncio.sleep(self.faults.history_lag)
            self.execution = None
            self.record("ended", prompt.prompt_id, outcome_of(ended))
            self.queue.finish(prompt, ended)
            self._send_end(prompt)
            self._free()

    def _send_end(self, prompt: Prompt) -> None:
        if prompt.client is not None:
            content = json.dumps({"node": None, "prompt_id": prompt.prompt_id})
            self.sockets.send(sockets.text("executing", content), prompt.client)
