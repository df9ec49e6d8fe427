"""Upload the files that graphs name to a server's input folder, each once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.graph import Graph, with_texts


@dataclass(frozen=True, slots=True)
class Upload:
    """Represent a file for a server's input folder.

    Attributes:
        name: Name of the file in graphs.
        file_name: Name requested from the server. It contains the content's hash, so that a second upload changes
            nothing.
        subfolder: Subfolder of the input folder.
        path: Local file with the content, read when it is sent.
    """

    name: str
    file_name: str
    subfolder: str
    path: Path


class Uploads:
    """Upload files to one server, and remember the names that it chose by the names in graphs."""

    def __init__(self, api: Api) -> None:
        self.names: dict[str, str] = {}
        self._api = api
        self._lock = asyncio.Lock()

    async def put(self, files: Iterable[Upload]) -> None:
        """Upload the files that were not uploaded yet; concurrent calls upload each file once.

        Raises:
            ServerUnreachable, ServerUnavailable, AccessDenied: Some of the files are not uploaded.
        """
        async with self._lock:
            for file in files:
                if file.name not in self.names:
                    self.names[file.name] = await self._api.upload_image(
                        file.file_name, file.path, subfolder=file.subfolder
                    )

    def has(self, files: Iterable[Upload]) -> bool:
        """Return whether any of the files was uploaded before."""
        return any(file.name in self.names for file in files)

    def forget(self) -> None:
        """Forget all uploads, as the server may have been reinstalled with an empty input folder."""
        self.names.clear()

    def named(self, graph: Graph) -> Graph:
        """Return the graph with the server's names of files."""
        return with_texts(graph, self.names)
