"""Refuse requests before they are read: wrong hosts, other sites, large bodies; and send headers with all answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BODY: Final = 100_000
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
}


class BodyTooLarge(Exception):
    """Report a body with more bytes than are read."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Wrap an application, and pass on only what may be answered.

    Attributes:
        app: The application.
        names: Names under which browsers may reach it; empty for any.
    """

    app: ASGIApp
    names: Sequence[str] = ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        if fault := self._fault(scope["method"], headers):
            status, sentence = fault
            await PlainTextResponse(sentence, status)(scope, receive, sending)
            return
        try:
            await self.app(scope, _limited(receive), sending)
        except BodyTooLarge:
            await PlainTextResponse(f"a request has at most {MOST_BODY:,} bytes", 413)(scope, receive, sending)

    def _fault(self, method: str, headers: Headers) -> tuple[int, str] | None:
        host = headers.get("host", "")
        if self.names and _name_of(host) not in self.names:
            return 421, "this server is not reached under this name: previs serve --name NAME allows it"
        if method not in _SAFE and not _same_site(headers, host):
            return 403, "the request comes from another site"
        if int(length) > MOST_BODY if (length := headers.get("content-length", "0")).isdecimal() else True:
            return 413, f"a request has at most {MOST_BODY:,} bytes"
        return None


def _name_of(host: str) -> str:
    """Return the name of a host without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()


def _same_site(headers: Headers, host: str) -> bool:
    """Return whether a browser says that a request comes from a page of this server.

    All browsers send ``Origin`` with a POST; those of recent years say ``Sec-Fetch-Site`` on HTTPS and on this machine.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc.lower() == host.lower() != ""


def _limited(receive: Receive) -> Receive:
    read = 0

    async def receiving() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MOST_BODY:
            raise BodyTooLarge
        return message

    return receiving
