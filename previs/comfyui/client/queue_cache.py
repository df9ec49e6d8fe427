"""What a server has of prompts that may be anybody's, asked no more often than needed."""

import asyncio
import time

from previs.comfyui.client.api import Api
from previs.comfyui.client.tracker import PromptTracker
from previs.comfyui.protocol.history import Failure, Interruption, Success, read_entry
from previs.comfyui.protocol.prompt_state import Phase
from previs.comfyui.protocol.queue import Queue

PromptStatus = Phase | Success | Failure | Interruption | None
"""Where a prompt is on a server: its phase, how it ended, or nothing known."""

_QUEUE_KEPT = 1.0


class QueueCache:
    """The queue as it was within the last second, and the history only of prompts that it may hold.

    Attributes:
        own: prompts that were posted or followed here and of which not everything is known and kept.
    """

    def __init__(self, api: Api, tracker: PromptTracker) -> None:
        self.own: set[str] = set()
        self._api = api
        self._tracker = tracker
        self._queue: tuple[float, asyncio.Task[Queue]] | None = None

    async def cached_status(self, prompt_id: str) -> PromptStatus:
        """Where a prompt is; one read of the queue serves all who ask within a second.

        The history of a server that nobody else has used since its start is asked for prompts of this client alone.
        """
        queue = await self._recent_queue()
        if phase := phase_in(queue, prompt_id):
            return phase
        return await ended(self._api, prompt_id) if self._tracker.crowded or prompt_id in self.own else None

    def invalidate(self) -> None:
        """This client has changed the queue, or knows better."""
        self._queue = None

    async def stop(self) -> None:
        """Ask no more."""
        if self._queue is not None:
            self._queue[1].cancel()
            await asyncio.wait([self._queue[1]])

    async def _recent_queue(self) -> Queue:
        now = time.monotonic()
        if self._queue is None or now - self._queue[0] > _QUEUE_KEPT:
            reading = asyncio.create_task(self._api.queue())
            # Read, so that nobody is warned of an error that nobody waits for any more.
            reading.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._queue = now, reading
        # Whoever stops asking must not take the answer from the others.
        return await asyncio.shield(self._queue[1])


def phase_in(queue: Queue, prompt_id: str) -> Phase | None:
    """Where a prompt is by the queue."""
    match queue.place_of(prompt_id):
        case "running":
            return Phase.RUNNING
        case "pending":
            return Phase.WAITING
    return None


async def ended(api: Api, prompt_id: str) -> Success | Failure | Interruption | None:
    """How a prompt ended, by the history."""
    entry = await api.history(prompt_id)
    return None if entry is None else read_entry(entry)
