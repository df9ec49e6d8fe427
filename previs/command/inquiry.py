"""Ask servers of a farm for node classes and hashes, without waiting for servers that are down."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.catalog import Catalog
from previs.comfyui.client.hashes import Hashes, hashes_by_file
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.models import ModelFile
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable


class Inquiry:
    """Ask every server for node classes; use it with ``async with``.

    Attributes:
        failed: Reasons why servers gave no answer, by server name. These servers are not asked again.
    """

    def __init__(self, servers: Iterable[Address]) -> None:
        self.failed: dict[str, str] = {}
        self._errors: list[ServerUnreachable | ServerUnavailable | AccessDenied] = []
        self._apis = [Api(server) for server in servers]
        self._catalogs = {api.name: Catalog(api) for api in self._apis}
        self._hashes = {api.name: Hashes(api) for api in self._apis}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(api.aclose() for api in self._apis))

    async def __call__(self, names: Collection[str], *, needed: bool) -> dict[str, Mapping[str, NodeClass | None]]:
        """Return the node classes that each server has, by server name.

        Args:
            names: Names of the classes.
            needed: Whether the caller cannot continue without an answer.

        Raises:
            ServerUnreachable, ServerUnavailable, AccessDenied: An answer is needed and no server gives one; the error
                is that of the first server.
        """
        asked = [name for name in self._catalogs if name not in self.failed]
        await asyncio.gather(*(self._ask(name, names) for name in asked))
        answered = {name: self._catalogs[name].classes for name in asked if name not in self.failed}
        if needed and not answered:
            raise self._errors[0]
        return {name: {each: known[each] for each in names if each in known} for name, known in answered.items()}

    async def model_hashes(self, files: Collection[ModelFile]) -> dict[str, dict[str, str]]:
        """Return hashes of model files, by the file's text and the server's name."""
        asked = {name: hashes for name, hashes in self._hashes.items() if name not in self.failed}
        await asyncio.gather(*(hashes.learn(files) for hashes in asked.values()))
        return hashes_by_file(asked, files)

    async def _ask(self, name: str, classes: Collection[str]) -> None:
        try:
            await self._catalogs[name].learn(classes)
        except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
            self._errors.append(error)
            self.failed[name] = str(error)
