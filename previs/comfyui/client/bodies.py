"""Read the bodies of HTTP answers within bounds of size, time and rate.

Every body that previs reads over HTTP is read here, whether a ComfyUI server sends it, a web server or the receiver of
a webhook. The module lives in the lowest package with sockets, below all that use it.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

PLAIN: Final = {"Accept-Encoding": "identity"}
"""Header that asks for no content encoding; most servers and proxies then send none."""

_GZIP: Final = frozenset({"gzip", "x-gzip"})
_PIECE_BYTES: Final = 1 << 18
_MOST_DIGITS: Final = 20
# Each piece takes some microseconds, whatever its length; a packet of a network has over a thousand bytes.
_SMALL_PIECES: Final = 10_000
_LEAST_PIECE: Final = 512
_AT_ONCE: Final = 64
# httpx gives up if 64 KB of an upload take ten seconds.
_SLOWEST_UPLOAD: Final = 6_000
# zlib's window size, with gzip's or zlib's header, or without one, as some servers send "deflate".
_WITH_HEADER: Final = zlib.MAX_WBITS | 32
_WITHOUT_HEADER: Final = -zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Set how large an answer may be, and how slow.

    Attributes:
        size: Largest number of bytes, both as sent and as decoded.
        headers_within: Seconds until the headers are complete, from the end of the request.
        total: Seconds from the headers to the end; None for a body that may last as long as it makes progress.
        least_bytes: Bytes that must arrive in each ``per_seconds`` spent waiting for the server.
        per_seconds: See ``least_bytes``; an answer that ends within this time may be shorter.
    """

    size: int
    headers_within: float = 60.0
    total: float | None = 300.0
    least_bytes: int = 1 << 16
    per_seconds: float = 30.0


class Response(Protocol):
    """Describe what answers of httpx and of :mod:`previs.comfyui.client.direct` have in common."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers; names are found in any case."""

    @property
    def num_bytes_downloaded(self) -> int:
        """Return the bytes of the body that have been read, as sent."""

    def aiter_raw(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, not decoded."""

    async def aclose(self) -> None:
        """Close the answer."""


ResponseT_co = TypeVar("ResponseT_co", bound=Response, covariant=True)


class Client(Protocol[ResponseT_co]):
    """Describe what clients of httpx and of :mod:`previs.comfyui.client.direct` have in common."""

    def build_request(self, *args: Any, **content: Any) -> Any:  # noqa: ANN401 - each has requests of its own
        """Return a request; raise UnicodeEncodeError or httpx.InvalidURL if it cannot be sent."""

    async def send(self, request: Any, *, stream: bool) -> ResponseT_co:  # noqa: ANN401
        """Return an answer whose headers are complete; raise httpx.TransportError."""

    async def aclose(self) -> None:
        """Close all connections."""


class BodyTooLargeError(Exception):
    """Report an answer with more bytes than the limit."""


class BodyTooSlowError(Exception):
    """Report an answer that does not arrive in time; its text says what did not."""


class BodyDamagedError(Exception):
    """Report a content encoding that is not read, or that breaks off; its text says which."""


@contextlib.asynccontextmanager
async def answer_to(
    request: Any,  # noqa: ANN401
    client: Client[ResponseT_co],
    limits: BodyLimits,
) -> AsyncIterator[ResponseT_co]:
    """Send a request, and yield its answer once the headers are complete.

    Raises:
        BodyTooSlowError: The headers are not complete in time, however many bytes of them arrived.
    """
    upload = int(request.headers.get("Content-Length", 0)) / _SLOWEST_UPLOAD
    try:
        async with asyncio.timeout(limits.headers_within + upload):
            response = await client.send(request, stream=True)
    except TimeoutError as error:
        msg = f"no complete headers within {limits.headers_within:g} s"
        raise BodyTooSlowError(msg) from error
    try:
        yield response
    finally:
        await response.aclose()


async def read_body(response: Response, limits: BodyLimits) -> bytes:
    """Return a whole body, decoded; raises as :func:`read_pieces` does."""
    body = bytearray()
    async for piece in read_pieces(response, limits):
        body += piece
    return bytes(body)


async def read_pieces(response: Response, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield a body, decoded, in pieces of at most 256 KB.

    Raises:
        BodyTooLargeError, BodyTooSlowError, BodyDamagedError: The body breaks a limit or cannot be decoded.
        httpx.TransportError: The connection broke, or the server was silent for longer than the client's timeout.
    """
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and (len(announced) > _MOST_DIGITS or int(announced) > limits.size):
        raise BodyTooLargeError
    decoder = _decoder_for(response)
    received = size = 0
    async for data in _in_time(response, limits):
        received += len(data)
        for piece in decoder.feed(data) if decoder else (data,):
            size += len(piece)
            if size > limits.size:
                raise BodyTooLargeError
            yield piece
        if received > limits.size:
            raise BodyTooLargeError
    if decoder and received:
        yield decoder.finish()


async def _in_time(response: Response, limits: BodyLimits) -> AsyncIterator[bytes]:
    """Yield a body as it arrives; only the time spent waiting for the server counts for the rate."""
    raw = aiter(response.aiter_raw())
    end = None if limits.total is None else time.monotonic() + limits.total
    waited, arrived, received, pieces = 0.0, 0, 0, 0
    while True:
        began = time.monotonic()
        left = limits.per_seconds - waited
        try:
            async with asyncio.timeout(left if end is None else min(left, end - began)):
                data = await anext(raw, None)
        except TimeoutError as error:
            slow = f"fewer than {limits.least_bytes:,} bytes in {limits.per_seconds:g} s"
            msg = f"not complete after {limits.total:g} s" if end is not None and time.monotonic() >= end else slow
            raise BodyTooSlowError(msg) from error
        if data is None:
            return
        waited, arrived = waited + time.monotonic() - began, arrived + len(data)
        if arrived >= limits.least_bytes:
            waited, arrived = 0.0, 0
        received, pieces = received + len(data), pieces + 1
        if pieces > _SMALL_PIECES and received < pieces * _LEAST_PIECE:
            msg = f"it comes in more than {_SMALL_PIECES:,} pieces, of fewer than {_LEAST_PIECE} bytes each"
            raise BodyDamagedError(msg)
        yield data
        if pieces % _AT_ONCE == 0:
            # Pieces that have arrived together are read without waiting.
            await asyncio.sleep(0)


class _Decoder:
    """Decode gzip or deflate, at most 256 KB at a time."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflate = zlib.decompressobj(_WITH_HEADER)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflate.eof:
                # gzip allows several members, one after another.
                self._inflate = zlib.decompressobj(_WITH_HEADER)
            yield self._decompress(data)
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail

    def finish(self) -> bytes:
        rest = self._inflate.flush()
        if not self._inflate.eof:
            msg = f"its {self._encoding} encoding ends early"
            raise BodyDamagedError(msg)
        return rest

    def _decompress(self, data: bytes) -> bytes:
        begun, self._begun = self._begun, True
        try:
            return self._inflate.decompress(data, _PIECE_BYTES)
        except zlib.error as error:
            if self._encoding == "deflate" and not begun:
                self._inflate = zlib.decompressobj(_WITHOUT_HEADER)
                return self._decompress(data)
            msg = f"its {self._encoding} encoding is damaged"
            raise BodyDamagedError(msg) from error


def _decoder_for(response: Response) -> _Decoder | None:
    """Return the decoder of a body's content encoding; None for a body without one.

    Raises:
        BodyDamagedError: There are several encodings, each of which could expand a thousandfold, or an unknown one.
    """
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    encodings = [name for each in named if (name := each.strip()) not in {"", "identity"}]
    if not encodings:
        return None
    if len(encodings) > 1:
        msg = "it has several content encodings, one inside another"
        raise BodyDamagedError(msg)
    [encoding] = encodings
    if encoding not in _GZIP | {"deflate"}:
        msg = "it has a content encoding that was not asked for, and is neither gzip nor deflate"
        raise BodyDamagedError(msg)
    return _Decoder(encoding)
