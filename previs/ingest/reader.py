"""Reading what people name: shot lists, saved graphs, references.

A list may come from a stranger. What it may name is decided when its names are resolved (:func:`resolve`); what is read
here is taken as allowed, and is bounded in size and time.
"""

import asyncio
import base64
import binascii
import errno
import logging
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import unquote_to_bytes

import httpx

from previs.errors import SourceNotFound, SourceUnavailable
from previs.store.addresses import base_of, kind_of, local_path, resolve, shown
from previs.store.s3_connection import S3Connection, S3Settings
from previs.store.s3_errors import S3_ERRORS, certificate_refused, classify

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

__all__ = ["LIMIT_BYTES", "SourceReader", "base_of", "resolve", "shown"]

LIMIT_BYTES: Final = 50_000_000
_CHUNK_BYTES: Final = 1 << 16
_WEB_AT_ONCE: Final = 16
_SILENCE_SECONDS: Final = 30.0
_WHOLE_SECONDS: Final = 300.0
_REDIRECTS: Final = 5
_PASSING_STATUS: Final = {408, 425, 429}
_SERVER_FAULT: Final = 500
_WEB_REASONS: Final = {
    401: "it asks for a login (401): use an address that works without, such as a presigned one",
    403: "access is denied (403): a signed address may have expired",
    404: "there is nothing at this address (404)",
    410: "what was at this address is gone (410)",
}
_LAST_PORT: Final = 65_535
_NO_ADDRESS: Final = "it is no web address, or leads on to something that is none"
_WEB_REFUSALS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx.InvalidURL, _NO_ADDRESS),
    (UnicodeError, _NO_ADDRESS),
    (httpx.UnsupportedProtocol, "it has no host, or leads on to an address that is not http:// or https://"),
    (httpx.TooManyRedirects, f"it leads on to other addresses more than {_REDIRECTS} times"),
)
_WEB_TROUBLES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (httpx.TimeoutException, "its server did not answer in time"),
    (httpx.ConnectError, "no connection to its server"),
    (httpx.RemoteProtocolError, "its server broke off in the middle, or does not speak HTTP"),
)
_FILE_REASONS: Final = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file: a part of the path is a file, not a folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.ELOOP: "the path goes round in symbolic links",
    errno.EINVAL: "the file system does not allow a character of the path",
    errno.EILSEQ: "the file system does not allow a character of the path",
}
_READING: ContextVar[bool] = ContextVar("_READING", default=False)


class _NotOurs(logging.Filter):
    """Drops what httpx logs of our own requests: their full addresses, with the signatures in them."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the base class's signature
        return not _READING.get()


_NOT_OURS: Final = _NotOurs()


class SourceReader:
    """Reads from disk, S3 and the web; to be used with ``async with``, in one event loop.

    Args:
        s3: whose credentials, region and endpoint hold for every ``s3://`` address, whatever its bucket; with none,
            they are looked for where every AWS tool looks.
    """

    def __init__(self, s3: S3Settings | None = None) -> None:
        self._s3 = S3Connection(s3)
        self._web: httpx.AsyncClient | None = None
        self._web_places = asyncio.Semaphore(_WEB_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; nothing can be read afterwards."""
        if self._web is not None:
            await self._web.aclose()
            self._web = None
        await self._s3.aclose()

    async def read(self, uri: str, *, limit: int = LIMIT_BYTES) -> bytes:
        """All bytes of what is named.

        Args:
            uri: a path, or a ``file://``, ``s3://``, ``https://``, ``http://`` or ``data:`` address.
            limit: the most bytes that are taken in; more is refused, on the web without having read them all.

        Raises:
            SourceNotFound: nothing is there, it is not for us, it is too large, or the name cannot be read at all.
            SourceUnavailable: it may be there another time.
        """
        match kind_of(uri):
            case "path" | "file":
                return await asyncio.to_thread(_read_file, uri, limit)
            case "s3":
                return await self._read_object(uri, limit)
            case "http":
                async with self._web_places:
                    return await self._read_page(uri, limit)
            case "data":
                content = _read_inline(uri)
                _within_size(len(content), uri, limit)
                return content
            case "shot":
                raise SourceNotFound(shown(uri), "a shot's frame is made in the run, it is no source")
            case "unknown":
                raise SourceNotFound(shown(uri), "use a path, file://, s3://, https:// or http://")

    async def _read_object(self, uri: str, limit: int) -> bytes:
        bucket, _, key = uri[len("s3://") :].partition("/")
        if not bucket or not key:
            raise SourceNotFound(shown(uri), "an address in S3 is s3://bucket/key")

        def fetch(client: "S3Client") -> bytes:
            answer = client.get_object(Bucket=bucket, Key=key)
            taken = bytearray()
            with closing(answer["Body"]) as body:
                _within_size(answer.get("ContentLength", 0), uri, limit)
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    taken += chunk
                    _within_size(len(taken), uri, limit)
            return bytes(taken)

        try:
            return await self._s3.run(fetch)
        except S3_ERRORS as error:
            needed = f"s3:GetObject on {shown(uri)}, and s3:ListBucket on the bucket to tell what is absent"
            verdict = classify(error, needed)
            raise (SourceUnavailable if verdict.kind == "trouble" else SourceNotFound)(
                shown(uri), verdict.reason
            ) from error

    async def _read_page(self, uri: str, limit: int) -> bytes:
        if self._web is None:
            logging.getLogger("httpx").addFilter(_NOT_OURS)
            self._web = httpx.AsyncClient(
                follow_redirects=True,
                max_redirects=_REDIRECTS,
                timeout=httpx.Timeout(_SILENCE_SECONDS, connect=10, pool=None),
                headers={"User-Agent": "previs", "Accept-Encoding": "identity"},
                event_hooks={"request": [_refuse_impossible_port]},
            )
        reading = _READING.set(True)
        try:
            async with asyncio.timeout(_WHOLE_SECONDS), self._web.stream("GET", uri) as response:
                return await _taken_in(response, uri, limit)
        except TimeoutError as error:
            raise SourceUnavailable(shown(uri), f"it was not read after {_WHOLE_SECONDS:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _web_error(uri, error) from error
        finally:
            _READING.reset(reading)


async def _taken_in(response: httpx.Response, uri: str, limit: int) -> bytes:
    status = response.status_code
    if status in _PASSING_STATUS or status >= _SERVER_FAULT:
        raise SourceUnavailable(shown(uri), f"its server answered {status}")
    if not response.is_success:
        raise SourceNotFound(shown(uri), _WEB_REASONS.get(status, f"its server answered {status}"))
    announced = response.headers.get("content-length", "")
    if announced.isdecimal():
        _within_size(int(announced), uri, limit)
    taken = bytearray()
    async for chunk in response.aiter_bytes(_CHUNK_BYTES):
        taken += chunk
        _within_size(len(taken), uri, limit)
    return bytes(taken)


async def _refuse_impossible_port(request: httpx.Request) -> None:
    if request.url.port is not None and not 0 < request.url.port <= _LAST_PORT:
        raise httpx.InvalidURL(_NO_ADDRESS)


def _web_error(
    uri: str, error: httpx.HTTPError | httpx.InvalidURL | UnicodeError
) -> SourceNotFound | SourceUnavailable:
    if certificate_refused(error):
        return SourceNotFound(shown(uri), "its TLS certificate is expired, of another host or of an unknown issuer")
    for kind, reason in _WEB_REFUSALS:
        if isinstance(error, kind):
            return SourceNotFound(shown(uri), reason)
    for kind, reason in _WEB_TROUBLES:
        if isinstance(error, kind):
            return SourceUnavailable(shown(uri), reason)
    return SourceUnavailable(shown(uri), f"the connection failed ({type(error).__name__})")


def _read_file(uri: str, limit: int) -> bytes:
    path = Path(local_path(uri))
    with _file_errors(uri):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SourceNotFound(shown(uri), "it is a folder: name a file")
        if not stat.S_ISREG(mode):
            raise SourceNotFound(shown(uri), "it is no ordinary file")
        with path.open("rb") as stream:
            taken = stream.read(limit + 1)
    _within_size(len(taken), uri, limit)
    return taken


@contextmanager
def _file_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = _FILE_REASONS.get(error.errno or 0)
        if reason is None:
            raise SourceUnavailable(shown(uri), error.strerror or type(error).__name__) from error
        raise SourceNotFound(shown(uri), reason) from error
    except ValueError as error:
        raise SourceNotFound(shown(uri), "no path can hold one of its characters") from error


def _read_inline(uri: str) -> bytes:
    head, comma, tail = uri.partition(",")
    if not comma:
        raise SourceNotFound(shown(uri), "a data: URI has a comma before its content")
    content = unquote_to_bytes(tail)
    if not head.lower().endswith(";base64"):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise SourceNotFound(shown(uri), "its content is not whole Base64") from error


def _within_size(size: int, uri: str, limit: int) -> None:
    if size > limit:
        raise SourceNotFound(shown(uri), f"it is too large: at most {limit:,} bytes are read")
