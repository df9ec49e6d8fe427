"""Cache a server's node classes and the choices they offer."""

import asyncio
from collections.abc import Collection, Mapping

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.classes import NodeClass, read_class
from previs.comfyui.protocol.requirements import Requirement, is_choice, lacking

_LONGEST_NAME = 1_000  # No URL holds a much longer one, and no class has it.


class Catalog:
    """Hold the node classes of one server by name, each requested once; None for a class that the server lacks."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.classes: dict[str, NodeClass | None] = {}
        self._lacking: dict[frozenset[Requirement], frozenset[Requirement]] = {}
        self._lock = asyncio.Lock()

    async def learn(self, classes: Collection[str]) -> None:
        """Request the classes that are not known yet.

        Raises:
            ServerUnreachable, ServerUnavailable, AccessDenied: Some of the classes are still unknown.
        """
        async with self._lock:
            # An empty name would request all classes, and a URL path drops names of dots.
            for class_type in sorted(name for name in set(classes) - self.classes.keys() if name.strip(".")):
                known = len(class_type) <= _LONGEST_NAME
                rules = (await self._api.object_info(class_type)).get(class_type) if known else None
                self.classes[class_type] = read_class(class_type, rules) if isinstance(rules, Mapping) else None
                self._lacking.clear()

    def invalidate(self, classes: Collection[str] | None = None) -> None:
        """Forget these classes, or all of them."""
        for class_type in tuple(self.classes) if classes is None else classes:
            self.classes.pop(class_type, None)
        self._lacking.clear()

    def lacks(self, requirements: frozenset[Requirement]) -> frozenset[Requirement]:
        """Return the requirements that the server is known not to meet."""
        if requirements not in self._lacking:
            self._lacking[requirements] = lacking(requirements, self.classes)
        return self._lacking[requirements]

    def offers_choice(self, requirement: Requirement) -> bool:
        """Return whether the server is known to take only its own choices for this input."""
        return is_choice(requirement, self.classes.get(requirement.class_type))
