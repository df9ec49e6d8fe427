"""Send requests to one server and translate their failures; knows no endpoint.

Every failure raises :exc:`~previs.errors.ServerUnreachable`, :exc:`~previs.errors.ServerUnavailable` or
:exc:`~previs.errors.AccessDenied`; a proxy of the environment that cannot be used, :exc:`~previs.errors.FarmRefused`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

import httpx

from previs.comfyui.client.address import Address
from previs.comfyui.client.bodies import (
    PLAIN,
    BodyDamagedError,
    BodyLimits,
    BodyTooLargeError,
    BodyTooSlowError,
    Client,
    Response,
    answer_to,
    read_body,
)
from previs.comfyui.client.checked_transport import NOT_ALLOWED, AddressRefused, CheckedTransport, Policy
from previs.comfyui.client.proxies import Proxy, proxy_fault, proxy_of
from previs.comfyui.client.tls import explain_tls_failure
from previs.comfyui.protocol.wire import MOST_VALUES, TooManyValuesError, read_json
from previs.errors import AccessDenied, FarmRefused, ServerUnavailable, ServerUnreachable

# Small, because httpx checks every pooled connection at each request.
_CONNECTIONS = 6
_TIMEOUT = httpx.Timeout(10, read=30)
_FILE_TIMEOUT = httpx.Timeout(10, read=60, pool=None)
_FILES_AT_ONCE = 4
# A server that is shared or far away may take minutes for a list of its nodes.
_ANSWERS = BodyLimits(64 << 20, total=600)
_PARSED_AT_ONCE = 1 << 18
_MAX_RETRY_AFTER = 300.0
_OK = 200
_DENIED = frozenset({401, 403})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_OF_PROXIES = frozenset({407, 502, 503, 504})
TOO_LARGE = 413
BODY_LIMIT = (
    "HTTP 413: a proxy before the server limits the size of bodies: raise its limit (nginx: client_max_body_size)"
)
CONNECTION_BROKEN = (httpx.RemoteProtocolError, httpx.ReadError)


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold a complete answer."""

    status: int
    body: bytes


class Connection:
    """Send requests to one server, in two pools, so that large files on a slow line do not delay other requests."""

    def __init__(self, address: Address) -> None:
        self.name = address.name
        if fault := proxy_fault():
            raise FarmRefused(fault)
        self._proxy = proxy_of(address.url)
        self._address = address
        # A request that waits for a free connection is not late.
        self._file_slots = asyncio.Semaphore(_FILES_AT_ONCE)

    @cached_property
    def _base(self) -> str:
        # A base URL of httpx's own would be parsed and joined anew for each request.
        return str(httpx.URL(self._address.url)).rstrip("/")

    @cached_property
    def _requests(self) -> Client[Response]:
        return self._client(_TIMEOUT, _CONNECTIONS)

    @cached_property
    def _files(self) -> Client[Response]:
        return self._client(_FILE_TIMEOUT, _FILES_AT_ONCE)

    @cached_property
    def _uploads(self) -> httpx.AsyncClient:
        return _httpx_client(self._address, _TIMEOUT, _CONNECTIONS)

    def _client(self, timeout: httpx.Timeout, connections: int) -> Client[Response]:
        address = self._address
        if self._proxy or address.policy:
            return _httpx_client(address, timeout, connections)
        # Importing aiohttp takes a tenth of a second, for which a board need not wait if all of it is stored.
        from previs.comfyui.client.direct import DirectClient  # noqa: PLC0415

        return DirectClient(_headers(address), _context(address), timeout, connections)

    async def aclose(self) -> None:
        """Close all connections."""
        for name in ("_requests", "_files", "_uploads"):
            if name in self.__dict__:
                await getattr(self, name).aclose()

    async def request(
        self,
        method: str,
        path: str,
        *,
        allow: Collection[int] = (),
        **content: Any,  # noqa: ANN401 - passed on to httpx
    ) -> Answer:
        """Return an answer whose status is 200 or in ``allow``, and that has at most 64 MB."""
        try:
            client = self._uploads if "files" in content else self._requests
            async with self._stream(client, method, path, allow, content) as response:
                return Answer(response.status_code, await read_body(response, _ANSWERS))
        except CONNECTION_BROKEN as error:
            raise ServerUnreachable(self.name, "the connection broke in the middle of an answer") from error
        except BodyTooLargeError as error:
            raise self.unavailable(method, path, f"more than {_ANSWERS.size >> 20} MB") from error
        except BodyDamagedError as error:
            raise self.unavailable(method, path, f"a body that cannot be read: {error}") from error

    async def parsed(self, answer: Answer, method: str, path: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return the JSON of an answer, or None if it is not JSON or nested too deeply; a large one in a thread.

        Raises:
            ServerUnavailable: It has more than four million values.
        """
        try:
            if len(answer.body) > _PARSED_AT_ONCE:
                return await asyncio.to_thread(read_json, answer.body, MOST_VALUES)
            return read_json(answer.body, MOST_VALUES)
        except TooManyValuesError as error:
            raise self.unavailable(method, path, f"more than {MOST_VALUES:,} values") from error
        except (ValueError, RecursionError):
            return None

    @contextlib.asynccontextmanager
    async def stream_file(
        self, path: str, query: Mapping[str, str], *, allow: Collection[int]
    ) -> AsyncIterator[Response]:
        """Yield a response to read a file from; reading may raise :data:`CONNECTION_BROKEN` and the bodies' errors."""
        async with self._file_slots, self._stream(self._files, "GET", path, allow, {"params": query}) as response:
            yield response

    def unavailable(self, method: str, path: str, answer: str) -> ServerUnavailable:
        """Return the error for an unusable answer, without the part of the path that names a prompt or file."""
        return ServerUnavailable(self.name, _endpoint(method, path), answer)

    @contextlib.asynccontextmanager
    async def _stream(
        self, client: Client[Response], method: str, path: str, allow: Collection[int], content: dict[str, Any]
    ) -> AsyncIterator[Response]:
        answered = False
        try:
            request = client.build_request(method, f"{self._base}/{path}", **content)
            async with answer_to(request, client, _ANSWERS) as response:
                answered = True
                if response.status_code != _OK and response.status_code not in allow:
                    raise self._refusal(response, method, path)
                yield response
        except httpx.TimeoutException as error:
            raise ServerUnreachable(self.name, self._timed_out(error, method, path)) from error
        except BodyTooSlowError as error:
            raise ServerUnreachable(self.name, f"{_endpoint(method, path)} is too slow: {error}") from error
        except CONNECTION_BROKEN as error:
            if answered:
                raise
            raise ServerUnreachable(self.name, "it hung up without an answer") from error
        except httpx.TransportError as error:
            raise ServerUnreachable(self.name, _reason(error, self._proxy)) from error
        except (httpx.InvalidURL, UnicodeEncodeError) as error:
            # Half of a surrogate pair, which JSON can hold, or a URL of more than 64 KB.
            raise self.unavailable(method, path, "nothing: it holds a name or text that cannot be sent") from error

    def _refusal(self, response: Response, method: str, path: str) -> AccessDenied | ServerUnavailable:
        status = response.status_code
        if status in _DENIED:
            return AccessDenied(self.name, status)
        if status in REDIRECTS:
            return self.unavailable(method, path, f"HTTP {status}: give the farm the address that it redirects to")
        if status == TOO_LARGE:
            return self.unavailable(method, path, BODY_LIMIT)
        pause = retry_after(response.headers.get("retry-after", "")) if status in _BUSY else None
        through = f" through {self._proxy}" if self._proxy and status in _OF_PROXIES else ""
        return ServerUnavailable(self.name, _endpoint(method, path), f"HTTP {status}{through}", pause)

    def _timed_out(self, error: httpx.TimeoutException, method: str, path: str) -> str:
        if self._proxy and isinstance(error, httpx.ConnectTimeout):
            return f"{self._proxy} does not answer in time: {self._proxy.remedy}"
        return f"{_endpoint(method, path)} timed out"


def _headers(address: Address) -> httpx.Headers:
    headers = httpx.Headers(PLAIN)
    headers.update(address.headers)
    return headers


def _context(address: Address) -> ssl.SSLContext:
    # For plain HTTP an empty context is cheaper than the one that a client would create.
    return address.tls_context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _httpx_client(address: Address, timeout: httpx.Timeout, connections: int) -> httpx.AsyncClient:
    context = _context(address)
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    policy: Policy | None = address.policy
    return httpx.AsyncClient(
        headers=_headers(address),
        timeout=timeout,
        limits=limits,
        verify=context,
        transport=None if policy is None else CheckedTransport(policy, verify=context, limits=limits),
    )


def _endpoint(method: str, path: str) -> str:
    return f"{method} /{path.removeprefix('api/').partition('/')[0]}"


def _reason(error: httpx.TransportError, proxy: Proxy | None) -> str:
    # The text of a library's error may hold a header's value.
    if isinstance(error, AddressRefused):
        return NOT_ALLOWED
    if proxy is not None and isinstance(error, httpx.ProxyError):
        return f"{proxy} cannot connect to it: start the server, or add its host to NO_PROXY"
    if proxy is not None and isinstance(error, httpx.ConnectError):
        return explain_tls_failure(error) or f"{proxy} does not answer: {proxy.remedy}"
    if isinstance(error, httpx.ConnectError):
        return explain_tls_failure(error) or "the connection was refused or not possible"
    return type(error).__name__


def retry_after(value: str) -> float | None:
    """Return the seconds that a ``Retry-After`` value asks for, at most 300, or None if it is unreadable."""
    try:
        seconds = float(value) if value.isascii() and value.isdigit() else _seconds_until(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _MAX_RETRY_AFTER)


def _seconds_until(date: str) -> float:
    then = parsedate_to_datetime(date)
    # A date with the zone "-0000" is parsed without a zone, and means UTC.
    return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
