"""Ask a server how it is."""

from dataclasses import dataclass

from previs.comfyui.client.server import Server
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Describe a server at one moment.

    Attributes:
        url: Base URL, without credentials.
        error: Why it cannot be used; None if it answers as ComfyUI does.
        comfyui: Version of ComfyUI; None if it reported none.
        queued: Number of all clients' running and pending prompts.
    """

    url: str
    error: ServerUnreachable | ServerUnavailable | AccessDenied | None
    comfyui: str | None = None
    queued: int = 0

    @property
    def up(self) -> bool:
        """Return whether it answers."""
        return self.error is None


async def status_of(server: Server) -> ServerStatus:
    """Ask a server for its version and its queue; every failure is part of the answer."""
    try:
        await server.probe()
        queue = await server.api.queue()
    except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
        return ServerStatus(server.name, error)
    return ServerStatus(server.name, None, server.version, len(queue.entries))
