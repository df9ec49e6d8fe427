"""Files in a server's input folder that graphs name: each is sent once."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from previs.comfyui.client.api import Api
from previs.comfyui.protocol.graph import Graph, with_texts


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a server's input folder.

    Attributes:
        name: by which graphs name it.
        file_name: that the server is asked to give it; made of the content's hash, a second upload changes nothing.
        subfolder: of the input folder.
    """

    name: str
    file_name: str
    subfolder: str
    content: bytes


class Uploads:
    """What a server is known to have.

    Attributes:
        names: that the server gave, by the names that graphs use.
    """

    def __init__(self, api: Api) -> None:
        self.names: dict[str, str] = {}
        self._api = api
        self._turn = asyncio.Lock()

    async def put(self, files: Iterable[Upload]) -> None:
        """Send those that are not there yet; however many ask at the same time, each is sent once.

        Raises:
            ServerUnreachable, ServerTrouble, AccessDenied: not all of them are there.
        """
        async with self._turn:
            for file in files:
                if file.name not in self.names:
                    self.names[file.name] = await self._api.upload_image(
                        file.file_name, file.content, subfolder=file.subfolder
                    )

    def has(self, files: Iterable[Upload]) -> bool:
        """Whether any of these was sent earlier."""
        return any(file.name in self.names for file in files)

    def forget(self) -> None:
        """The server may have been set up anew, its input folder empty."""
        self.names.clear()

    def named(self, graph: Graph) -> Graph:
        """The graph with the server's own names of files."""
        return with_texts(graph, self.names)
