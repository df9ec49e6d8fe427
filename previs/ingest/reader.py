"""Read shot lists, saved graphs and references by path or URL.

A list may be untrusted. :func:`previs.store.addresses.resolve` decides which paths and URLs it may name; the reader
accepts every one, and limits size and time.
"""

import asyncio
import base64
import binascii
import errno
import io
import logging
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self
from urllib.parse import unquote_to_bytes

import httpx

from previs.comfyui.client.proxies import proxy_fault, proxy_of
from previs.errors import SourceNotFound, SourceUnavailable
from previs.store import S3Store, Store
from previs.store.addresses import kind_of, local_path, shown
from previs.store.s3_connection import S3Connection
from previs.store.s3_errors import certificate_refused, classify, s3_errors
from previs.store.s3_settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LIMIT_BYTES: Final = 50_000_000
_CHUNK_BYTES: Final = 1 << 16
_MOST_WEB_REQUESTS: Final = 16
_READ_TIMEOUT: Final = 30.0
_TOTAL_TIMEOUT: Final = 300.0
_REDIRECTS: Final = 5
_TEMPORARY_STATUS: Final = {408, 425, 429}
_SERVER_FAULT: Final = 500
_WEB_REASONS: Final = {
    401: "it needs a login (401): use a URL that works without one, such as a presigned URL",
    403: "access is denied (403): a signed URL may have expired",
    404: "there is nothing at this URL (404)",
    410: "the file at this URL is gone (410)",
}
_LAST_PORT: Final = 65_535
_NOT_A_URL: Final = "it is not a valid URL, or it redirects to one that is not"
_NO_HOST: Final = "it has no host, or it redirects to a URL that is not http:// or https://"
_BROKEN_OFF: Final = "its server ended the connection early, or does not speak HTTP"
_WEB_ERRORS: Final[tuple[tuple[type[Exception], type[SourceNotFound] | type[SourceUnavailable], str], ...]] = (
    (httpx.InvalidURL, SourceNotFound, _NOT_A_URL),
    (UnicodeError, SourceNotFound, _NOT_A_URL),
    (httpx.UnsupportedProtocol, SourceNotFound, _NO_HOST),
    (httpx.TooManyRedirects, SourceNotFound, f"it redirects more than {_REDIRECTS} times"),
    (httpx.TimeoutException, SourceUnavailable, "its server did not answer in time"),
    (httpx.ConnectError, SourceUnavailable, "no connection to its server"),
    (httpx.RemoteProtocolError, SourceUnavailable, _BROKEN_OFF),
)
_FILE_REASONS: Final = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file: a part of the path is a file, not a folder",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.ELOOP: "the path is a loop of symbolic links",
    errno.EINVAL: "the file system does not allow a character of the path",
    errno.EILSEQ: "the file system does not allow a character of the path",
}
_READING: ContextVar[bool] = ContextVar("_READING", default=False)


class _WithoutOwnRequests(logging.Filter):
    """Drop httpx's log records of our own requests, whose full URLs contain signatures."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the base class's signature
        return not _READING.get()


_LOG_FILTER: Final = _WithoutOwnRequests()


class SourceReader:
    """Read from disk, S3 and the web; use with ``async with``, in one event loop.

    ``s3`` sets credentials, region and endpoint for every ``s3://`` URL, whatever its bucket; by default they are
    found as AWS tools find them.
    """

    def __init__(self, s3: S3Settings | None = None) -> None:
        self._s3 = S3Connection(s3)
        self._web: httpx.AsyncClient | None = None
        self._web_slots = asyncio.Semaphore(_MOST_WEB_REQUESTS)

    @classmethod
    def for_store(cls, store: Store | None) -> Self:
        """Return a reader that uses the credentials, region and endpoint of an S3 store."""
        return cls(store.settings if isinstance(store, S3Store) else None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; the reader cannot be used afterwards."""
        if self._web is not None:
            await self._web.aclose()
            self._web = None
        await self._s3.aclose()

    async def read(self, uri: str, *, limit: int = LIMIT_BYTES) -> bytes:
        """Return all bytes at a path or at a ``file://``, ``s3://``, ``https://``, ``http://`` or ``data:`` URL.

        Raises:
            SourceNotFound: Nothing is there, access is denied, the file is over the limit, or the URL is not valid.
            SourceUnavailable: Reading failed this time and may succeed later.
        """
        content = io.BytesIO()
        await self.save(uri, content, limit=limit)
        return content.getvalue()

    async def save(self, uri: str, to: BinaryIO, *, limit: int = LIMIT_BYTES) -> None:
        """Write what :meth:`read` returns to a file, with a few hundred KB in memory at a time.

        Raises:
            SourceNotFound, SourceUnavailable: As :meth:`read`; the file may then hold a part.
        """
        match kind_of(uri):
            case "path" | "file":
                await asyncio.to_thread(_read_file, uri, to, limit)
            case "s3":
                await self._read_object(uri, to, limit)
            case "http":
                async with self._web_slots:
                    await self._read_page(uri, to, limit)
            case "data":
                content = _read_data_uri(uri)
                _check_size(len(content), uri, limit)
                to.write(content)
            case "shot":
                raise SourceNotFound(shown(uri), "it is another shot's frame, which only a run can read")
            case "unknown":
                raise SourceNotFound(shown(uri), "use a path, file://, s3://, https:// or http://")

    async def _read_object(self, uri: str, to: BinaryIO, limit: int) -> None:
        bucket, _, key = uri[len("s3://") :].partition("/")
        if not bucket or not key:
            raise SourceNotFound(shown(uri), "an S3 URL has the form s3://bucket/key")

        def fetch(client: "S3Client") -> None:
            answer = client.get_object(Bucket=bucket, Key=key)
            with closing(answer["Body"]) as body:
                _check_size(answer.get("ContentLength", 0), uri, limit)
                for chunk in body.iter_chunks(_CHUNK_BYTES):
                    to.write(chunk)
                    _check_size(to.tell(), uri, limit)

        try:
            await self._s3.run(fetch)
        except s3_errors() as error:
            permissions = f"s3:GetObject on {shown(uri)}, and s3:ListBucket on the bucket to recognize missing objects"
            classified = classify(error, permissions)
            raised = SourceUnavailable if classified.kind == "trouble" else SourceNotFound
            raise raised(shown(uri), classified.reason) from error

    async def _read_page(self, uri: str, to: BinaryIO, limit: int) -> None:
        if fault := proxy_fault():
            raise SourceNotFound(shown(uri), fault)
        if self._web is None:
            logging.getLogger("httpx").addFilter(_LOG_FILTER)
            self._web = httpx.AsyncClient(
                follow_redirects=True,
                max_redirects=_REDIRECTS,
                timeout=httpx.Timeout(_READ_TIMEOUT, connect=10, pool=None),
                headers={"User-Agent": "previs", "Accept-Encoding": "identity"},
                event_hooks={"request": [_refuse_impossible_port]},
            )
        reading = _READING.set(True)
        try:
            async with asyncio.timeout(_TOTAL_TIMEOUT), self._web.stream("GET", uri) as response:
                await _save_body(response, uri, to, limit)
        except TimeoutError as error:
            raise SourceUnavailable(shown(uri), f"reading it took longer than {_TOTAL_TIMEOUT:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise _web_error(uri, error) from error
        finally:
            _READING.reset(reading)


async def _save_body(response: httpx.Response, uri: str, to: BinaryIO, limit: int) -> None:
    status = response.status_code
    if status in _TEMPORARY_STATUS or status >= _SERVER_FAULT:
        raise SourceUnavailable(shown(uri), f"its server answered {status}")
    if not response.is_success:
        raise SourceNotFound(shown(uri), _WEB_REASONS.get(status, f"its server answered {status}"))
    announced = response.headers.get("content-length", "")
    if announced.isdecimal():
        _check_size(int(announced), uri, limit)
    async for chunk in response.aiter_bytes(_CHUNK_BYTES):
        to.write(chunk)
        _check_size(to.tell(), uri, limit)


async def _refuse_impossible_port(request: httpx.Request) -> None:
    if request.url.port is not None and not 0 < request.url.port <= _LAST_PORT:
        raise httpx.InvalidURL(_NOT_A_URL)


def _web_error(uri: str, error: Exception) -> SourceNotFound | SourceUnavailable:
    if certificate_refused(error):
        return SourceNotFound(shown(uri), "its TLS certificate is expired, for another host, or from an unknown issuer")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError) and (proxy := proxy_of(uri)):
        answered = isinstance(error, httpx.ProxyError)
        reason = "cannot connect to its server" if answered else f"does not answer: {proxy.remedy}"
        return SourceUnavailable(shown(uri), f"{proxy} {reason}")
    for kind, raised, reason in _WEB_ERRORS:
        if isinstance(error, kind):
            return raised(shown(uri), reason)
    return SourceUnavailable(shown(uri), f"the connection failed ({type(error).__name__})")


def _read_file(uri: str, to: BinaryIO, limit: int) -> None:
    path = Path(local_path(uri))
    with _file_errors(uri):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SourceNotFound(shown(uri), "it is a folder: name a file")
        if not stat.S_ISREG(mode):
            raise SourceNotFound(shown(uri), "it is not a regular file")
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                to.write(chunk)
                _check_size(to.tell(), uri, limit)


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
        raise SourceNotFound(shown(uri), "a path cannot contain one of its characters") from error


def _read_data_uri(uri: str) -> bytes:
    head, comma, tail = uri.partition(",")
    if not comma:
        raise SourceNotFound(shown(uri), "a data: URI needs a comma before its content")
    content = unquote_to_bytes(tail)
    if not head.lower().endswith(";base64"):
        return content
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise SourceNotFound(shown(uri), "its content is not valid Base64") from error


def _check_size(size: int, uri: str, limit: int) -> None:
    if size > limit:
        raise SourceNotFound(shown(uri), f"it is too large: at most {limit:,} bytes are read")
