"""Know which node classes and models each server of a farm has."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.graph import Graph
from previs.comfyui.protocol.requirements import Requirement, requirements_of
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable


class Capabilities:
    """Track the node classes and models of servers, as far as reachable servers reported them."""

    def __init__(self, servers: Collection[Server], *, report: Callable[[str], None]) -> None:
        """Know nothing yet.

        Args:
            servers: Servers to ask.
            report: Receives a sentence, once, for each thing that one server lacks and another has.
        """
        self._servers = servers
        self._report = report
        self._classes: set[str] = set()
        self._needs = frozenset[Requirement]()
        self._reported: set[tuple[str, Requirement]] = set()
        self._requirements: dict[frozenset[Requirement], frozenset[Requirement]] = {}

    async def learn(self, server: Server) -> None:
        """Ask one server for the classes not yet known of it, and report what it lacks."""
        with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
            await server.catalog.learn(self._classes)
        self._report_lacks()

    async def classes(self, names: Collection[str]) -> dict[str, Mapping[str, NodeClass | None]]:
        """Return these classes as each server describes them, by the names of the servers that answered."""
        await self._learn_all(names)
        return {
            server.name: {name: known[name] for name in names if name in known}
            for server in self._servers
            if server.up and (known := server.catalog.classes)
        }

    async def expect(self, graphs: Iterable[Graph]) -> None:
        """Find out which servers have what coming graphs need, and report what a server lacks."""
        requirements = frozenset(need for graph in graphs for need in requirements_of(graph))
        await self._learn_all({need.class_type for need in requirements})
        self._needs |= self._that_matter(requirements)
        self._report_lacks()

    async def invalidate(self, server: Server, graph: Graph) -> None:
        """Ask a server again after it refused a graph: what it had may be gone."""
        server.catalog.invalidate({node["class_type"] for node in graph.values()})
        await self.expect([graph])

    def requirements(self, graph: Graph) -> frozenset[Requirement]:
        """Return what a graph needs that some server may lack, as far as :meth:`expect` found out.

        Graphs with the same needs get the same object.
        """
        found = self._that_matter(requirements_of(graph))
        return self._requirements.setdefault(found, found)

    async def _learn_all(self, names: Collection[str]) -> None:
        self._classes |= set(names)
        await asyncio.gather(*(self.learn(server) for server in self._servers if server.up))

    def _that_matter(self, requirements: Iterable[Requirement]) -> frozenset[Requirement]:
        catalogs = [server.catalog for server in self._servers]
        return frozenset(
            need for need in requirements if not need.input or any(catalog.offers_choice(need) for catalog in catalogs)
        )

    def _report_lacks(self) -> None:
        """Report which server lacks what others have; what all lack is the input's fault, reported elsewhere."""
        up = [server for server in self._servers if server.up]
        for server in up:
            for need in sorted(server.catalog.lacks(self._needs)):
                elsewhere = any(not other.catalog.lacks(frozenset({need})) for other in up)
                if elsewhere and (server.name, need) not in self._reported:
                    self._reported.add((server.name, need))
                    self._report(f"{server.name} lacks {need}: takes that need it go to other servers")
