"""Run renders in the background, each known by its prompt's id, and wait for them."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from previs.api.checking import check_takes
from previs.api.lookup import find_take
from previs.comfyui.protocol.prompt_state import PromptState
from previs.errors import NotInStore, PrevisError, RenderTimedOut
from previs.farm.failure_policy import may_succeed_later
from previs.planning.cache import renewed
from previs.planning.fingerprint import prompt_id
from previs.planning.plan import PlannedTake
from previs.records.takes import TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.dispatch import TakeDispatcher

_PAUSES = (2.0, 4.0, 8.0)
_JITTER = 1.5


@dataclass(frozen=True, slots=True)
class Made:
    """Hold the record of a take.

    Attributes:
        cached: Whether the store had it, or another run made it.
    """

    record: TakeRecord
    cached: bool


@dataclass(slots=True)
class _Render:
    """Hold a render on its way.

    Attributes:
        claims: How many submissions have not been waited for.
        server: Name of the server that had it last; empty before the first.
    """

    claims: int = 0
    server: str = ""
    task: asyncio.Task[Made] | None = None

    def on_change(self, server: str, _: PromptState) -> None:
        self.server = server


class Renders:
    """Hold the renders of a session; equal takes share one render."""

    def __init__(self, context: RunContext, warn: Callable[[str], None]) -> None:
        self.context = context
        self._warn = warn
        self._renders: dict[str, _Render] = {}
        self._closed = False

    def start(self, take: PlannedTake, dispatcher: TakeDispatcher | None = None) -> str:
        """Start to render a take, or join a render of the same take, and return its id for :meth:`wait`.

        Args:
            take: The take.
            dispatcher: Its dispatcher, if it was looked up in the store and checked before.

        Raises:
            RuntimeError: The renders are closed.
        """
        if self._closed:
            raise RuntimeError("this session is closed: connect again")
        key = _key(take)
        render = self._renders.setdefault(key, _Render())
        render.claims += 1
        if render.task is None:
            render.task = asyncio.create_task(self._make(take, dispatcher, render))
        return key

    async def wait(self, key: str, seconds: float | None) -> Made:
        """Wait for a render; the last that leaves before its end cancels it, on its server, too.

        Raises:
            NotInStore: The id is not of a render that was started and not waited for.
            RenderTimedOut: It took longer than ``seconds``.
            PrevisError: The render failed.
        """
        render = self._renders.get(key)
        if render is None or render.task is None:
            remedy = "wait takes an id that submit returned, once for each submission"
            raise NotInStore("this session", f"prompt {key!r}", remedy)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await asyncio.shield(render.task)
        except TimeoutError:
            if seconds is None or not limit.expired():
                raise
            raise RenderTimedOut(render.server or "the farm", seconds) from None
        finally:
            await self._leave(key, render, render.task)

    async def aclose(self) -> None:
        """Cancel all renders, on their servers, too."""
        self._closed = True
        tasks = [render.task for render in self._renders.values() if render.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(self, key: str, render: _Render, task: asyncio.Task[Made]) -> None:
        render.claims -= 1
        if render.claims == 0:
            del self._renders[key]
            task.cancel()
            # Until its prompt is cancelled, a render is in work.
            await asyncio.wait([task])

    async def _make(self, take: PlannedTake, dispatcher: TakeDispatcher | None, render: _Render) -> Made:
        context = self.context
        if dispatcher is None:
            found = await find_take(take, context, self._warn)
            if found is not None and found.usable is not None:
                return Made(found.usable, cached=True)
            (await check_takes([take], context.farm, needed=False)).raise_for_errors()
            await context.farm.capabilities.expect([take.graph])
            dispatcher = TakeDispatcher(renewed(take, found), context, found.record if found else None)
        record = await self._dispatch(dispatcher, render)
        return Made(record, cached=dispatcher.from_another_run)

    async def _dispatch(self, dispatcher: TakeDispatcher, render: _Render) -> TakeRecord:
        """Render a take, with as many attempts and pauses as a run of the flow makes."""
        label = dispatcher.take.label

        def on_retry(error: PrevisError) -> None:
            self._warn(f"{label}: {error}; trying again at once")

        for pause in _PAUSES:
            try:
                return await dispatcher.render(render.on_change, on_retry)
            except PrevisError as error:
                if not may_succeed_later(error):
                    raise
                self._warn(f"{label}: {error}; trying again in {pause:g} s")
            # Takes that failed together must not all come back at the same moment.
            await asyncio.sleep(pause * random.uniform(1, _JITTER))  # noqa: S311 - no secret
        return await dispatcher.render(render.on_change, on_retry)


def _key(take: PlannedTake) -> str:
    """Return the id of the first prompt of a take: takes with equal ids have equal graphs and sources."""
    nonce = ":".join([take.render_nonce, *(take.sources[source] for source in sorted(take.sources))])
    return prompt_id(take.fingerprint, 0, render_nonce=nonce)
