"""What a server tells of the content of its model files."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.models import ModelFile, told_hash
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable

# Of the connections to a server; the others are for questions about prompts.
_AT_ONCE = 4


class Hashes:
    """Hashes of model files as one server tells them, each asked for once.

    Attributes:
        known: of the files that it was asked for; none for one of which it tells no hash.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self.known: dict[ModelFile, str | None] = {}
        self._turn = asyncio.Lock()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def learn(self, files: Collection[ModelFile]) -> None:
        """Ask for those that are not known yet; what is not answered stays unknown.

        May be cancelled: what was answered by then is known.
        """
        async with self._turn:
            await asyncio.gather(*(self._ask(file) for file in sorted(set(files) - self.known.keys())))

    def told(self, files: Iterable[ModelFile]) -> dict[str, str]:
        """Those that are known of these files, by the text of the file: ``loras/rain.safetensors``."""
        return {str(file): known for file in files if (known := self.known.get(file))}

    def unlearn(self) -> None:
        """What was learned may no longer be true."""
        self.known.clear()

    async def _ask(self, file: ModelFile) -> None:
        async with self._places:
            with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
                metadata = await self._api.model_metadata(file.folder, file.name)
                self.known[file] = told_hash(metadata) if metadata else None


def told_by(servers: Mapping[str, Hashes], files: Collection[ModelFile]) -> dict[str, dict[str, str]]:
    """What servers are known to tell: hashes by the text of the file, and then by the server's name.

    A server that tells none is left out, and so is a file of which nobody tells any.
    """
    told: dict[str, dict[str, str]] = {}
    for name, hashes in servers.items():
        for file, known in hashes.told(files).items():
            told.setdefault(file, {})[name] = known
    return told
