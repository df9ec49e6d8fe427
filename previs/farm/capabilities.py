"""What the servers of a farm have of node classes and models, and who lacks what others have."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.requirements import Requirement, needs_of
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable


class Capabilities:
    """Node classes and models of servers, as far as those that can be reached told."""

    def __init__(self, servers: Collection[Server], *, tell: Callable[[str], None]) -> None:
        """Nothing is known yet.

        Args:
            servers: that are asked.
            tell: is told once, in a sentence, what one of them lacks and another has.
        """
        self._servers = servers
        self._tell = tell
        self._classes: set[str] = set()
        self._needs = frozenset[Requirement]()
        self._told: set[tuple[str, Requirement]] = set()

    async def learn(self, server: Server) -> None:
        """Ask one server for what is wanted and not known of it; what it lacks is told."""
        with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
            await server.catalog.learn(self._classes)
        self._tell_lacks()

    async def classes(self, names: Collection[str]) -> dict[str, Mapping[str, NodeClass | None]]:
        """What servers tell of these classes, by the names of those that could be asked."""
        await self._learn_all(names)
        return {
            server.name: {name: known[name] for name in names if name in known}
            for server in self._servers
            if server.up and (known := server.catalog.classes)
        }

    async def expect(self, graphs: Iterable[Graph]) -> None:
        """Find out which servers have what graphs to come need; what a server lacks is told."""
        requirements = frozenset(need for graph in graphs for need in needs_of(graph))
        await self._learn_all({need.class_type for need in requirements})
        self._needs |= self._that_matter(requirements)
        self._tell_lacks()

    async def invalidate(self, server: Server, graph: Graph) -> None:
        """A server refused a graph: what it was known to have may be gone."""
        server.catalog.unlearn({node["class_type"] for node in graph.values()})
        await self.expect([graph])

    def requirements(self, graph: Graph) -> frozenset[Requirement]:
        """What a graph needs that some server may not have, as far as :meth:`expect` found out."""
        return self._that_matter(needs_of(graph))

    async def _learn_all(self, names: Collection[str]) -> None:
        self._classes |= set(names)
        await asyncio.gather(*(self.learn(server) for server in self._servers if server.up))

    def _that_matter(self, requirements: Iterable[Requirement]) -> frozenset[Requirement]:
        catalogs = [server.catalog for server in self._servers]
        return frozenset(
            need for need in requirements if not need.input or any(catalog.offers_choice(need) for catalog in catalogs)
        )

    def _tell_lacks(self) -> None:
        """Say which server lacks what others have; what all of them lack is the input's fault, and told as such."""
        up = [server for server in self._servers if server.up]
        for server in up:
            for need in sorted(server.catalog.lacks(self._needs)):
                elsewhere = any(not other.catalog.lacks(frozenset({need})) for other in up)
                if elsewhere and (server.name, need) not in self._told:
                    self._told.add((server.name, need))
                    self._tell(f"{server.name} lacks {need}: takes that need it go to other servers")
