"""Watching the prompts of one server: frames tell when to look, queue and history tell the truth.

One read of the queue serves all prompts that are followed.
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
from previs.comfyui.client.socket import Socket
from previs.comfyui.protocol.deadlines import Hearing, Trouble
from previs.comfyui.protocol.frames import Executing, Frame, Other, Status
from previs.comfyui.protocol.prompt_state import PromptState
from previs.comfyui.protocol.queue import Queue, Queued
from previs.errors import AccessDenied, PrevisError, ServerUnavailable, ServerUnreachable

PACE = 2.0
"""Seconds between two looks at most, once the first quick ones are over."""

_FIRST_LOOK, _LATE_HISTORY = 0.2, 0.05
# Other people's queue may be long, and it comes with all their graphs: looking takes at most a fifth of the time.
_REST = 4


@dataclass(eq=False, slots=True)
class Followed:
    """A prompt that somebody waits for.

    Attributes:
        changed: set whenever there is something new about it.
        ours: whether this client submitted it, so that its frames come here.
        trouble: with its own history entry.
    """

    life: PromptState
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ours: bool = False
    trouble: Trouble | None = None


class PromptTracker:
    """Looks at a server for the prompts that are followed, at once when a frame says so and else at a calm pace.

    Enter it to open its socket.

    Attributes:
        socket: over which the frames come.
        followed: by prompt id.
        outage: since when the server has not answered, and with what; the time that it asked to be left alone does
            not count.
        queue_remaining: everybody's prompts there, running and pending, as of the last ``status`` frame.
        crowded: whether prompts that are not followed here may have been there since this was last set to false.
    """

    def __init__(self, address: Address, api: Api, *, on_answer: Callable[[PrevisError | None], None]) -> None:
        self.socket = Socket(address, on_frame=self._see, on_open=self._see_gap)
        self.followed: dict[str, Followed] = {}
        self.outage: Trouble | None = None
        self._heard = 0.0
        self.queue_remaining = 0
        self.crowded = True
        self._was_open = False
        self._api = api
        self._on_answer = on_answer
        self._wake = asyncio.Event()
        self._over: set[Followed] = set()
        self._pause = _FIRST_LOOK
        self._due = math.inf
        self._rest_until = self._alone_until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.socket.__aenter__()
        self._task = asyncio.create_task(self._watch())
        self._task.add_done_callback(lambda _: self._tell_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.socket.__aexit__()

    @property
    def looking(self) -> bool:
        """Whether it still looks; an answer that nothing here can read may have ended it."""
        return self._task is not None and not self._task.done()

    def begin(self, prompt_id: str) -> Followed:
        """Follow a prompt from now on."""
        followed = self.followed[prompt_id] = Followed(PromptState(prompt_id))
        self._pause = _FIRST_LOOK
        self._look_within(_FIRST_LOOK)
        return followed

    def forget(self, prompt_id: str) -> None:
        """Follow it no more."""
        self._over.discard(self.followed.pop(prompt_id))

    def look(self) -> None:
        """Look at all prompts now."""
        self._look_within(0.0)

    def hearing(self, followed: Followed) -> Hearing:
        """What can be heard of a prompt now."""
        # Frames go to the client that submitted: of a prompt that was joined none can be expected.
        frames_since = self.socket.open_since if followed.ours else None
        return Hearing(self.outage, followed.trouble, self._heard, frames_since)

    def _look_within(self, seconds: float) -> None:
        self._due = min(self._due, time.monotonic() + seconds)
        self._wake.set()

    def _see_gap(self) -> None:
        for each in self.followed.values():
            each.life.see_gap()
        self.crowded, self._was_open = self.crowded or self._was_open, True
        self.look()

    def _see(self, frame: Frame) -> None:
        self._heard = time.monotonic()
        match frame:
            case Status(queue_remaining=remaining):
                self.queue_remaining = remaining
                self.crowded = self.crowded or remaining > len(self.followed)
            case Other():
                pass
            case _ if followed := self.followed.get(frame.prompt_id):
                followed.life.see_frame(frame, self._heard)
                followed.changed.set()
                if isinstance(frame, Executing) and frame.node is None:
                    self._over.add(followed)
                    self._wake.set()

    async def _watch(self) -> None:
        while True:
            await self._called()
            began = time.monotonic()
            if not self.followed:
                self.outage = None
                continue
            due = self._next_look <= began
            if not due and not self._over:
                continue
            try:
                await (self._read_queue_and_history() if due else self._read_history_of_ended())
            except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
                self._fail(error)
            else:
                self.outage = None
                self._on_answer(None)
            if due:
                self._plan_next(began)

    async def _called(self) -> None:
        """Wait until it is time to look at all, or something else is to be done; in any case as long as asked to."""
        await asyncio.sleep(max(0.0, self._alone_until - time.monotonic()))
        with contextlib.suppress(TimeoutError):
            patience = max(0.0, self._next_look - time.monotonic()) if self.followed else None
            async with asyncio.timeout(patience):
                await self._wake.wait()
        self._wake.clear()

    @property
    def _next_look(self) -> float:
        return max(self._due, self._rest_until)

    def _plan_next(self, began: float) -> None:
        now = time.monotonic()
        self._due = min(self._due, now + self._pause)
        self._pause = min(self._pause * 2, PACE)
        self._rest_until = now + _REST * (now - began) if self.outage is None else 0.0

    def _fail(self, error: ServerUnreachable | ServerUnavailable | AccessDenied) -> None:
        self._on_answer(error)
        now = time.monotonic()
        since = self.outage.since if self.outage else now
        if isinstance(error, ServerUnavailable) and error.retry_after:
            self._alone_until = now + error.retry_after
            since = max(since, self._alone_until)
        self.outage = Trouble(since, error)
        self._tell_all()

    def _tell_all(self) -> None:
        for each in self.followed.values():
            each.changed.set()

    async def _read_history_of_ended(self) -> None:
        while self._over:
            each = self._over.pop()
            each.life.over = False
            await self._read_history(each, absent_from_queue=False)
            if each.life.end is None:
                # The entry existed when the frame was sent; now only queue and history together tell.
                self._pause = _LATE_HISTORY
                self._look_within(_LATE_HISTORY)

    async def _read_queue_and_history(self) -> None:
        # Whoever asks for a look from now on means another one.
        self._due = math.inf
        self._over.clear()
        # Only of those accepted before the queue was read does their absence mean anything.
        accepted = [each for each in self.followed.values() if each.life.accepted]
        queue = await self._api.queue()
        for each in accepted:
            place = queue.place_of(each.life.prompt_id)
            each.life.see_queue(place, time.monotonic())
            if place is None:
                await self._read_history(each, absent_from_queue=True)
            else:
                each.changed.set()
        await self._settle_doubles(queue, accepted)

    async def _settle_doubles(self, queue: Queue, accepted: list[Followed]) -> None:
        """Of a prompt that two clients posted at the same moment, the owner of the later post takes one out.

        Which of two that wait the server takes out is its own affair; the client whose post is left gets the frames.
        """
        posts = defaultdict[str, list[Queued]](list)
        for entry in queue.entries:
            posts[entry.prompt_id].append(entry)
        for each in accepted:
            same = posts.get(each.life.prompt_id, [])
            clients = {entry.client_id for entry in same}
            if same and None not in clients:
                each.ours = self.socket.client_id in clients
            if len(same) > 1 and max(same, key=_number).client_id == self.socket.client_id:
                await self._api.delete_pending(each.life.prompt_id)

    async def _read_history(self, each: Followed, *, absent_from_queue: bool) -> None:
        """Read one entry; trouble with it is that prompt's own, and no reason to doubt the server."""
        try:
            entry = await self._api.history(each.life.prompt_id)
        except ServerUnavailable as error:
            if error.retry_after:
                raise
            now = time.monotonic()
            each.trouble = Trouble(each.trouble.since if each.trouble else now, error, now)
        else:
            each.trouble = None
            each.life.see_history(entry, absent_from_queue=absent_from_queue)
        each.changed.set()


def _number(entry: Queued) -> float:
    return entry.number or 0
