"""Share the farm, the store and the progress of a run among its steps."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.history import Success
from previs.comfyui.protocol.prompt_state import Phase
from previs.errors import AccessDenied, RenderTimedOut, ServerUnavailable, ServerUnreachable
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.pictures.spill import SpillFolder
from previs.planning.fingerprint import prompt_id
from previs.planning.plan import PlannedTake
from previs.rendering.cancelled import CancelMarks, is_marked_cancelled
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.store import Store

_GLANCE = 2.0


@dataclass(frozen=True, slots=True)
class ExistingPrompt:
    """Say which prompt a take has, or is to get.

    Attributes:
        prompt: The prompt's id.
        server: Server that has it, running or finished; None if it is to be posted.
        cancelled: Whether a run has interrupted it and it is still at work: it must be neither joined nor repeated.
    """

    prompt: str
    server: Server | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class RunContext:
    """Hold what all steps of a run share.

    Attributes:
        reader: Reads the paths and URLs that the input names.
        leases: Leases of the run, so that no other run renders the same take.
        inputs: Pictures that the takes are made from.
        seconds: Time after which takes are given up.
        usual_seconds: Returns how long renders like that of a take took, if that is known.
        parts: Names of runs that render parts of this one; what they render counts as this run's.
        spill: Temporary folder for frames on their way to the store.
    """

    farm: Farm
    store: Store
    reader: SourceReader
    limits: Limits
    progress: RunProgress
    leases: Leases
    inputs: InputAssets
    seconds: float = 12 * 3600
    usual_seconds: Callable[[PlannedTake], float | None] = lambda _: None
    parts: set[str] = field(default_factory=set)
    spill: SpillFolder = field(default_factory=SpillFolder)
    _freed: set[Server] = field(default_factory=set)
    _discarded: set[str] = field(default_factory=set)

    async def find_existing_prompt(self, take: PlannedTake, *, new: bool = False) -> ExistingPrompt:
        """Return the prompt that runs or has finished, or else the one to post.

        Ids of prompts that a server remembers as failed or interrupted are not used again, nor those that a run has
        interrupted without effect yet.

        Args:
            take: The take.
            new: Whether no run that shares the store has ever attempted it.
        """
        for generation in count():
            wanted = prompt_id(take.fingerprint, generation, render_nonce=_render_nonce(take))
            if wanted in self._discarded:
                continue
            servers = self.farm.up
            seen = await asyncio.gather(*(_cached_status(server, wanted) for server in servers))
            found = list(zip(servers, seen, strict=True))
            if finished := [server for server, status in found if isinstance(status, Success)]:
                return ExistingPrompt(wanted, finished[0])
            if cancelling := [server for server in servers if wanted in server.cancelling]:
                return ExistingPrompt(wanted, cancelling[0], cancelled=True)
            at_work = [server for server, status in found if isinstance(status, Phase)]
            if any(seen) and not at_work:
                continue
            if new or not await is_marked_cancelled(self.store, wanted):
                return ExistingPrompt(wanted, at_work[0] if at_work else None)
            if at_work:
                at_work[0].keep_cancelling(wanted, CancelMarks(self.store))
                return ExistingPrompt(wanted, at_work[0], cancelled=True)
        raise AssertionError

    async def wait_until_ended(self, take: PlannedTake, server: Server, prompt_id: str) -> None:
        """Wait until a take's cancelled prompt is no longer at work, or its server cannot be asked any more.

        Raises:
            RenderTimedOut: It is still at work after the time that a render may take.
        """
        seconds = self.limits_of(take).render
        try:
            async with asyncio.timeout(seconds):
                await server.wait_until_cancelled(prompt_id)
        except TimeoutError as error:
            raise RenderTimedOut(server.name, seconds or 0.0) from error

    def limits_of(self, take: PlannedTake) -> Limits:
        """Return the limits of a take's render."""
        return self.limits.for_graph(take.graph, self.usual_seconds(take))

    async def prepare(self, server: Server, take: PlannedTake) -> None:
        """Clear a server's cache, once per run, before a take that must be rendered again."""
        if take.render_nonce and server not in self._freed:
            await server.api.free()
            self._freed.add(server)

    def discard_result(self, prompt_id: str) -> None:
        """Exclude the result of this prompt for good: its files are missing or damaged."""
        self._discarded.add(prompt_id)


def _render_nonce(take: PlannedTake) -> str:
    """Return what tells apart prompts with one fingerprint: a new render, or other frames of the same shots."""
    return ":".join([take.render_nonce, *(take.sources[source] for source in sorted(take.sources))])


async def _cached_status(server: Server, prompt: str) -> object:
    # A slow server must not keep the others waiting: at worst a take is rendered twice.
    with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied, TimeoutError):
        async with asyncio.timeout(_GLANCE):
            return await server.cached_status(prompt)
    return None
