"""What a server is known to have of node classes and models."""

import asyncio
from collections.abc import Collection, Mapping

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.requirements import Requirement, is_choice, lacking


class Catalog:
    """Node classes as one server tells them, each asked for once.

    Attributes:
        classes: those that were asked for; none for one that the server does not know.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.classes: dict[str, NodeClass | None] = {}
        self._lacking: dict[frozenset[Requirement], frozenset[Requirement]] = {}
        self._turn = asyncio.Lock()

    async def learn(self, classes: Collection[str]) -> None:
        """Ask for those that are not known yet.

        Raises:
            ServerUnreachable, ServerTrouble, AccessDenied: not everything is known.
        """
        async with self._turn:
            # An empty name would ask for all classes, and dots are no name in a path.
            for class_type in sorted(name for name in set(classes) - self.classes.keys() if name.strip(".")):
                rules = (await self._api.object_info(class_type)).get(class_type)
                self.classes[class_type] = read_class(class_type, rules) if isinstance(rules, Mapping) else None
                self._lacking.clear()

    def unlearn(self, classes: Collection[str] | None = None) -> None:
        """What was learned of these, or of all, may no longer be true."""
        for class_type in tuple(self.classes) if classes is None else classes:
            self.classes.pop(class_type, None)
        self._lacking.clear()

    def lacks(self, requirements: frozenset[Requirement]) -> frozenset[Requirement]:
        """What of these the server is known not to have."""
        if requirements not in self._lacking:
            self._lacking[requirements] = lacking(requirements, self.classes)
        return self._lacking[requirements]

    def offers_choice(self, need: Requirement) -> bool:
        """Whether the server is known to take only what it has for this input."""
        return is_choice(need, self.classes.get(need.class_type))
