"""One ComfyUI: submit graphs, follow prompts to their end, fetch what they made.

Frames of the socket tell when to look; queue and history tell the truth. One queue read serves all prompts that are
followed.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from previs.comfyui.address import Address
from previs.comfyui.api import Api
from previs.comfyui.frames import Executing, Frame, Other, Status
from previs.comfyui.graph import Graph
from previs.comfyui.history import Failure, Interruption, Success, read_entry
from previs.comfyui.life import Life, Phase
from previs.comfyui.refusal import classes_to_ask, faults_of
from previs.comfyui.socket import Socket
from previs.errors import (
    AccessDenied,
    Fault,
    NodeFailed,
    OutOfMemory,
    PromptInterrupted,
    PromptLost,
    PromptRefused,
    RenderTimedOut,
    ServerSilent,
    ServerTrouble,
    ServerUnreachable,
)

_PACE = 2.0
_FIRST_LOOK, _LATE_HISTORY = 0.2, 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for a prompt, in seconds.

    Attributes:
        render: from the moment the server starts on it.
        silence: without a frame while it runs and the socket is open.
        unreachable: while HTTP does not answer, no frame comes, and a prompt is in work there.
    """

    render: float = 300
    silence: float = 60
    unreachable: float = 5


class Server:
    """One server. Enter it to open its socket; everything else wants it entered.

    Attributes:
        name: base URL without credentials.
        up: whether it answered when last asked. :meth:`probe` asks.
        queue_remaining: everybody's prompts there, running and pending, as of the last ``status`` frame.
    """

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self.api = Api(address)
        self.up = False
        self.queue_remaining = 0
        self._socket = Socket(address, on_frame=self._see, on_open=self._look_at_all)
        self._lives: dict[str, Life] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._submitted_here: set[str] = set()
        self._wake = asyncio.Event()
        self._look_now = False
        self._failing_since: float | None = None
        self._failure = ""
        self._last_frame = 0.0
        self._troubles: dict[str, tuple[float, ServerTrouble]] = {}
        self._abandoned: set[str] = set()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._socket.__aenter__()
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(lambda _: self._tell_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._socket.__aexit__()
        await self.api.aclose()

    async def probe(self) -> Mapping[str, object]:
        """Ask whether it answers, and set :attr:`up`.

        Of a server that was up before, too, prompts are removed that could not be given up when it was time. One that
        has just come back is left alone first: whoever wants its prompts may join them again.

        Returns:
            ``/system_stats``.

        Raises:
            ServerUnreachable, ServerTrouble, AccessDenied: it does not answer as it should.
        """
        was_up = self.up
        try:
            stats = await self.api.system_stats()
        except (ServerUnreachable, ServerTrouble, AccessDenied):
            self.up = False
            raise
        self.up = True
        if was_up:
            for prompt_id in self._abandoned - self._lives.keys():
                await self.give_up(prompt_id)
        return stats

    async def look(self, prompt_id: str) -> Phase | Success | Failure | Interruption | None:
        """Where a prompt is on this server, whoever submitted it: its phase, how it ended, or nothing known.

        The queue is read before the history: the other order can miss a prompt that ends in between.
        """
        queue = await self.api.queue()
        if place := queue.place_of(prompt_id):
            return Phase.RUNNING if place == "running" else Phase.WAITING
        entry = await self.api.history(prompt_id)
        return None if entry is None else read_entry(entry)

    async def submit(self, graph: Graph, prompt_id: str) -> None:
        """Queue a graph, unless the server already has this id in queue or history; then :meth:`follow` it.

        Waits for the socket first: a short prompt ends within milliseconds, and nothing is sent again.

        Raises:
            PromptRefused: by validation, in whole or in part; what had been queued is deleted.
            ServerUnreachable, ServerTrouble: the id is not known there, or there was no telling.
        """
        await self._socket.opened(_PACE)
        if await self.look(prompt_id) is not None:
            return
        self._begin(prompt_id)
        try:
            await self._post(graph, prompt_id)
        except BaseException:
            self._forget(prompt_id)
            raise
        self._submitted_here.add(prompt_id)

    async def follow(
        self, prompt_id: str, limits: Limits, on_change: Callable[[Life], None] = lambda _: None
    ) -> Success:
        """Wait for an accepted prompt's end.

        ``on_change`` is called with its life whenever that changes. The prompt is not given up when this raises; call
        :meth:`give_up` unless it ended.

        Raises:
            NodeFailed, OutOfMemory, PromptInterrupted, PromptLost: how it ended.
            RenderTimedOut, ServerSilent, ServerUnreachable: it has not ended, as far as is known.
        """
        self._abandoned.discard(prompt_id)
        life = self._lives.get(prompt_id) or self._begin(prompt_id)
        changed = self._changed[prompt_id]
        life.accept()
        if prompt_id not in self._submitted_here:
            self._look_at_all()
        try:
            while life.end is None:
                patience = self._patience(life, limits)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await changed.wait()
                changed.clear()
                on_change(life)
        finally:
            self._forget(prompt_id)
        return self._success(life)

    async def give_up(self, prompt_id: str) -> None:
        """Free the server of a prompt, whether it waits or runs; nobody else's is touched.

        When this raises or is cancelled, a later :meth:`probe` does it again, unless the prompt is followed by then.
        """
        self._abandoned.add(prompt_id)
        with contextlib.suppress(ServerTrouble):
            await self.api.delete_pending(prompt_id)
        if prompt_id in (await self.api.queue()).running:
            await self.api.interrupt(prompt_id)
        self._abandoned.discard(prompt_id)

    def _begin(self, prompt_id: str) -> Life:
        life = self._lives[prompt_id] = Life(prompt_id)
        self._changed[prompt_id] = asyncio.Event()
        return life

    def _forget(self, prompt_id: str) -> None:
        del self._lives[prompt_id], self._changed[prompt_id]
        self._submitted_here.discard(prompt_id)
        self._troubles.pop(prompt_id, None)

    async def _post(self, graph: Graph, prompt_id: str) -> None:
        try:
            posted = await self.api.post_prompt(graph, prompt_id=prompt_id, client_id=self._socket.client_id)
        except (ServerUnreachable, ServerTrouble):
            # The answer may have been lost on its way back.
            if await self.look(prompt_id) is None:
                raise
            return
        taken = str(posted.body.get("prompt_id", prompt_id))
        if posted.accepted and taken != prompt_id:
            await self.give_up(taken)
            remedy = "this ComfyUI takes no ids of ours, so no render could be found again: update it"
            raise PromptRefused(self.name, (Fault("the server", "prompt_id", taken, remedy),))
        if posted.refused:
            if posted.accepted:
                await self.give_up(prompt_id)
            raise PromptRefused(self.name, faults_of(posted.body, graph, await self._rules_of(posted.body)))

    async def _rules_of(self, body: Mapping[str, object]) -> Mapping[str, object]:
        rules: dict[str, object] = {}
        with contextlib.suppress(ServerUnreachable, ServerTrouble):
            for class_type in classes_to_ask(body):
                rules.update(await self.api.object_info(class_type))
        return rules

    def _success(self, life: Life) -> Success:
        match life.end:
            case Success() as success:
                return success
            case Failure(out_of_memory=True) as failure:
                raise OutOfMemory(self.name, failure.node_id, failure.class_type)
            case Failure() as failure:
                raise NodeFailed(self.name, failure.node_id, failure.class_type, failure.message)
            case Interruption():
                raise PromptInterrupted(self.name, life.prompt_id)
            case _:
                raise PromptLost(self.name, life.prompt_id)

    def _patience(self, life: Life, limits: Limits) -> float | None:
        """Seconds until the first deadline of a prompt; none if there is none.

        Raises:
            RenderTimedOut, ServerSilent, ServerUnreachable, ServerTrouble: that deadline is over.
        """
        if self._watching is None or self._watching.done():
            raise ServerTrouble(self.name, "questions about its prompts", "what nothing here can read")
        now = time.monotonic()
        waits: list[float] = []

        def until(start: float, allowed: float, error: Exception) -> None:
            left = start + allowed - now
            if left <= 0:
                raise error
            waits.append(left)

        if self._failing_since is not None:
            silent_since = max(self._failing_since, self._last_frame)
            until(silent_since, limits.unreachable, ServerUnreachable(self.name, self._failure))
        if life.prompt_id in self._troubles:
            since, trouble = self._troubles[life.prompt_id]
            until(since, limits.unreachable, trouble)
        if life.running_since is not None and life.end is None:
            until(life.running_since, limits.render, RenderTimedOut(self.name, limits.render))
            # Frames go to the client that submitted: of a prompt that was joined none can be expected.
            if self._socket.open_since is not None and life.prompt_id in self._submitted_here:
                heard = max(self._socket.open_since, life.last_frame or life.running_since)
                until(heard, limits.silence, ServerSilent(self.name, limits.silence))
        return min(waits, default=None)

    def _see(self, frame: Frame) -> None:
        self._last_frame = time.monotonic()
        match frame:
            case Status(queue_remaining=remaining):
                self.queue_remaining = remaining
            case Other():
                pass
            case _ if life := self._lives.get(frame.prompt_id):
                life.see_frame(frame, self._last_frame)
                self._changed[life.prompt_id].set()
                if isinstance(frame, Executing) and frame.node is None:
                    self._wake.set()

    def _look_at_all(self) -> None:
        self._look_now = True
        self._wake.set()

    async def _watch(self) -> None:
        """Read queue and history for the prompts that are followed, when a frame says so and else at a calm pace."""
        pause = _FIRST_LOOK
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()
            look_at_all = self._look_now or not any(life.over for life in self._lives.values())
            self._look_now = False
            if not self._lives:
                pause = _PACE
                self._failing_since = None
                continue
            try:
                await (self._read_queue_and_history() if look_at_all else self._read_history_of_ended())
            except (ServerUnreachable, ServerTrouble, AccessDenied) as error:
                self._fail(error)
            else:
                self._failing_since = None
                self.up = True
            pause = self._next_pause(pause)

    def _next_pause(self, pause: float) -> float:
        if any(life.ending or life.over for life in self._lives.values()):
            return _LATE_HISTORY
        return min(max(pause, _FIRST_LOOK) * 2, _PACE)

    def _fail(self, error: ServerUnreachable | ServerTrouble | AccessDenied) -> None:
        self.up = False
        self._failure = error.reason if isinstance(error, ServerUnreachable) else str(error)
        if self._failing_since is None:
            self._failing_since = time.monotonic()
        self._tell_all()

    def _tell_all(self) -> None:
        for changed in self._changed.values():
            changed.set()

    async def _read_history_of_ended(self) -> None:
        for life in [life for life in self._lives.values() if life.over]:
            # The entry existed when the frame was sent; if it is not there, only queue and history together tell.
            life.over = False
            await self._read_history(life, absent_from_queue=False)

    async def _read_queue_and_history(self) -> None:
        lives = [life for life in self._lives.values() if life.phase is not Phase.SUBMITTED]
        queue = await self.api.queue()
        for life in lives:
            place = queue.place_of(life.prompt_id)
            life.see_queue(place, time.monotonic())
            if place is None:
                await self._read_history(life, absent_from_queue=True)
            else:
                self._tell(life)

    async def _read_history(self, life: Life, *, absent_from_queue: bool) -> None:
        """Read one entry; trouble with it is that prompt's own, and no reason to doubt the server."""
        try:
            entry = await self.api.history(life.prompt_id)
        except ServerTrouble as trouble:
            self._troubles.setdefault(life.prompt_id, (time.monotonic(), trouble))
        else:
            self._troubles.pop(life.prompt_id, None)
            life.see_history(entry, absent_from_queue=absent_from_queue)
        self._tell(life)

    def _tell(self, life: Life) -> None:
        if changed := self._changed.get(life.prompt_id):
            changed.set()
