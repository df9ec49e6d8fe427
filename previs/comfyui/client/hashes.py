"""Cache the hashes of model files that servers report."""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.models import ModelFile, header_hash
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable

# The other connections to a server stay free for requests about prompts.
_MAX_REQUESTS = 4


class Hashes:
    """Hold the hashes of model files that one server reports, each requested once; None for a file without a hash."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.known: dict[ModelFile, str | None] = {}
        self._lock = asyncio.Lock()
        self._requests = asyncio.Semaphore(_MAX_REQUESTS)

    async def learn(self, files: Collection[ModelFile]) -> None:
        """Request the hashes that are not known yet; files without an answer stay unknown.

        Safe to cancel: answers received by then are kept.
        """
        async with self._lock:
            await asyncio.gather(*(self._ask(file) for file in sorted(set(files) - self.known.keys())))

    def of_files(self, files: Iterable[ModelFile]) -> dict[str, str]:
        """Return the known hashes of these files, by the text of the file: ``loras/rain.safetensors``."""
        return {str(file): known for file in files if (known := self.known.get(file))}

    def invalidate(self) -> None:
        """Forget all hashes."""
        self.known.clear()

    async def _ask(self, file: ModelFile) -> None:
        async with self._requests:
            with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
                metadata = await self._api.model_metadata(file.folder, file.name)
                self.known[file] = header_hash(metadata) if metadata else None


def hashes_by_file(servers: Mapping[str, Hashes], files: Collection[ModelFile]) -> dict[str, dict[str, str]]:
    """Return known hashes by the text of the file, then by the server's name; leave out what has no hash."""
    by_file: dict[str, dict[str, str]] = {}
    for name, hashes in servers.items():
        for file, known in hashes.of_files(files).items():
            by_file.setdefault(file, {})[name] = known
    return by_file
