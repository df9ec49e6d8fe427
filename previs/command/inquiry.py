"""Asking a farm's servers what they have, without waiting for any."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.catalog import Catalog
from previs.comfyui.client.hashes import Hashes, told_by
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.models import ModelFile
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable


class Inquiry:
    """Asks every server for node classes; to be used with ``async with``.

    Attributes:
        failed: by name why servers could not be asked, in a sentence. They are not asked again.
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
        """What servers tell of these classes, by the servers' names.

        Args:
            names: of the classes.
            needed: whether nothing can go on without an answer.

        Raises:
            ServerUnreachable, ServerTrouble, AccessDenied: an answer is needed, and no server gives any; the error is
                that of the first one.
        """
        asked = [name for name in self._catalogs if name not in self.failed]
        await asyncio.gather(*(self._ask(name, names) for name in asked))
        answered = {name: self._catalogs[name].classes for name in asked if name not in self.failed}
        if needed and not answered:
            raise self._errors[0]
        return {name: {each: known[each] for each in names if each in known} for name, known in answered.items()}

    async def model_hashes(self, files: Collection[ModelFile]) -> dict[str, dict[str, str]]:
        """Hashes of model files by their text and the server that tells them, like those of a farm."""
        asked = {name: hashes for name, hashes in self._hashes.items() if name not in self.failed}
        await asyncio.gather(*(hashes.learn(files) for hashes in asked.values()))
        return told_by(asked, files)

    async def _ask(self, name: str, classes: Collection[str]) -> None:
        try:
            await self._catalogs[name].learn(classes)
        except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
            self._errors.append(error)
            self.failed[name] = str(error)
