"""Share the farm, the store and the progress of a run among its steps."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from itertools import count

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.history import Success
from previs.comfyui.protocol.prompt_state import Phase
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable
from previs.farm.pool import Farm
from previs.ingest.reader import SourceReader
from previs.planning.fingerprint import prompt_id
from previs.planning.plan import PlannedTake
from previs.rendering.input_assets import InputAssets
from previs.rendering.leases import Leases
from previs.rendering.progress import RunProgress
from previs.store import Store

_GLANCE = 2.0


@dataclass(frozen=True, slots=True)
class RunContext:
    """Hold what all steps of a run share.

    Attributes:
        reader: Reads the paths and URLs that the input names.
        leases: Leases of the run, so that no other run renders the same take.
        inputs: Pictures that the takes are made from.
        seconds: Time after which takes are given up.
    """

    farm: Farm
    store: Store
    reader: SourceReader
    limits: Limits
    progress: RunProgress
    leases: Leases
    inputs: InputAssets
    seconds: float = 12 * 3600
    _freed: set[Server] = field(default_factory=set)
    _discarded: set[str] = field(default_factory=set)

    async def find_existing_prompt(self, take: PlannedTake) -> tuple[Server | None, str]:
        """Return the server that runs this take or has finished it, if one does, and the prompt id to use.

        Ids of prompts that a server remembers as failed or interrupted are not used again.
        """
        for generation in count():
            wanted = prompt_id(take.fingerprint, generation, render_nonce=_render_nonce(take))
            if wanted in self._discarded:
                continue
            servers = self.farm.up
            seen = await asyncio.gather(*(_cached_status(server, wanted) for server in servers))
            for server, found in zip(servers, seen, strict=True):
                if isinstance(found, Phase | Success):
                    return server, wanted
            if not any(seen):
                return None, wanted
        raise AssertionError

    def limits_of(self, take: PlannedTake) -> Limits:
        """Return the limits of a take's render."""
        return self.limits.for_graph(take.graph)

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
