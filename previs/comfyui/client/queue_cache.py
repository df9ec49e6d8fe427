"""Cache a server's queue, to answer where any client's prompts are with few requests."""

import asyncio
import time

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.history import Failure, Interruption, Success, read_entry
from previs.comfyui.protocol.prompt_state import Phase
from previs.comfyui.protocol.queue import Queue

PromptStatus = Phase | Success | Failure | Interruption | None
"""Where a prompt is on a server: its phase, how it ended, or None if it is unknown."""

_MAX_AGE = 1.0


class QueueCache:
    """Cache the queue for a second, and request the history only of prompts that it may hold.

    Attributes:
        own: Prompts posted or followed by this client whose outcome is not yet known and stored.
        has_foreign: Whether other clients' prompts may have been on the server since this was last set to false.
    """

    def __init__(self, api: Api) -> None:
        self.own: set[str] = set()
        self.has_foreign = True
        self._api = api
        self._queue: tuple[float, asyncio.Future[Queue]] | None = None

    async def read(self) -> Queue:
        """Return the queue as it is now, and keep it for later calls of :meth:`cached_status`."""
        began = time.monotonic()
        queue = await self._api.queue()
        if self._queue is None or self._queue[1].done():
            self._queue = began, asyncio.get_running_loop().create_future()
            self._queue[1].set_result(queue)
        return queue

    async def cached_status(self, prompt_id: str) -> PromptStatus:
        """Return where a prompt is; one read of the queue serves all calls within a second, but for :attr:`own`.

        If no other client has used the server since its start, only this client's prompts are looked up in the history.
        """
        own = prompt_id in self.own
        if phase := phase_in(await (self.read() if own else self._recent_queue()), prompt_id):
            return phase
        return await read_end(self._api, prompt_id) if self.has_foreign or own else None

    async def stop(self) -> None:
        """Cancel the read in progress."""
        if self._queue is not None:
            self._queue[1].cancel()
            await asyncio.wait([self._queue[1]])

    async def _recent_queue(self) -> Queue:
        now = time.monotonic()
        if self._queue is None or now - self._queue[0] > _MAX_AGE:
            reading = asyncio.create_task(self._api.queue())
            # asyncio logs an exception that nobody retrieved.
            reading.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._queue = now, reading
        # Cancelling one caller must not cancel the read for the others.
        return await asyncio.shield(self._queue[1])


def phase_in(queue: Queue, prompt_id: str) -> Phase | None:
    """Return a prompt's phase according to the queue, or None if it is absent."""
    return {"running": Phase.RUNNING, "pending": Phase.WAITING, None: None}[queue.place_of(prompt_id)]


async def read_end(api: Api, prompt_id: str) -> Success | Failure | Interruption | None:
    """Return how a prompt ended according to the history, or None if it has no entry."""
    entry = await api.history(prompt_id)
    return None if entry is None else read_entry(entry)
