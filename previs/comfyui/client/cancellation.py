"""Cancel prompts on one server, again until they are gone: a node that is at work obeys only when it is done."""

import asyncio
import contextlib
from typing import Protocol

from previs.comfyui.client.api import Api
from previs.comfyui.client.posts import Posts
from previs.comfyui.client.tracker import MAX_PAUSE
from previs.errors import ServerUnavailable, ServerUnreachable

_CANCEL_TIMEOUT = 4.0
_POST_TIMEOUT = 2.0
_POLL_PAUSE, _INTERRUPT_POLLS = 0.2, 8
_MAX_ATTEMPTS = 3


class InterruptMarks(Protocol):
    """Mark prompts that are being interrupted, for other clients: they may be at work for long."""

    async def mark(self, prompt_id: str, server: str) -> bool:
        """Mark a prompt on a server; return whether that is done."""

    async def unmark(self, prompt_id: str) -> None:
        """Remove a prompt's mark."""


class Cancellations:
    """Hold the prompts that are being cancelled on one server.

    Attributes:
        abandoned: Prompts to remove, until they are gone, or are submitted or followed again.
        interrupted: Prompts that were interrupted and have not left the queue.
    """

    def __init__(self, api: Api, posts: Posts) -> None:
        self.abandoned: set[str] = set()
        self.interrupted: set[str] = set()
        self._api = api
        self._posts = posts
        self._removals: dict[str, asyncio.Task[None]] = {}
        self._marks: dict[str, InterruptMarks] = {}
        self._marked: set[str] = set()

    async def stop(self) -> None:
        """Stop all work in the background; what was interrupted stays so."""
        for removal in (removals := tuple(self._removals.values())):
            removal.cancel()
        await asyncio.gather(*removals, return_exceptions=True)

    async def cancel(self, prompt_id: str, marks: InterruptMarks | None) -> bool:
        """Remove a pending or running prompt; return whether it is gone within a few seconds.

        Otherwise its removal continues in the background. The prompt is marked before the first request that may
        interrupt it, until the server says that it has ended.

        Raises:
            ServerUnreachable, ServerUnavailable, AccessDenied: The server could not be asked; :meth:`start` it again.
        """
        self.abandoned.add(prompt_id)
        if marks is not None:
            self._marks[prompt_id] = marks
        removal = self.start(prompt_id)
        # Cancelling the caller does not cancel the removal.
        await asyncio.wait([removal], timeout=_CANCEL_TIMEOUT)
        if not removal.done():
            return False
        removal.result()
        return True

    def adopt(self, prompt_id: str, marks: InterruptMarks) -> None:
        """Cancel a prompt that another client has marked and interrupted, in the background."""
        self._marks[prompt_id] = marks
        self._marked.add(prompt_id)
        self.abandoned.add(prompt_id)
        self.interrupted.add(prompt_id)
        self.start(prompt_id)

    async def wait_until_gone(self, prompt_id: str) -> None:
        """Wait until an interrupted prompt is no longer at work, or the server cannot be asked."""
        if prompt_id in self.interrupted:
            await asyncio.wait([self.start(prompt_id)])

    def start(self, prompt_id: str) -> asyncio.Task[None]:
        """Return the task that removes a prompt, and start it unless it is at work."""
        removal = self._removals.get(prompt_id)
        if removal is None:
            removal = self._removals[prompt_id] = asyncio.create_task(self._remove_until_gone(prompt_id))
            removal.add_done_callback(lambda done: self._end(prompt_id, done))
        return removal

    def _end(self, prompt_id: str, removal: asyncio.Task[None]) -> None:
        del self._removals[prompt_id]
        # asyncio logs an exception that nobody retrieved.
        if removal.cancelled() or removal.exception() is not None:
            return
        self.abandoned.discard(prompt_id)
        self.interrupted.discard(prompt_id)

    async def _remove_until_gone(self, prompt_id: str) -> None:
        await self._posts.wait_for_answer(prompt_id, _POST_TIMEOUT)
        attempts, pause = 0, _POLL_PAUSE
        while prompt_id in self.abandoned:
            try:
                if not await self._remove(prompt_id):
                    break
                await self._wait_until_gone(prompt_id, pause)
            except (ServerUnreachable, ServerUnavailable):
                attempts += 1
                if attempts == _MAX_ATTEMPTS:
                    raise
                await asyncio.sleep(_POLL_PAUSE)
            else:
                attempts, pause = 0, min(2 * pause, MAX_PAUSE)
        await self._unmark(prompt_id)

    async def _mark(self, prompt_id: str) -> None:
        marks = None if prompt_id in self._marked else self._marks.get(prompt_id)
        if marks is not None and await marks.mark(prompt_id, self._api.name):
            self._marked.add(prompt_id)

    async def _unmark(self, prompt_id: str) -> None:
        marks = self._marks.pop(prompt_id, None)
        if marks is not None and prompt_id in self._marked:
            self._marked.discard(prompt_id)
            await marks.unmark(prompt_id)

    async def _remove(self, prompt_id: str) -> bool:
        """Request removal, and return whether the prompt was still there; the server may miss an early interrupt."""
        if (await self._api.queue()).place_of(prompt_id) is None:
            return False
        await self._mark(prompt_id)
        if (removed := await self._api.cancel_job(prompt_id)) is not None:
            if removed:
                self.interrupted.add(prompt_id)
            return removed
        with contextlib.suppress(ServerUnavailable):
            await self._api.delete_pending(prompt_id)
        place = (await self._api.queue()).place_of(prompt_id)
        if place == "running":
            self.interrupted.add(prompt_id)
            await self._api.interrupt(prompt_id)
        return place is not None

    async def _wait_until_gone(self, prompt_id: str, pause: float) -> None:
        """Poll until a prompt has left the queue; stop after eight polls."""
        for _ in range(_INTERRUPT_POLLS):
            await asyncio.sleep(pause)
            if (await self._api.queue()).place_of(prompt_id) is None:
                return
