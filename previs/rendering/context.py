"""What all steps of a run share: the farm, the store, the account of how it goes."""

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
    """What all steps of a run share.

    Attributes:
        sources: for what the input names.
        progress: of where each take stands.
        leases: of the run, so that no other run renders the same.
        inputs: pictures that the takes are made from.
        seconds: after which takes are given up.
    """

    farm: Farm
    store: Store
    sources: SourceReader
    limits: Limits
    progress: RunProgress
    leases: Leases
    inputs: InputAssets
    seconds: float = 12 * 3600
    _freed: set[Server] = field(default_factory=set)
    _discarded: set[str] = field(default_factory=set)

    async def find_existing_prompt(self, take: PlannedTake) -> tuple[Server | None, str]:
        """The server that has this take in work or finished, if one does, and the prompt id to use.

        Ids of renders that some server remembers as failed or interrupted are passed over.
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

    async def prepare(self, server: Server, take: PlannedTake) -> None:
        """Have a server forget what it remembers of earlier prompts, once, when nothing rendered earlier is wanted."""
        if take.render_nonce and server not in self._freed:
            await server.api.free()
            self._freed.add(server)

    def discard_result(self, prompt_id: str) -> None:
        """Never again take the result of this prompt: its files are not what they should be."""
        self._discarded.add(prompt_id)


def _render_nonce(take: PlannedTake) -> str:
    """Sets prompts apart that share a fingerprint: rendered again, or made from other frames of the same shots."""
    return ":".join([take.render_nonce, *(take.sources[mark] for mark in sorted(take.sources))])


async def _cached_status(server: Server, prompt: str) -> object:
    # A server that is slow to tell must not keep the others waiting: at worst a render is done twice.
    with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied, TimeoutError):
        async with asyncio.timeout(_GLANCE):
            return await server.cached_status(prompt)
    return None
