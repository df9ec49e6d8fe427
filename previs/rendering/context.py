"""What all steps of a run share: the farm, the store, the account of how it goes."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from itertools import count

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.deadlines import Limits
from previs.comfyui.protocol.history import Success
from previs.comfyui.protocol.prompt_state import Phase
from previs.errors import AccessDenied, ServerTrouble, ServerUnreachable
from previs.farm.pool import Farm
from previs.ingest.reader import Sources
from previs.planning.fingerprint import prompt_id
from previs.planning.plan import PlannedTake
from previs.rendering.input_assets import Inputs
from previs.rendering.leases import Claims
from previs.rendering.progress import Account
from previs.store import Store

_GLANCE = 2.0


@dataclass(frozen=True, slots=True)
class Studio:
    """What all steps of a run share.

    Attributes:
        sources: for what the input names.
        account: of where each take stands.
        claims: of the run, so that no other run renders the same.
        inputs: pictures that the takes are made from.
        seconds: after which takes are given up.
    """

    farm: Farm
    store: Store
    sources: Sources
    limits: Limits
    account: Account
    claims: Claims
    inputs: Inputs
    seconds: float = 12 * 3600
    _freed: set[Server] = field(default_factory=set)
    _spoiled: set[str] = field(default_factory=set)

    async def whereabouts(self, take: PlannedTake) -> tuple[Server | None, str]:
        """The server that has this take in work or finished, if one does, and the prompt id to use.

        Ids of renders that some server remembers as failed or interrupted are passed over.
        """
        for generation in count():
            wanted = prompt_id(take.fingerprint, generation, salt=_salt(take))
            if wanted in self._spoiled:
                continue
            servers = self.farm.up
            seen = await asyncio.gather(*(_glance(server, wanted) for server in servers))
            for server, found in zip(servers, seen, strict=True):
                if isinstance(found, Phase | Success):
                    return server, wanted
            if not any(seen):
                return None, wanted
        raise AssertionError

    async def make_ready(self, server: Server, take: PlannedTake) -> None:
        """Have a server forget what it remembers of earlier prompts, once, when nothing rendered earlier is wanted."""
        if take.salt and server not in self._freed:
            await server.api.free()
            self._freed.add(server)

    def spoil(self, prompt_id: str) -> None:
        """Never again take the result of this prompt: its files are not what they should be."""
        self._spoiled.add(prompt_id)


def _salt(take: PlannedTake) -> str:
    """Sets prompts apart that share a fingerprint: rendered again, or made from other frames of the same shots."""
    return ":".join([take.salt, *(take.sources[mark] for mark in sorted(take.sources))])


async def _glance(server: Server, prompt: str) -> object:
    # A server that is slow to tell must not keep the others waiting: at worst a render is done twice.
    with contextlib.suppress(ServerUnreachable, ServerTrouble, AccessDenied, TimeoutError):
        async with asyncio.timeout(_GLANCE):
            return await server.glance(prompt)
    return None
