"""Use one ComfyUI server: submit graphs, follow prompts to their end, and cancel prompts."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.cancellation import Cancellations, InterruptMarks
from previs.comfyui.client.catalog import Catalog
from previs.comfyui.client.hashes import Hashes
from previs.comfyui.client.posts import Posts
from previs.comfyui.client.queue_cache import PromptStatus, QueueCache, phase_in, read_end
from previs.comfyui.client.tracker import MAX_PAUSE, PromptTracker, TrackedPrompt
from previs.comfyui.client.uploads import Upload, Uploads
from previs.comfyui.protocol.deadlines import Limits, time_left
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.history import Failure, Interruption, Success
from previs.comfyui.protocol.jobs import read_job
from previs.comfyui.protocol.prompt_state import PromptState
from previs.comfyui.protocol.validation_errors import classes_to_ask, faults_of, more_faults
from previs.comfyui.protocol.wire import as_mapping
from previs.errors import (
    AccessDenied,
    Fault,
    NodeFailed,
    OutOfMemory,
    PrevisError,
    PromptInterrupted,
    PromptLost,
    PromptRefused,
    ServerUnavailable,
    ServerUnreachable,
)
from previs.text.visible import shortened

_SOCKET_TIMEOUT = 1.0
_SEARCH_TIMEOUT = 5.0
_SEARCH_PAUSE = 0.2
_UNLOAD_SECONDS = 0.5
_MAX_VERSION_LENGTH = 40


class Server:
    """Use one server. Enter it to open its socket, before any other call.

    Attributes:
        name: Base URL without credentials.
        up: Whether the server answered the last request; :meth:`probe` updates it.
        api: Endpoints, for requests that concern no prompt.
        version: Version of ComfyUI reported by the last :meth:`probe`; None if it reported none.
        busy_until: Time on the monotonic clock until which the server asked to wait (``Retry-After``).
        posted: Ids of the prompts that this client posted; any other that the server has is joined.
    """

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self.api = Api(address)
        self.up = False
        self.busy_until = 0.0
        self.posted: set[str] = set()
        self.catalog = Catalog(self.api)
        self.hashes = Hashes(self.api)
        self.version: str | None = None
        self._queue_cache = QueueCache(self.api)
        self._tracker = PromptTracker(address, self.api, self._queue_cache, on_answer=self._on_answer)
        self._uploads = Uploads(self.api)
        self._posts = Posts(self.api)
        self._lock = asyncio.Lock()
        self._cancellations = Cancellations(self.api, self._posts)

    async def __aenter__(self) -> Self:
        await self._tracker.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._cancellations.stop()
        await self._tracker.__aexit__()
        await self._posts.stop()
        await self._queue_cache.stop()
        await self.api.aclose()

    @property
    def queue_remaining(self) -> int:
        """Return the number of all clients' running and pending prompts, as of the last ``status`` frame."""
        return self._tracker.queue_remaining

    @property
    def cancelling(self) -> frozenset[str]:
        """Return the prompts that were interrupted and have not left the queue: a node obeys only when it is done."""
        return frozenset(self._cancellations.interrupted)

    async def probe(self) -> Mapping[str, object]:
        """Check whether the server answers, set :attr:`up`, and return the answer of ``/system_stats``.

        Also begin to cancel the prompts that could not be cancelled earlier. A server that has just come back keeps
        those that were not interrupted at first, so that callers can join them again.

        Raises:
            ServerUnreachable, ServerUnavailable, AccessDenied: The server gives no usable answer.
        """
        was_up = self.up
        try:
            stats = await self.api.system_stats()
            if not was_up:
                # A restarted server may be another version, with other models.
                self.catalog.invalidate()
                self.hashes.invalidate()
                self.api.forget_endpoints()
                self._queue_cache.has_foreign = await self._was_used()
        except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
            self._note_retry_after(error)
            self.up = False
            raise
        self.up = True
        self.version = _version(stats)
        unfinished = self._cancellations.abandoned if was_up else self._cancellations.interrupted
        for prompt_id in unfinished - self._tracker.tracked.keys():
            self._cancellations.start(prompt_id)
        return stats

    async def _was_used(self) -> bool:
        """Return whether other clients' prompts may be there; the socket reports those posted from now on."""
        if not await self._tracker.socket.opened(_SOCKET_TIMEOUT):
            return True
        try:
            return bool((await self.api.queue()).entries) or await self.api.has_history()
        except ServerUnavailable:
            # An old server returns its whole history, which may be too large.
            return True

    async def status(self, prompt_id: str) -> PromptStatus:
        """Return where a prompt of any client is on this server now."""
        job = await self.api.job(prompt_id)
        if job is None and self.api.has_jobs:
            return None
        if job is not None and (state := read_job(job)):
            return state
        # History before queue could miss a prompt that ends in between.
        queue = await self.api.queue()
        return phase_in(queue, prompt_id) or await read_end(self.api, prompt_id)

    async def cached_status(self, prompt_id: str) -> PromptStatus:
        """Return where a prompt is, by few requests for any number of calls.

        May miss a prompt posted within the last second: call :meth:`status` before posting.
        """
        return await self._queue_cache.cached_status(prompt_id)

    def forget(self, prompt_id: str) -> None:
        """Forget a prompt of this client, as its outcome is stored and its status will not be requested again."""
        self._queue_cache.own.discard(prompt_id)

    async def submit(self, graph: Graph, prompt_id: str, files: Collection[Upload] = (), *, new: bool = False) -> bool:
        """Queue a graph, unless the server already has this id in queue or history; then call :meth:`follow`.

        Return whether it was queued by this call. Whether the server has the id is not asked if this client did not
        post it, no other client has used the server since its start, and the id is ``new``.

        Uploads the files that the graph names and the server lacks. Waits for the socket first, because a short prompt
        ends within milliseconds and frames are not resent.

        Raises:
            PromptRefused: Validation refused the graph or a part of it; any queued part is removed.
            ServerUnreachable, ServerUnavailable: The server does not have the prompt, or could not say whether it has.
        """
        self._cancellations.abandoned.discard(prompt_id)
        await self._tracker.socket.opened(MAX_PAUSE)
        # One at a time, so that prompts run in the order of submission.
        async with self._lock:
            unknown = new and not self._queue_cache.has_foreign and prompt_id not in self.posted
            if not unknown and await self.status(prompt_id) is not None:
                return False
            tracked = self._tracker.track(prompt_id)
            try:
                await self._upload_and_post(graph, tracked, files)
            except BaseException as error:
                self._note_retry_after(error)
                self._tracker.untrack(prompt_id)
                raise
        return True

    async def follow(
        self, prompt_id: str, limits: Limits, on_change: Callable[[PromptState], None] = lambda _: None
    ) -> Success:
        """Wait for the end of an accepted prompt, calling ``on_change`` at each change of its state.

        An error does not cancel the prompt: call :meth:`cancel_prompt` unless it ended.

        Raises:
            NodeFailed, OutOfMemory, PromptInterrupted, PromptLost: The prompt ended so.
            RenderTimedOut, ServerUnreachable: The prompt is not known to have ended.
        """
        self._cancellations.abandoned.discard(prompt_id)
        self._queue_cache.own.add(prompt_id)
        tracked = self._tracker.tracked.get(prompt_id) or self._tracker.track(prompt_id)
        state = tracked.state
        state.accept()
        if not tracked.ours:
            self._tracker.poll_now()
        try:
            while state.end is None:
                timeout = self._time_left(tracked, limits)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await tracked.changed.wait()
                tracked.changed.clear()
                on_change(state)
        finally:
            self._tracker.untrack(prompt_id)
        return self._success(state)

    async def cancel_prompt(self, prompt_id: str, marks: InterruptMarks | None = None) -> bool:
        """Remove a pending or running prompt; return whether it is gone within a few seconds, or left alone.

        A node that is at work obeys an interrupt only when it is done. That is waited for in the background, and
        meanwhile the prompt is one of :attr:`cancelling`. If this raises, a later :meth:`probe` tries again, unless the
        prompt is submitted or followed again by then. A prompt neither posted nor followed by this client is left
        alone, as it may belong to another run. No other prompt is touched.

        Args:
            prompt_id: The prompt.
            marks: Marks the prompt before it is interrupted, and unmarks it once it has ended.
        """
        return prompt_id not in self._queue_cache.own or await self._cancellations.cancel(prompt_id, marks)

    def keep_cancelling(self, prompt_id: str, marks: InterruptMarks) -> None:
        """Cancel a prompt that another run has marked and interrupted, in the background; then unmark it."""
        self._queue_cache.own.add(prompt_id)
        self._cancellations.adopt(prompt_id, marks)

    async def wait_until_cancelled(self, prompt_id: str) -> None:
        """Wait until an interrupted prompt is no longer at work, or the server cannot be asked."""
        await self._cancellations.wait_until_gone(prompt_id)

    async def dequeue(self, prompt_id: str) -> None:
        """Remove a prompt from the queue if it is still pending; its followers get :exc:`PromptLost`."""
        await self.api.delete_pending(prompt_id)
        self._tracker.poll_now()

    async def free_memory(self) -> None:
        """Make the server unload its models, and wait half a second, which that takes between prompts."""
        with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
            await self.api.free()
            await asyncio.sleep(_UNLOAD_SECONDS)

    async def _upload_and_post(self, graph: Graph, tracked: TrackedPrompt, files: Collection[Upload]) -> None:
        state, had_uploads = tracked.state, self._uploads.has(files)
        await self._uploads.put(files)
        state.upload()
        tracked.ours = True
        state.submit()
        self._queue_cache.own.add(state.prompt_id)
        self.posted.add(state.prompt_id)
        try:
            await self._post(self._uploads.named(graph), state)
        except PromptRefused:
            if not had_uploads:
                raise
            # The server may have been reinstalled since, with an empty input folder.
            self._uploads.forget()
            await self._uploads.put(files)
            await self._post(self._uploads.named(graph), state)
        state.accept()

    async def _post(self, graph: Graph, state: PromptState) -> None:
        prompt_id = state.prompt_id
        try:
            posted = await self._posts.send(graph, prompt_id, self._tracker.socket.client_id)
        except (ServerUnreachable, ServerUnavailable):
            # The server may have queued it although the answer was lost.
            if not await self._was_queued(state):
                raise
            return
        assigned = str(posted.body.get("prompt_id", prompt_id))
        if posted.accepted and assigned != prompt_id:
            self._queue_cache.own.add(assigned)
            await self.cancel_prompt(assigned)
            remedy = "this ComfyUI ignores prompt ids of clients, so no render could be found again: update it"
            raise PromptRefused(self.name, (Fault("the server", "prompt_id", shortened(assigned), remedy),))
        if posted.refused:
            if posted.accepted:
                await self.cancel_prompt(prompt_id)
            faults = faults_of(posted.body, graph, await self._rules_of(posted.body))
            raise PromptRefused(self.name, faults, more_faults(posted.body))

    async def _was_queued(self, state: PromptState) -> bool:
        """Search for a prompt whose post had no answer, up to 5 s, and return whether the server has it.

        Raises:
            ServerUnreachable, ServerUnavailable: The server could not say; posting again could render it twice.
        """
        until = time.monotonic() + _SEARCH_TIMEOUT
        while not state.accepted:
            try:
                return await self.status(state.prompt_id) is not None
            except (ServerUnreachable, ServerUnavailable) as error:
                retry_after = error.retry_after if isinstance(error, ServerUnavailable) else None
                if time.monotonic() + (retry_after or 0) > until:
                    raise
                await asyncio.sleep(max(retry_after or 0, _SEARCH_PAUSE))
        return True

    async def _rules_of(self, body: Mapping[str, object]) -> Mapping[str, object]:
        rules: dict[str, object] = {}
        with contextlib.suppress(ServerUnreachable, ServerUnavailable):
            for class_type in classes_to_ask(body):
                rules.update(await self.api.object_info(class_type))
        return rules

    def _success(self, state: PromptState) -> Success:
        match state.end:
            case Success() as success:
                return success
            case Failure(out_of_memory=True) as failure:
                raise OutOfMemory(self.name, failure.node_id, failure.class_type)
            case Failure() as failure:
                raise NodeFailed(self.name, failure.node_id, failure.class_type, failure.message)
            case Interruption():
                raise PromptInterrupted(self.name, state.prompt_id)
            case _:
                raise PromptLost(self.name, state.prompt_id)

    def _time_left(self, tracked: TrackedPrompt, limits: Limits) -> float | None:
        if not self._tracker.polling:
            raise ServerUnavailable(self.name, "requests about its prompts", "unreadable data")
        return time_left(self.name, tracked.state, self._tracker.signals(tracked), limits, time.monotonic())

    def _on_answer(self, error: PrevisError | None) -> None:
        # A server that asks to wait is up.
        self.up = error is None or (isinstance(error, ServerUnavailable) and error.retry_after is not None)
        self._note_retry_after(error)

    def _note_retry_after(self, error: BaseException | None) -> None:
        if isinstance(error, ServerUnavailable) and error.retry_after:
            self.busy_until = time.monotonic() + error.retry_after


def _version(stats: Mapping[str, object]) -> str | None:
    version = as_mapping(stats.get("system")).get("comfyui_version")
    return version[:_MAX_VERSION_LENGTH] if isinstance(version, str) and version.isprintable() else None
