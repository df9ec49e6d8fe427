"""Send requests with aiohttp, which takes a sixth of the CPU time of httpx: each shot takes several requests.

For servers that are reached directly; proxies, among them SOCKS proxies, and checked addresses are left to httpx. A
client has the methods of httpx's that :mod:`previs.comfyui.client.connection` calls, and raises httpx's errors.
"""

import contextlib
import io
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from json import dumps
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import httpx
from yarl import URL

_LONGEST_URL: Final = 65_536  # that of httpx
_KEPT_SECONDS: Final = 5.0  # as httpx keeps a connection: a server may close one that is idle for longer
_WARNED_FROM: Final = 1 << 20
_LONGEST_HEADER: Final = 65_536


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """Hold a request."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None


class DirectResponse:
    """Read an answer.

    Attributes:
        status_code: Its HTTP status.
        headers: Its headers; names are found in any case.
        num_bytes_downloaded: Bytes of the body that have been read, as sent.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status_code = response.status
        self.headers: Mapping[str, str] = response.headers
        self.num_bytes_downloaded = 0

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, not decoded."""
        with _errors_of_httpx(answered=True):
            async for data in self._response.content.iter_any():
                self.num_bytes_downloaded += len(data)
                yield data

    async def aclose(self) -> None:
        """Keep the connection if the whole body was read, else close it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class DirectClient:
    """Send requests to one server."""

    def __init__(
        self, headers: Mapping[str, str], context: ssl.SSLContext, timeout: httpx.Timeout, connections: int
    ) -> None:
        """Set up a client, inside an event loop.

        Args:
            headers: Headers of every request.
            context: Certificates to trust.
            timeout: Seconds for a connection, for a free one, and without data. What limits the sending of a body is
                the caller's.
            connections: Most connections at once.
        """
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEPT_SECONDS, ssl=context),
            headers=headers,
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # proxies before servers at an IP address send cookies, too
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=None if timeout.pool is None else timeout.pool + (timeout.connect or 0),
                sock_connect=timeout.connect,
                sock_read=timeout.read,
            ),
            auto_decompress=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )

    def build_request(
        self, method: str, url: str, *, params: Mapping[str, Any] | None = None, json: object = None
    ) -> DirectRequest:
        """Return a request for a URL without a query, already escaped.

        Raises:
            httpx.InvalidURL: The URL has more than 64 KB.
            UnicodeEncodeError: A value has half of a surrogate pair.
        """
        if params:
            url = f"{url}?{urlencode(params)}"
        if len(url) > _LONGEST_URL:
            msg = "URL too long"
            raise httpx.InvalidURL(msg)
        if json is None:
            return DirectRequest(method, URL(url, encoded=True), {}, None)
        body = dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return DirectRequest(method, URL(url, encoded=True), headers, body)

    async def send(self, request: DirectRequest, *, stream: bool = True) -> DirectResponse:  # noqa: ARG002 - as in httpx
        """Send a request, and return its answer once the headers are complete."""
        body = request.body
        with _errors_of_httpx(answered=False):
            response = await self._session.request(
                request.method,
                request.url,
                headers=request.headers,
                # aiohttp warns of long bodies that are bytes.
                data=io.BytesIO(body) if body and len(body) > _WARNED_FROM else body,
                allow_redirects=False,
            )
        return DirectResponse(response)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


@contextlib.contextmanager
def _errors_of_httpx(*, answered: bool) -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientConnectorError as error:
        # aiohttp's own error of a certificate is an SSLError without the number that explains it.
        raise httpx.ConnectError(str(error)) from error.__cause__ or error
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx.ConnectTimeout(str(error)) from error
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error)) from error
    except aiohttp.InvalidURL as error:
        raise httpx.InvalidURL(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise (httpx.ReadError if answered else httpx.RemoteProtocolError)(str(error)) from error
