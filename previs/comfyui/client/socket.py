"""Keep one WebSocket to a server open, and reopen it with backoff whenever it closes."""

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Callable
from typing import Any, Self

from httpx import TransportError
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI, WebSocketException

from previs.comfyui.client.address import Address
from previs.comfyui.client.checked_transport import NOT_ALLOWED, AddressRefused, Policy
from previs.comfyui.client.proxies import proxy_of
from previs.comfyui.client.tls import explain_tls_failure
from previs.comfyui.protocol.frames import Frame, read_frame

# At DEBUG level websockets logs headers, and with them tokens.
_LOGGER = logging.getLogger(f"{__name__}.websockets")
_LOGGER.setLevel(logging.INFO)
_OPEN_TIMEOUT = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_LARGEST_FRAME = 64 << 20
_FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
# A server that loads a model may not answer a ping for tens of seconds.
_PING_EVERY, _PING_TIMEOUT = 20, 60


class _DirectConnection(connect):
    """Connect without following redirects, which would take secret headers to another address."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Socket:
    """Receive the frames of all prompts submitted with this ``client_id`` while the socket is open.

    Servers do not resend frames missed while it was closed, so ``on_open`` is called each time it opens. A second
    socket with the same ``client_id`` would replace this one, so each instance generates its own.

    Attributes:
        reason: Why the last attempt to open it failed.
    """

    def __init__(self, address: Address, *, on_frame: Callable[[Frame], None], on_open: Callable[[], None]) -> None:
        self.client_id = uuid.uuid4().hex
        self.reason = ""
        self._address = address
        self._url = f"{address.socket_url}?clientId={self.client_id}"
        self._headers = dict(address.headers)
        self._tls = address.tls_context
        self._proxy = proxy_of(address.socket_url)
        self._on_frame = on_frame
        self._on_open = on_open
        self._opened = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_open())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def opened(self, timeout: float) -> bool:  # noqa: ASYNC109 - returns a result instead of raising
        """Wait at most ``timeout`` seconds until the socket is open, and return whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._opened.wait()
        return self._opened.is_set()

    async def _keep_open(self) -> None:
        pause, attempt = _FIRST_PAUSE, 0
        while True:
            try:
                async with _DirectConnection(
                    self._url,
                    **await self._checked_host(attempt),
                    additional_headers=self._headers,
                    ssl=self._tls,
                    proxy=self._proxy.url if self._proxy else None,
                    logger=_LOGGER,
                    open_timeout=_OPEN_TIMEOUT,
                    ping_interval=_PING_EVERY,
                    ping_timeout=_PING_TIMEOUT,
                    close_timeout=1,
                    max_size=_LARGEST_FRAME,
                ) as socket:
                    # With metadata a preview names its prompt, and so shows that it runs.
                    await socket.send(_FLAGS)
                    self._open()
                    async for message in socket:
                        pause, attempt = _FIRST_PAUSE, 0
                        self._on_frame(read_frame(message))
            except (OSError, TimeoutError, InvalidHandshake, InvalidURI, WebSocketException, TransportError) as error:
                self.reason = _reason(error)
            finally:
                self._opened.clear()
            await asyncio.sleep(pause)
            pause, attempt = min(pause * 2, _LONGEST_PAUSE), attempt + 1

    async def _checked_host(self, attempt: int) -> dict[str, Any]:
        """Return the host to connect to, if a sender named the server: the next of its addresses, all of them checked.

        Raises:
            httpx.TransportError: An address is not allowed, or there is none.
        """
        policy: Policy | None = self._address.policy
        addresses = [] if policy is None else await self._address.checked(policy)
        return {"host": str(addresses[attempt % len(addresses)])} if addresses else {}

    def _open(self) -> None:
        self._opened.set()
        self._on_open()


def _reason(error: Exception) -> str:
    # The text of a library's error may hold a header's value.
    if isinstance(error, InvalidStatus):
        return f"its socket was refused with HTTP {error.response.status_code}"
    if isinstance(error, AddressRefused):
        return NOT_ALLOWED
    if isinstance(error, OSError | TransportError):
        return explain_tls_failure(error) or "no connection"
    return f"its socket failed ({type(error).__name__})"
