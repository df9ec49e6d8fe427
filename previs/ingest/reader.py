"""Read shot lists, saved graphs and references by path or URL.

A list may be untrusted. :func:`previs.store.addresses.resolve` decides which paths and URLs it may name, and
:mod:`previs.ingest.access` what those of a sender may reach. The reader limits size, time and rate.
"""

import asyncio
import base64
import binascii
import errno
import io
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Self
from urllib.parse import unquote_to_bytes

import httpx

from previs.comfyui.client.bodies import (
    PLAIN,
    BodyDamagedError,
    BodyLimits,
    BodyTooLargeError,
    BodyTooSlowError,
    answer_to,
    read_pieces,
)
from previs.comfyui.client.checked_transport import BESIDE, AddressRefused, CheckedTransport
from previs.comfyui.client.proxies import proxy_fault, proxy_of
from previs.errors import SourceNotFound, SourceUnavailable
from previs.ingest.access import Allowed
from previs.store import S3Store, Store
from previs.store.addresses import kind_of, local_path, shown
from previs.store.credentials import password_fault
from previs.store.s3_connection import S3Connection
from previs.store.s3_errors import certificate_refused, classify, s3_errors
from previs.store.s3_requests import ObjectTooLargeError, body_pieces
from previs.store.s3_settings import S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

LIMIT_BYTES: Final = 50_000_000
_PIECE_BYTES: Final = 1 << 16
_MOST_WEB_REQUESTS: Final = 16
_READ_TIMEOUT: Final = 30.0
_LIMITS: Final = BodyLimits(LIMIT_BYTES)
_REDIRECTS: Final = 5
_S3_SECONDS: Final = 300.0
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
    (AddressRefused, SourceNotFound, "{}"),
    (httpx.TimeoutException, SourceUnavailable, "its server did not answer in time"),
    (httpx.ConnectError, SourceUnavailable, "no connection to its server"),
    (httpx.RemoteProtocolError, SourceUnavailable, _BROKEN_OFF),
    (BodyTooSlowError, SourceUnavailable, "its server sends too slowly: {}"),
    (BodyDamagedError, SourceNotFound, "{}"),
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
ONE_ANSWER: Final = (
    "it is not there, it is not what it should be, or the operator does not allow it: the log of the machine that runs "
    "this says which, and docs/security.md what can be allowed"
)
_LOG: Final = logging.getLogger("previs.ingest")
_READING: ContextVar[bool] = ContextVar("_READING", default=False)


class _WithoutOwnRequests(logging.Filter):
    """Drop log records of our own requests, whose URLs and answers' headers contain signatures."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - the base class's signature
        return not _READING.get()


_LOG_FILTER: Final = _WithoutOwnRequests()
# A logger's filter does not apply to the loggers below it.
_LOGGERS: Final = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


class SourceReader:
    """Read from disk, S3 and the web; use with ``async with``, in one event loop.

    ``s3`` sets credentials, region and endpoint for every ``s3://`` URL, whatever its bucket; by default they are
    found as AWS tools find them. ``allowed`` is what senders' addresses may reach besides public ones; None for what
    :meth:`Allowed.of_operator` returns.
    """

    def __init__(self, s3: S3Settings | None = None, allowed: Allowed | None = None) -> None:
        self._s3 = S3Connection(s3)
        self._allowed = Allowed.of_operator() if allowed is None else allowed
        self._web: dict[bool, httpx.AsyncClient] = {}
        self._web_slots = asyncio.Semaphore(_MOST_WEB_REQUESTS)

    @classmethod
    def for_store(cls, store: Store | None, allowed: Allowed | None = None) -> Self:
        """Return a reader that uses the credentials, region and endpoint of an S3 store."""
        if allowed is None:
            allowed = Allowed.of_operator() if store is None else Allowed.of_operator().with_store(store)
        return cls(store.settings if isinstance(store, S3Store) else None, allowed)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; the reader cannot be used afterwards."""
        while self._web:
            _, client = self._web.popitem()
            await client.aclose()
        await self._s3.aclose()

    async def read(
        self, uri: str, *, limit: int = LIMIT_BYTES, sender: bool = False, beside: str | None = None
    ) -> bytes:
        """Return all bytes at a path or at a ``file://``, ``s3://``, ``https://``, ``http://`` or ``data:`` URL.

        Args:
            uri: Path or URL.
            limit: Most bytes to read.
            sender: Whether a sender named it, rather than the operator.
            beside: URL of the operator whose host a sender's URL may name too.

        Raises:
            SourceNotFound: Nothing is there, access is denied, the file is over the limit, or the URL is not valid. For
                a sender all that goes wrong on the web is one answer, and the log says which.
            SourceUnavailable: Reading failed this time and may succeed later.
        """
        content = io.BytesIO()
        await self.save(uri, content, limit=limit, sender=sender, beside=beside)
        return content.getvalue()

    async def save(
        self, uri: str, to: BinaryIO, *, limit: int = LIMIT_BYTES, sender: bool = False, beside: str | None = None
    ) -> None:
        """Write what :meth:`read` returns to an empty file open for reading and writing, a piece at a time.

        Raises:
            SourceNotFound, SourceUnavailable: As :meth:`read`; the file may then hold a part.
        """
        if not sender:
            return await self._save(uri, to, limit)
        kind, fault, found = kind_of(uri), "", uri
        if kind == "http":
            return await self._save_for_sender(uri, to, limit, beside)
        if kind == "s3":
            fault = self._allowed.object_fault(uri)
        elif kind in {"path", "file"}:
            with _file_errors(uri):
                found = await asyncio.to_thread(os.path.realpath, local_path(uri))
            fault = self._allowed.file_fault(Path(found))
        if fault:
            if not self._allowed.own:
                _LOG.warning("%s is refused: %s", shown(uri), fault)
            raise SourceNotFound(shown(uri), fault)
        return await self._save(found, to, limit)

    async def _save_for_sender(self, uri: str, to: BinaryIO, limit: int, beside: str | None) -> None:
        if fault := password_fault(uri):
            raise SourceNotFound(shown(uri), fault)
        try:
            await self._save(uri, to, limit, beside=beside, sender=True)
        except (SourceNotFound, SourceUnavailable) as error:
            if self._allowed.own:
                raise
            _LOG.warning("%s", error)
            lasting = isinstance(error, SourceNotFound) or isinstance(error.__cause__, httpx.ConnectError)
            raise (SourceNotFound if lasting else SourceUnavailable)(shown(uri), ONE_ANSWER) from None
        if not self._allowed.own and _is_page(to):
            _LOG.warning("%s cannot be read: it is a page, and no list, workflow or picture", shown(uri))
            raise SourceNotFound(shown(uri), ONE_ANSWER)

    async def _save(
        self, uri: str, to: BinaryIO, limit: int, *, sender: bool = False, beside: str | None = None
    ) -> None:
        match kind_of(uri):
            case "path" | "file":
                await asyncio.to_thread(_save_file, uri, to, limit)
            case "s3":
                await self._save_object(uri, to, limit)
            case "http":
                async with self._web_slots:
                    await self._save_page(uri, to, limit, sender=sender, beside=beside)
            case "data":
                content = _read_data_uri(uri)
                _check_size(len(content), uri, limit)
                to.write(content)
            case "shot":
                raise SourceNotFound(shown(uri), "it is another shot's frame, which only a run can read")
            case "unknown":
                raise SourceNotFound(shown(uri), "use a path, file://, s3://, https:// or http://")

    async def _save_object(self, uri: str, to: BinaryIO, limit: int) -> None:
        bucket, _, key = uri[len("s3://") :].partition("/")
        if not bucket or not key:
            raise SourceNotFound(shown(uri), "an S3 URL has the form s3://bucket/key")

        def fetch(client: "S3Client") -> None:
            answer = client.get_object(Bucket=bucket, Key=key)
            try:
                to.writelines(body_pieces(answer, limit, _S3_SECONDS))
            except ObjectTooLargeError as error:
                raise _too_large(uri, limit) from error

        try:
            await self._s3.run(fetch)
        except s3_errors() as error:
            permissions = f"s3:GetObject on {shown(uri)}, and s3:ListBucket on the bucket to recognize missing objects"
            classified = classify(error, permissions)
            raised = SourceUnavailable if classified.kind == "trouble" else SourceNotFound
            raise raised(shown(uri), classified.reason) from error

    async def _save_page(self, uri: str, to: BinaryIO, limit: int, *, sender: bool, beside: str | None) -> None:
        if fault := proxy_fault():
            raise SourceNotFound(shown(uri), fault)
        web = self._client(sender=sender)
        extensions = {BESIDE: httpx.URL(beside).host} if beside else {}
        reading = _READING.set(True)
        limits = replace(_LIMITS, size=limit)
        try:
            request = web.build_request("GET", uri, extensions=extensions)
            async with answer_to(request, web, limits) as response:
                _check_status(response, uri)
                async for piece in read_pieces(response, limits):
                    to.write(piece)
        except BodyTooLargeError as error:
            raise _too_large(uri, limit) from error
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, BodyTooSlowError, BodyDamagedError) as error:
            raise _web_error(uri, error) from error
        finally:
            _READING.reset(reading)

    def _client(self, *, sender: bool) -> httpx.AsyncClient:
        """Return the client of the operator or of senders; they share no connection."""
        if sender not in self._web:
            for name in _LOGGERS:
                logging.getLogger(name).addFilter(_LOG_FILTER)
            self._web[sender] = httpx.AsyncClient(
                transport=CheckedTransport(self._allowed) if sender else None,
                follow_redirects=True,
                max_redirects=_REDIRECTS,
                timeout=httpx.Timeout(_READ_TIMEOUT, connect=10, pool=None),
                headers={"User-Agent": "previs", **PLAIN},
                event_hooks={"request": [_refuse_impossible_port]},
            )
        return self._web[sender]


def _check_status(response: httpx.Response, uri: str) -> None:
    status = response.status_code
    if status in _TEMPORARY_STATUS or status >= _SERVER_FAULT:
        raise SourceUnavailable(shown(uri), f"its server answered {status}")
    if not response.is_success:
        raise SourceNotFound(shown(uri), _WEB_REASONS.get(status, f"its server answered {status}"))


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
            return raised(shown(uri), reason.format(error))
    return SourceUnavailable(shown(uri), f"the connection failed ({type(error).__name__})")


def _save_file(uri: str, to: BinaryIO, limit: int) -> None:
    path = Path(local_path(uri))
    with _file_errors(uri):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SourceNotFound(shown(uri), "it is a folder: name a file")
        if not stat.S_ISREG(mode):
            raise SourceNotFound(shown(uri), "it is not a regular file")
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE_BYTES):
                to.write(piece)
                _check_size(to.tell(), uri, limit)


def _is_page(file: BinaryIO) -> bool:
    """Return whether a file's first byte that is no white space begins a tag."""
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        if start := piece.lstrip()[:1]:
            return start == b"<"
    return False


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
        raise _too_large(uri, limit)


def _too_large(uri: str, limit: int) -> SourceNotFound:
    return SourceNotFound(shown(uri), f"it is too large: at most {limit:,} bytes are read")
