"""One ComfyUI: submit graphs, follow prompts to their end, free it of prompts that nobody wants."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from typing import Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.catalog import Catalog
from previs.comfyui.client.hashes import Hashes
from previs.comfyui.client.posts import Posts
from previs.comfyui.client.queue_cache import PromptStatus, QueueCache, ended, phase_in
from previs.comfyui.client.tracker import PACE, Followed, PromptTracker
from previs.comfyui.client.uploads import Upload, Uploads
from previs.comfyui.protocol.deadlines import Limits, time_left
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.history import Failure, Interruption, Success
from previs.comfyui.protocol.jobs import read_job
from previs.comfyui.protocol.prompt_state import PromptState
from previs.comfyui.protocol.validation_errors import classes_to_ask, faults_of
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

_GIVEN_UP_WITHIN = 4.0
_ANSWER_AWAITED = 2.0
_ANSWER_SOUGHT = 5.0
_BETWEEN_LOOKS, _LOOKS_AT_INTERRUPTED = 0.2, 8
_MOST_ATTEMPTS = 3
_UNLOADING = 0.5
_LONGEST_VERSION = 40


class Server:
    """One server. Enter it to open its socket; everything else wants it entered.

    Attributes:
        name: base URL without credentials.
        up: whether it answered when last asked. :meth:`probe` asks.
        api: for what is no prompt.
        catalog: of its node classes and models.
        hashes: of its model files.
        version: of ComfyUI, as it said when last asked; none if it did not.
        busy_until: when it may be asked for more, on the monotonic clock, if it said so (``Retry-After``).
    """

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self.api = Api(address)
        self.up = False
        self.busy_until = 0.0
        self.catalog = Catalog(self.api)
        self.hashes = Hashes(self.api)
        self.version: str | None = None
        self._tracker = PromptTracker(address, self.api, on_answer=self._answered)
        self._uploads = Uploads(self.api)
        self._posts = Posts(self.api)
        self._queue_cache = QueueCache(self.api, self._tracker)
        self._turn = asyncio.Lock()
        self._abandoned: set[str] = set()

    async def __aenter__(self) -> Self:
        await self._tracker.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._tracker.__aexit__()
        await self._posts.stop()
        await self._queue_cache.stop()
        await self.api.aclose()

    @property
    def queue_remaining(self) -> int:
        """Everybody's prompts there, running and pending, as of the last ``status`` frame."""
        return self._tracker.queue_remaining

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
            if not was_up:
                # Whatever it was before, it may be another version now, with other models.
                self.catalog.unlearn()
                self.hashes.unlearn()
                self.api.forget_version()
                self._tracker.crowded = await self._was_used()
        except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
            self._note(error)
            self.up = False
            raise
        self.up = True
        self.version = _version(stats)
        if was_up:
            for prompt_id in self._abandoned - self._tracker.followed.keys():
                await self.cancel_prompt(prompt_id)
        return stats

    async def _was_used(self) -> bool:
        try:
            return await self.api.has_history()
        except ServerUnavailable:
            # Its whole history at once, from a server too old to be asked for less, may be too much.
            return True

    async def look(self, prompt_id: str) -> PromptStatus:
        """Where a prompt is on this server now, whoever submitted it."""
        job = await self.api.job(prompt_id)
        if job is None and self.api.has_jobs:
            return None
        if job is not None and (state := read_job(job)):
            return state
        # The other order can miss a prompt that ends in between.
        queue = await self.api.queue()
        return phase_in(queue, prompt_id) or await ended(self.api, prompt_id)

    async def cached_status(self, prompt_id: str) -> PromptStatus:
        """Where a prompt is, at little cost however many ask.

        A prompt that somebody posted within the last second may be missed: :meth:`look` before posting here.
        """
        return await self._queue_cache.cached_status(prompt_id)

    def settled(self, prompt_id: str) -> None:
        """What came of a prompt is known and kept: nobody here will ask for it again."""
        self._queue_cache.own.discard(prompt_id)

    async def submit(self, graph: Graph, prompt_id: str, files: Collection[Upload] = ()) -> None:
        """Queue a graph, unless the server already has this id in queue or history; then :meth:`follow` it.

        Sends files that the graph names and the server lacks. Waits for the socket first: a short prompt ends within
        milliseconds, and nothing is sent again.

        Raises:
            PromptRefused: by validation, in whole or in part; what had been queued is deleted.
            ServerUnreachable, ServerTrouble: the id is not known there, or there was no telling.
        """
        self._abandoned.discard(prompt_id)
        await self._tracker.socket.opened(PACE)
        # One after the other, so that prompts run in the order in which they were given.
        async with self._turn:
            if await self.look(prompt_id) is not None:
                return
            followed = self._tracker.begin(prompt_id)
            try:
                await self._upload_and_post(graph, followed, files)
            except BaseException as error:
                self._note(error)
                self._tracker.forget(prompt_id)
                raise

    async def follow(
        self, prompt_id: str, limits: Limits, on_change: Callable[[PromptState], None] = lambda _: None
    ) -> Success:
        """Wait for an accepted prompt's end.

        ``on_change`` is called with its life whenever that changes. The prompt is not given up when this raises; call
        :meth:`cancel_prompt` unless it ended.

        Raises:
            NodeFailed, OutOfMemory, PromptInterrupted, PromptLost: how it ended.
            RenderTimedOut, ServerSilent, ServerUnreachable: it has not ended, as far as is known.
        """
        self._abandoned.discard(prompt_id)
        self._queue_cache.own.add(prompt_id)
        followed = self._tracker.followed.get(prompt_id) or self._tracker.begin(prompt_id)
        life = followed.life
        life.accept()
        if not followed.ours:
            self._tracker.look()
        try:
            while life.end is None:
                patience = self._time_left(followed, limits)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await followed.changed.wait()
                followed.changed.clear()
                on_change(life)
        finally:
            self._tracker.forget(prompt_id)
            self._queue_cache.invalidate()
        return self._success(life)

    async def cancel_prompt(self, prompt_id: str) -> bool:
        """Free the server of a prompt, whether it waits or runs; nobody else's is touched.

        Takes a few seconds at most. What could not be removed by then, or when this raises or is cancelled, a later
        :meth:`probe` removes, unless somebody here wants it again by then. One that was neither posted nor followed
        here is left alone: it may be another run's.

        Returns:
            Whether the server no longer has it.
        """
        if prompt_id not in self._queue_cache.own:
            return True
        self._abandoned.add(prompt_id)
        self._queue_cache.invalidate()
        try:
            async with asyncio.timeout(_GIVEN_UP_WITHIN):
                await self._posts.answered(prompt_id, _ANSWER_AWAITED)
                await self._free_of(prompt_id)
        except TimeoutError:
            return False
        self._abandoned.discard(prompt_id)
        return True

    async def _free_of(self, prompt_id: str) -> None:
        attempts = 0
        while prompt_id in self._abandoned:
            try:
                if not await self._remove(prompt_id):
                    return
                await self._gone(prompt_id)
            except (ServerUnreachable, ServerUnavailable):
                attempts += 1
                if attempts == _MOST_ATTEMPTS:
                    raise
                await asyncio.sleep(_BETWEEN_LOOKS)

    async def dequeue(self, prompt_id: str) -> None:
        """Take a prompt out of the queue if it still waits there; whoever follows it is told that it is lost."""
        await self.api.delete_pending(prompt_id)
        self._queue_cache.invalidate()
        self._tracker.look()

    async def _remove(self, prompt_id: str) -> bool:
        """Whether it was still there: an interruption acts between steps, and one before the first step is lost."""
        if (removed := await self.api.cancel_job(prompt_id)) is not None:
            return removed
        with contextlib.suppress(ServerUnavailable):
            await self.api.delete_pending(prompt_id)
        place = (await self.api.queue()).place_of(prompt_id)
        if place == "running":
            await self.api.interrupt(prompt_id)
        return place is not None

    async def _gone(self, prompt_id: str) -> None:
        """Wait until a prompt has left the queue, or it seems that it was not told to."""
        for _ in range(_LOOKS_AT_INTERRUPTED):
            await asyncio.sleep(_BETWEEN_LOOKS)
            if (await self.api.queue()).place_of(prompt_id) is None:
                return

    async def free_memory(self) -> None:
        """Have it unload its models, and give it the moment that this takes between prompts."""
        with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
            await self.api.free()
            await asyncio.sleep(_UNLOADING)

    async def _upload_and_post(self, graph: Graph, followed: Followed, files: Collection[Upload]) -> None:
        life, had_some = followed.life, self._uploads.has(files)
        await self._uploads.put(files)
        life.upload()
        # Frames of it come here from now on.
        followed.ours = True
        life.submit()
        self._queue_cache.own.add(life.prompt_id)
        try:
            await self._post(self._uploads.named(graph), life)
        except PromptRefused:
            if not had_some:
                raise
            # The server may have been set up anew since, its input folder empty.
            self._uploads.forget()
            await self._uploads.put(files)
            await self._post(self._uploads.named(graph), life)
        life.accept()

    async def _post(self, graph: Graph, life: PromptState) -> None:
        prompt_id = life.prompt_id
        try:
            posted = await self._posts.send(graph, prompt_id, self._tracker.socket.client_id)
        except (ServerUnreachable, ServerUnavailable):
            # The answer may have been lost on its way back.
            if not await self._came(life):
                raise
            return
        taken = str(posted.body.get("prompt_id", prompt_id))
        if posted.accepted and taken != prompt_id:
            self._queue_cache.own.add(taken)
            await self.cancel_prompt(taken)
            remedy = "this ComfyUI takes no ids of ours, so no render could be found again: update it"
            raise PromptRefused(self.name, (Fault("the server", "prompt_id", taken, remedy),))
        if posted.refused:
            if posted.accepted:
                await self.cancel_prompt(prompt_id)
            raise PromptRefused(self.name, faults_of(posted.body, graph, await self._rules_of(posted.body)))

    async def _came(self, life: PromptState) -> bool:
        """Whether a prompt whose post had no answer is there; not to know would be to render it twice.

        Raises:
            ServerUnreachable, ServerTrouble: there is no telling, and was none for as long as it is waited for.
        """
        until = time.monotonic() + _ANSWER_SOUGHT
        while not life.accepted:
            try:
                return await self.look(life.prompt_id) is not None
            except (ServerUnreachable, ServerUnavailable) as error:
                asked_for = error.retry_after if isinstance(error, ServerUnavailable) else None
                if time.monotonic() + (asked_for or 0) > until:
                    raise
                await asyncio.sleep(max(asked_for or 0, _BETWEEN_LOOKS))
        return True

    async def _rules_of(self, body: Mapping[str, object]) -> Mapping[str, object]:
        rules: dict[str, object] = {}
        with contextlib.suppress(ServerUnreachable, ServerUnavailable):
            for class_type in classes_to_ask(body):
                rules.update(await self.api.object_info(class_type))
        return rules

    def _success(self, life: PromptState) -> Success:
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

    def _time_left(self, followed: Followed, limits: Limits) -> float | None:
        if not self._tracker.looking:
            raise ServerUnavailable(self.name, "questions about its prompts", "what nothing here can read")
        return time_left(self.name, followed.life, self._tracker.hearing(followed), limits, time.monotonic())

    def _answered(self, error: PrevisError | None) -> None:
        # One that asks to be left alone for a while is there.
        self.up = error is None or (isinstance(error, ServerUnavailable) and error.retry_after is not None)
        self._note(error)

    def _note(self, error: BaseException | None) -> None:
        if isinstance(error, ServerUnavailable) and error.retry_after:
            self.busy_until = time.monotonic() + error.retry_after


def _version(stats: Mapping[str, object]) -> str | None:
    system = stats.get("system")
    version = system.get("comfyui_version") if isinstance(system, Mapping) else None
    return version[:_LONGEST_VERSION] if isinstance(version, str) and version.isprintable() else None
