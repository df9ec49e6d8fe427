"""Files as a simulated server sends them, whole or damaged."""

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from previs.simulator.disk import Stored, media_type
from previs.simulator.faults import Faults
from previs.simulator.server import Simulator

_PNG_END = 12
"""Bytes of the chunk that ends a PNG."""


def download(stored: Stored, name: str, server: Simulator) -> Response:
    """The answer with a file, under the headers of aiohttp's, as whole as the faults let it be."""
    headers = {
        "Content-Disposition": f'filename="{_in_header(name)}"',
        "ETag": stored.etag,
        "Last-Modified": stored.last_modified,
        "Accept-Ranges": "bytes",
    }
    content, kind = _spoiled(stored.content, server.faults), media_type(name)
    if server.faults.use("cut_downloads"):
        return _Half(content, headers, kind, cut_by=server)
    if server.faults.use("stall_downloads"):
        return _Half(content, headers, kind, cut_by=None)
    return Response(content, headers=headers, media_type=kind)


def _spoiled(content: bytes, faults: Faults) -> bytes:
    if faults.use("garbage"):
        content = b"<html>" + b"\0" * (len(content) - 6)
    if faults.use("short_files"):
        content = content[:-_PNG_END]
    if faults.use("long_files"):
        content += b"\0" * _PNG_END
    return content


class _Half(Response):
    """The first half of a file, after which the connection is cut, or nothing comes any more.

    A body that is longer than its ``Content-Length`` cannot be sent: h11 refuses to.
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
    """A name as a header can carry it; Starlette encodes headers as Latin-1, aiohttp sends UTF-8."""
    return name.replace("\\", "\\\\").replace('"', '\\"').encode().decode("latin-1")
