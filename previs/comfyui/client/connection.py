"""Requests to one server, and what their failures mean; knows no endpoint.

Every failure to get an answer is :exc:`~previs.errors.ServerUnreachable`, :exc:`~previs.errors.ServerUnavailable` or
:exc:`~previs.errors.AccessDenied`.
"""

import contextlib
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from previs.comfyui.client.address import Address
from previs.comfyui.client.tls import why_no_tls
from previs.comfyui.protocol.wire import read_json
from previs.errors import AccessDenied, ServerUnavailable, ServerUnreachable

# At each request the pool looks at every connection that it keeps.
_CONNECTIONS = 6
_TIMEOUT = httpx.Timeout(10, read=30)
_FILE_TIMEOUT = httpx.Timeout(10, read=60, pool=None)
_LARGEST_ANSWER = 64 << 20
_LONGEST_RETRY_AFTER = 300.0
_OK = 200
_DENIED = frozenset({401, 403})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
BROKEN_OFF = (httpx.RemoteProtocolError, httpx.ReadError)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    body: bytes

    def parsed(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Its JSON; none where it is no JSON, or has numbers or nesting that no server of this kind sends."""
        try:
            return read_json(self.body)
        except (ValueError, RecursionError):
            return None


class Connection:
    """Requests to one server, in two pools: large files on a slow line must not keep other questions waiting."""

    def __init__(self, address: Address) -> None:
        self.name = address.name
        self._questions = _client(address, _TIMEOUT, connections=_CONNECTIONS)
        self._files = _client(address, _FILE_TIMEOUT, connections=4)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._questions.aclose()
        await self._files.aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        allow: Collection[int] = (),
        **content: Any,  # noqa: ANN401 - passed on to httpx
    ) -> Answer:
        """An answer whose status is 200 or in ``allow``; one larger than 64 MB is none."""
        body = bytearray()
        try:
            async with self._stream(self._questions, method, path, allow, content) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > _LARGEST_ANSWER:
                        raise self.trouble(method, path, f"more than {_LARGEST_ANSWER >> 20} MB")
                return Answer(response.status_code, bytes(body))
        except BROKEN_OFF as error:
            raise ServerUnreachable(self.name, "the connection broke in the middle of an answer") from error
        except httpx.DecodingError as error:
            raise self.trouble(method, path, "a body that cannot be unpacked") from error

    def file(
        self, path: str, query: Mapping[str, str], *, allow: Collection[int]
    ) -> contextlib.AbstractAsyncContextManager[httpx.Response]:
        """A response to read a file from.

        That its body broke off or cannot be unpacked is left to the reader: :data:`BROKEN_OFF`,
        ``httpx.DecodingError``.
        """
        # Asked so, most proxies leave a file as it is.
        content = {"params": query, "headers": {"Accept-Encoding": "identity"}}
        return self._stream(self._files, "GET", path, allow, content)

    def trouble(self, method: str, path: str, answer: str) -> ServerUnavailable:
        """The error of an answer that is none; of the path only what names nobody's prompt or file is told."""
        return ServerUnavailable(self.name, _shown(method, path), answer)

    @contextlib.asynccontextmanager
    async def _stream(
        self, client: httpx.AsyncClient, method: str, path: str, allow: Collection[int], content: dict[str, Any]
    ) -> AsyncIterator[httpx.Response]:
        answered = False
        try:
            async with client.stream(method, path, **content) as response:
                answered = True
                if response.status_code != _OK and response.status_code not in allow:
                    raise self._refusal(response, method, path)
                yield response
        except httpx.TimeoutException as error:
            raise ServerUnreachable(self.name, f"{_shown(method, path)} timed out") from error
        except BROKEN_OFF as error:
            if answered:
                raise
            raise ServerUnreachable(self.name, "it hung up without an answer") from error
        except httpx.TransportError as error:
            raise ServerUnreachable(self.name, _reason(error)) from error
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            # Half of a surrogate pair, which JSON can hold, or an address of more than 64 KB.
            raise self.trouble(method, path, "nothing: it holds a name or text that cannot be sent") from error

    def _refusal(self, response: httpx.Response, method: str, path: str) -> AccessDenied | ServerUnavailable:
        status = response.status_code
        if status in _DENIED:
            return AccessDenied(self.name, status)
        if status in _REDIRECTS:
            return self.trouble(method, path, f"HTTP {status}: give the farm the address that it redirects to")
        pause = retry_after(response.headers.get("retry-after", "")) if status in _BUSY else None
        return ServerUnavailable(self.name, _shown(method, path), f"HTTP {status}", pause)


def _client(address: Address, timeout: httpx.Timeout, *, connections: int) -> httpx.AsyncClient:
    # Where nothing is encrypted, a context that believes nobody spares httpx from making one of its own.
    context = address.tls_context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(
        base_url=address.url.rstrip("/") + "/",
        headers=dict(address.headers),
        timeout=timeout,
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        verify=context,
    )


def _shown(method: str, path: str) -> str:
    return f"{method} /{path.removeprefix('api/').partition('/')[0]}"


def _reason(error: httpx.TransportError) -> str:
    # A foreign error's own words may hold a header's value.
    if isinstance(error, httpx.ConnectError):
        return why_no_tls(error) or "the connection was refused or not possible"
    return type(error).__name__


def retry_after(value: str) -> float | None:
    """Seconds, from a number of them or a date; none from anything else. Nobody is waited for longer than minutes."""
    try:
        seconds = float(value) if value.isascii() and value.isdigit() else _seconds_until(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER)


def _seconds_until(date: str) -> float:
    then = parsedate_to_datetime(date)
    # A date whose zone is "-0000" comes without one, and means UTC.
    return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
