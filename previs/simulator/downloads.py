"""Send files, whole or damaged."""

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from previs.simulator.disk import Stored, media_type
from previs.simulator.faults import Faults
from previs.simulator.server import Simulator

_PNG_END = 12
"""Length of the chunk that ends a PNG, in bytes."""


def download(stored: Stored, name: str, simulator: Simulator) -> Response:
    """Return the response with a file and the headers that aiohttp sends, damaged as the faults say."""
    headers = {
        "Content-Disposition": f'filename="{_in_header(name)}"',
        "ETag": stored.etag,
        "Last-Modified": stored.last_modified,
        "Accept-Ranges": "bytes",
    }
    content, kind = _damaged(stored.content, simulator.faults), media_type(name)
    if simulator.faults.use("cut_downloads"):
        return _Half(content, headers, kind, cut_by=simulator)
    if simulator.faults.use("stall_downloads"):
        return _Half(content, headers, kind, cut_by=None)
    return Response(content, headers=headers, media_type=kind)


def _damaged(content: bytes, faults: Faults) -> bytes:
    if faults.use("garbage"):
        content = b"<html>" + b"\0" * (len(content) - 6)
    if faults.use("short_files"):
        content = content[:-_PNG_END]
    if faults.use("long_files"):
        content += b"\0" * _PNG_END
    return content


class _Half(Response):
    """Send the first half of a file, then cut the connection or keep it open and silent.

    h11 refuses to send a body that is longer than its ``Content-Length``.
    """

    def __init__(self, content: bytes, headers: dict[str, str], kind: str, *, cut_by: Simulator | None) -> None:
        super().__init__(content, headers=headers, media_type=kind)
        self.cut_by = cut_by

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        if self.cut_by is not None:
            await self.cut_by.cut(scope["client"])
            return
        message: Message = {"type": ""}
        while message["type"] != "http.disconnect":
            message = await receive()


def _in_header(name: str) -> str:
    """Return a name as UTF-8 read as Latin-1: Starlette encodes headers as Latin-1, aiohttp sends UTF-8."""
    return name.replace("\\", "\\\\").replace('"', '\\"').encode().decode("latin-1")
