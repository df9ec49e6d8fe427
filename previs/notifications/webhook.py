"""Send events to a system without Prefect, as signed HTTP requests of Standard Webhooks.

They follow version 1.0.0 of the specification in https://github.com/standard-webhooks/standard-webhooks.
"""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import logging
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Self, get_args

import httpx

from previs.comfyui.client.address import header
from previs.comfyui.client.bodies import (
    PLAIN,
    BodyDamagedError,
    BodyLimits,
    BodyTooLargeError,
    BodyTooSlowError,
    read_pieces,
)
from previs.comfyui.client.connection import retry_after as seconds_of
from previs.comfyui.client.proxies import proxy_fault
from previs.errors import WebhookRefused, WebhookUnavailable
from previs.notifications.events import EventName

EVENTS: Final[tuple[EventName, ...]] = get_args(EventName)
SCHEMA: Final = "previs.webhook/1"

_TIMEOUT: Final = httpx.Timeout(30, connect=10, pool=None)
_LONGEST_REQUEST: Final = 30.0
_LONGEST_PAUSE: Final = 60.0
_CONNECTIONS: Final = 16
_ANSWERS: Final = BodyLimits(64 << 10, total=1.0)
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets of Standard Webhooks begin
# A receiver shows a signed message to whoever records it, and a shorter key can be found by trying.
_SHORTEST_KEY: Final = 16
_SET_HERE: Final = frozenset(
    {"content-length", "content-type", "transfer-encoding", "webhook-id", "webhook-signature", "webhook-timestamp"}
)
_PORTS: Final = range(1, 1 << 16)
_TEMPORARY: Final = frozenset({408, 425, 429})
_SERVER_ERRORS: Final = 500


@dataclass(frozen=True, slots=True)
class Message:
    """Hold an event for a receiver.

    Attributes:
        id: ID that is the same at every attempt, so that the receiver can recognise duplicates.
        event: Name of the event.
        at: Time of the event.
        payload: Payload of the event, with additions for webhooks; plain JSON.
    """

    id: str
    event: EventName
    at: datetime
    payload: Mapping[str, Any]

    def body(self) -> bytes:
        """Return the body of the request: JSON on one line."""
        content = {
            "schema": SCHEMA,
            "id": self.id,
            "type": self.event,
            "timestamp": self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "data": dict(self.payload),
        }
        try:
            return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            # Half of a surrogate pair, which UTF-8 can only hold escaped.
            return json.dumps(content, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Describe a receiver of messages.

    Attributes:
        url: URL from :func:`receiver_url`; never shown, since chat and automation services put a secret into it.
        key: Signing key from :func:`signing_key`; None leaves messages unsigned.
        headers: Headers from :func:`own_header`; never shown.
        events: Events to send.
    """

    url: str = field(repr=False)
    key: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    events: frozenset[EventName] = frozenset(EVENTS)

    @property
    def name(self) -> str:
        """Return scheme and host, for people."""
        url = httpx.URL(self.url)
        return f"{url.scheme}://{url.netloc.decode('ascii')}"


def receiver_url(text: str) -> str:
    """Check and return the URL of a receiver.

    Raises:
        ValueError: The URL cannot be used; the error does not show it.
    """
    try:
        url = httpx.URL(text.strip())
        usable = url.scheme in {"http", "https"} and bool(url.host) and (url.port is None or url.port in _PORTS)
    except (httpx.InvalidURL, ValueError):
        usable = False
    if not usable or re.search(r"\s", text.strip()):
        msg = "this is no URL of a receiver: write it like https://pipeline.studio.example/hooks/boards"
        raise ValueError(msg) from None
    if url.userinfo:
        msg = "the receiver's URL holds a user or a password: set the header Authorization instead"
        raise ValueError(msg)
    return str(url)


def signing_key(secret: str) -> bytes:
    """Return the key of a secret: ``whsec_`` with base64, as in Standard Webhooks, or any other text.

    Raises:
        ValueError: The secret holds no key, or one of less than 16 bytes; the error does not show it.
    """
    text = secret.strip()
    if not text.startswith(_SECRET_PREFIX):
        key = text.encode()
    else:
        encoded = text.removeprefix(_SECRET_PREFIX).rstrip("=")
        try:
            key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if not key:
        msg = f"the secret holds no key: give text, or {_SECRET_PREFIX} with base64 after it"
        raise ValueError(msg) from None
    if len(key) < _SHORTEST_KEY:
        msg = f"the secret's key has {len(key)} bytes: give at least {_SHORTEST_KEY}, better 32 random ones"
        raise ValueError(msg)
    return key


def own_header(name: str, value: str) -> tuple[str, str]:
    """Check and return an additional header for a receiver.

    Raises:
        ValueError: The header cannot be sent; the error does not show its value.
    """
    if name.lower() in _SET_HERE:
        msg = f"the header {name} is set by every message itself: leave it out"
        raise ValueError(msg)
    return header(name, value)


def signature(key: bytes, identity: str, seconds: int, body: bytes) -> str:
    """Return the header ``webhook-signature`` for a message sent at this time, in Unix seconds."""
    signed = hmac.digest(key, f"{identity}.{seconds}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


class WebhookClient:
    """Send messages to one receiver over shared connections; use with ``async with``."""

    def __init__(self, receiver: WebhookEndpoint) -> None:
        self.receiver = receiver
        self._filter = _WithoutUrl(receiver.url)
        self._paused_until = 0.0

    async def __aenter__(self) -> Self:
        if fault := proxy_fault():
            raise WebhookRefused(self.receiver.name, fault)
        secure = self.receiver.url.startswith("https:")
        self._client = httpx.AsyncClient(
            # Without encryption, an empty context saves httpx from loading the system's certificates.
            verify=ssl.create_default_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            headers={"User-Agent": "previs", **PLAIN, **self.receiver.headers},
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        )
        logging.getLogger("httpx").addFilter(self._filter)
        return self

    async def __aexit__(self, *_: object) -> None:
        logging.getLogger("httpx").removeFilter(self._filter)
        await self._client.aclose()

    async def send(self, message: Message) -> None:
        """Send a message once, after any pause that the receiver asked for.

        The receiver may have got the message even if this raises.

        Raises:
            WebhookUnavailable: The receiver did not accept it this time.
            WebhookRefused: The receiver will never accept it.
        """
        await asyncio.sleep(max(self._paused_until - time.monotonic(), 0))
        response = await self._answer(message)
        try:
            await _read_if_short(response)
        finally:
            await response.aclose()
        self._check(response)

    async def _answer(self, message: Message) -> httpx.Response:
        try:
            async with asyncio.timeout(_LONGEST_REQUEST):
                return await self._client.send(self._request(message), stream=True)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise WebhookUnavailable(self.receiver.name, "no answer in time") from error
        except httpx.LocalProtocolError:
            # The error's own text would show a header's value.
            raise WebhookRefused(self.receiver.name, "a header of its settings cannot be sent") from None
        except httpx.TransportError as error:
            raise WebhookUnavailable(self.receiver.name, _reason(error)) from error

    def _request(self, message: Message) -> httpx.Request:
        body, seconds = message.body(), int(time.time())
        headers = {"Content-Type": "application/json", "webhook-id": message.id, "webhook-timestamp": str(seconds)}
        if self.receiver.key is not None:
            headers["webhook-signature"] = signature(self.receiver.key, message.id, seconds, body)
        return self._client.build_request("POST", self.receiver.url, content=body, headers=headers)

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status in _TEMPORARY or status >= _SERVER_ERRORS:
            self._wait(f"HTTP {status}", response.headers.get("retry-after", ""))
        moved = ": set the webhook's block to the URL that it redirects to" if response.has_redirect_location else ""
        raise WebhookRefused(self.receiver.name, f"HTTP {status}{moved}")

    def _wait(self, answer: str, retry_after: str) -> NoReturn:
        pause = seconds_of(retry_after)
        if pause is not None:
            pause = min(pause, _LONGEST_PAUSE)
            self._paused_until = max(self._paused_until, time.monotonic() + pause)
        raise WebhookUnavailable(self.receiver.name, answer, pause)


class _WithoutUrl(logging.Filter):
    """Keep one URL out of a log: httpx logs every URL at level INFO."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def filter(self, record: logging.LogRecord) -> bool:
        return self._url not in record.getMessage()


async def _read_if_short(response: httpx.Response) -> None:
    """Read a short answer to its end, so that its connection can be used again."""
    with contextlib.suppress(httpx.TransportError, BodyTooLargeError, BodyTooSlowError, BodyDamagedError):
        async for _ in read_pieces(response, _ANSWERS):
            pass


def _reason(error: httpx.TransportError) -> str:
    # The error's own text may hold a part of the URL.
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return "its certificate is not trusted here, has expired, or is for another name"
    if cause is not None:
        return "TLS failed: does its URL really start with https://?"
    if isinstance(error, httpx.ConnectError):
        return "the connection was refused or not possible"
    return f"the connection broke off ({type(error).__name__})"
