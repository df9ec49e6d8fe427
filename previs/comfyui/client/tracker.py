"""Track the prompts of one server: frames decide when to poll; queue and history decide what is true.

One read of the queue serves all tracked prompts.
"""

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.queue_cache import QueueCache
from previs.comfyui.client.socket import Socket
from previs.comfyui.protocol.deadlines import OngoingError, Signals
from previs.comfyui.protocol.frames import Executing, Frame, Other, Status
from previs.comfyui.protocol.prompt_state import PromptState
from previs.comfyui.protocol.queue import Queue, Queued
from previs.errors import AccessDenied, PrevisError, ServerUnavailable, ServerUnreachable

MAX_PAUSE = 2.0
"""Seconds between two polls, once the first quick ones are over."""

_FIRST_PAUSE, _HISTORY_RETRY = 0.2, 0.05
# Of a prompt that is tracked beside others; frames usually say more, and sooner.
_FURTHER_PAUSE = 0.8
# A long queue of other clients comes with all their graphs: polling takes at most a fifth of the time.
_REST_FACTOR = 4


@dataclass(eq=False, slots=True)
class TrackedPrompt:
    """Hold a prompt that a caller waits for.

    Attributes:
        changed: Event that is set whenever there is news about the prompt.
        ours: Whether this client submitted it, so that its frames arrive here.
        history_error: Error of the prompt's own history entry.
    """

    state: PromptState
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ours: bool = False
    history_error: OngoingError | None = None


class PromptTracker:
    """Poll a server for the tracked prompts: at once if a frame calls for it, otherwise at growing intervals.

    Enter it to open its socket.

    Attributes:
        socket: Socket that receives the frames.
        tracked: Tracked prompts by id.
        outage: Error and start of the server's outage; time that the server asked to wait does not count.
        queue_remaining: Number of all clients' running and pending prompts, as of the last ``status`` frame.
    """

    def __init__(
        self,
        address: Address,
        api: Api,
        queue_cache: QueueCache,
        *,
        on_answer: Callable[[PrevisError | None], None],
    ) -> None:
        self.socket = Socket(address, on_frame=self._on_frame, on_open=self._on_open)
        self.tracked: dict[str, TrackedPrompt] = {}
        self.outage: OngoingError | None = None
        self.queue_remaining = 0
        self._last_frame = 0.0
        self._was_open = False
        self._api = api
        self._queue_cache = queue_cache
        self._on_answer = on_answer
        self._wake = asyncio.Event()
        self._history_ready: set[TrackedPrompt] = set()
        self._pause = _FIRST_PAUSE
        self._due = math.inf
        self._rest_until = self._retry_after = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.socket.__aenter__()
        self._task = asyncio.create_task(self._poll_forever())
        self._task.add_done_callback(lambda _: self._notify_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.socket.__aexit__()

    @property
    def polling(self) -> bool:
        """Return whether the tracker still polls; an unreadable answer may have stopped it."""
        return self._task is not None and not self._task.done()

    def track(self, prompt_id: str) -> TrackedPrompt:
        """Track a prompt from now on."""
        pause = _FURTHER_PAUSE if self.tracked else _FIRST_PAUSE
        tracked = self.tracked[prompt_id] = TrackedPrompt(PromptState(prompt_id))
        self._pause = min(self._pause, pause)
        self._poll_within(pause)
        return tracked

    def untrack(self, prompt_id: str) -> None:
        """Stop tracking a prompt."""
        self._history_ready.discard(self.tracked.pop(prompt_id))

    def poll_now(self) -> None:
        """Poll the state of all tracked prompts now."""
        self._poll_within(0.0)

    def signals(self, tracked: TrackedPrompt) -> Signals:
        """Return the signs of life for a prompt."""
        return Signals(self.outage, tracked.history_error, self._last_frame)

    def _poll_within(self, seconds: float) -> None:
        self._due = min(self._due, time.monotonic() + seconds)
        self._wake.set()

    def _on_open(self) -> None:
        for each in self.tracked.values():
            each.state.on_reconnect()
        self._queue_cache.has_foreign |= self._was_open
        self._was_open = True
        self.poll_now()

    def _on_frame(self, frame: Frame) -> None:
        self._last_frame = time.monotonic()
        match frame:
            case Status(queue_remaining=remaining):
                self.queue_remaining = remaining
                self._queue_cache.has_foreign |= remaining > len(self.tracked)
            case Other():
                pass
            case _ if tracked := self.tracked.get(frame.prompt_id):
                tracked.state.on_frame(frame, self._last_frame)
                tracked.changed.set()
                if isinstance(frame, Executing) and frame.node is None:
                    self._history_ready.add(tracked)
                    self._wake.set()

    async def _poll_forever(self) -> None:
        while True:
            await self._wait_until_due()
            began = time.monotonic()
            if not self.tracked:
                self.outage = None
                continue
            due = self._next_poll <= began
            if not due and not self._history_ready:
                continue
            try:
                await (self._read_queue_and_history() if due else self._read_ready_history())
            except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
                self._fail(error)
            else:
                self.outage = None
                self._on_answer(None)
            if due:
                self._plan_next(began)

    async def _wait_until_due(self) -> None:
        """Wait for the next poll or for a ready history entry, and always as long as the server asked to wait."""
        await asyncio.sleep(max(0.0, self._retry_after - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            timeout = max(0.0, self._next_poll - time.monotonic()) if self.tracked else None
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()

    @property
    def _next_poll(self) -> float:
        return max(self._due, self._rest_until)

    def _plan_next(self, began: float) -> None:
        now = time.monotonic()
        self._due = min(self._due, now + self._pause)
        self._pause = min(self._pause * 2, MAX_PAUSE)
        self._rest_until = now + _REST_FACTOR * (now - began) if self.outage is None else 0.0

    def _fail(self, error: ServerUnreachable | ServerUnavailable | AccessDenied) -> None:
        self._on_answer(error)
        now = time.monotonic()
        since = self.outage.since if self.outage else now
        if isinstance(error, ServerUnavailable) and error.retry_after:
            self._retry_after = now + error.retry_after
            since = max(since, self._retry_after)
        self.outage = OngoingError(since, error)
        self._notify_all()

    def _notify_all(self) -> None:
        for each in self.tracked.values():
            each.changed.set()

    async def _read_ready_history(self) -> None:
        while self._history_ready:
            each = self._history_ready.pop()
            await self._read_history(each, absent_from_queue=False)
            if each.state.end is None:
                # The entry existed when the frame was sent, so only queue and history together can decide now.
                self._pause = _HISTORY_RETRY
                self._poll_within(_HISTORY_RETRY)

    async def _read_queue_and_history(self) -> None:
        # A request to poll that arrives from now on needs another poll.
        self._due = math.inf
        self._history_ready.clear()
        # A prompt that was accepted after the queue was read may be absent without being lost.
        accepted = [each for each in self.tracked.values() if each.state.accepted]
        queue = await self._queue_cache.read()
        for each in accepted:
            place = queue.place_of(each.state.prompt_id)
            each.state.on_queue(place, time.monotonic())
            if place is None:
                await self._read_history(each, absent_from_queue=True)
            else:
                each.changed.set()
        await self._remove_duplicates(queue, accepted)

    async def _remove_duplicates(self, queue: Queue, accepted: list[TrackedPrompt]) -> None:
        """Remove one of two posts of a prompt; the owner of the later post does so.

        If both are pending, the server decides which one it removes. The client of the remaining post gets the frames.
        """
        posts = defaultdict[str, list[Queued]](list)
        for entry in queue.entries:
            posts[entry.prompt_id].append(entry)
        for each in accepted:
            same = posts.get(each.state.prompt_id, [])
            clients = {entry.client_id for entry in same}
            if same and None not in clients:
                each.ours = self.socket.client_id in clients
            if len(same) > 1 and max(same, key=lambda entry: entry.number or 0).client_id == self.socket.client_id:
                await self._api.delete_pending(each.state.prompt_id)

    async def _read_history(self, each: TrackedPrompt, *, absent_from_queue: bool) -> None:
        """Read one history entry; an error of that entry concerns this prompt alone, not the server."""
        try:
            entry = await self._api.history(each.state.prompt_id)
        except ServerUnavailable as error:
            if error.retry_after:
                raise
            now = time.monotonic()
            each.history_error = OngoingError(each.history_error.since if each.history_error else now, error, now)
        else:
            each.history_error = None
            each.state.on_history(entry, absent_from_queue=absent_from_queue)
        each.changed.set()
