"""Send notices by apprise to chat services and mail.

The URL of a service is a secret: it holds its token. apprise reports failures in its log alone, with parts of URLs; so
its records are caught, and what is shown of them holds no part of the URL.
"""

import asyncio
import contextlib
import contextvars
import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Final
from urllib.parse import unquote

import apprise
from apprise.attachment.memory import AttachMemory
from apprise.manager_plugins import NotificationManager

from previs.errors import NoticeNotSent, NoticesRefused
from previs.notifications.notices import Notice
from previs.publishing.views.wording import shorten
from previs.text.visible import shortened, visible

LONGEST_NOTICE: Final = 90.0
"""Seconds that one service may take for a notice, with all attempts."""

PICTURE_NAME: Final = "board.jpg"
_RETRIES, _PAUSE = 2, 4.0
_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.\-]{0,30}):")
_TOKEN: Final = re.compile(r"[\w\-]{3,}")
_TITLE: Final = 250
_TEAMS: Final = frozenset({"workflow", "workflows", "msteams"})
_HIDDEN: Final = "***"
_LONGEST_REASON: Final = 300
# urllib3 logs paths of URLs.
_LOGGERS: Final = ("apprise", "urllib3.connectionpool", "urllib3.util.retry", "requests_oauthlib.oauth1_auth")


@dataclass(frozen=True, slots=True)
class Service:
    """Send notices to one service.

    Attributes:
        name: Name of the service, such as ``Slack``, with its scheme.
        takes_pictures: Whether it takes files.
    """

    name: str
    takes_pictures: bool
    _url: str = field(repr=False)
    _plugin: apprise.NotifyBase = field(repr=False)

    @property
    def _longest(self) -> int:
        """Return how many characters of a body the service takes; some put the title before it."""
        return max(self._plugin.body_maxlen - (0 if self._plugin.title_maxlen else _TITLE), 1)

    @property
    def _is_teams(self) -> bool:
        """Return whether the service is Teams, whose cards begin a line only after an empty one."""
        protocols = self._plugin.secure_protocol
        return not _TEAMS.isdisjoint({protocols} if isinstance(protocols, str) else set(protocols or ()))

    async def send(self, notice: Notice, *, seconds: float = LONGEST_NOTICE) -> None:
        """Send a notice; apprise tries three times, unless the URL says otherwise (``?retry=``, ``?wait=``).

        The service may have got the notice even if this raises. A thread that is still at work then ends with the
        process.

        Raises:
            NoticeNotSent: The service did not accept it in time.
        """
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[str] = loop.create_future()

        def work() -> None:
            reason = self._send(notice)
            # The loop may have closed, if the run did not wait.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, sent, reason)

        threading.Thread(target=work, name="notice", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                reason = await sent
        except TimeoutError as error:
            raise NoticeNotSent(self.name, f"it did not accept the notice within {seconds:g} s") from error
        if reason:
            raise NoticeNotSent(self.name, reason)

    def _send(self, notice: Notice) -> str:
        """Return why the service did not accept a notice; empty if it did."""
        picture = notice.picture if self.takes_pictures else None
        memory: Any = AttachMemory  # it has no types
        attached = [memory(content=picture, name=PICTURE_NAME, mimetype="image/jpeg")] if picture else None
        body_format, title, body = self._written(notice)
        with _caught() as records:
            try:
                client = apprise.Apprise(asset=self._plugin.asset)
                client.add(self._plugin)
                accepted = client.notify(
                    body,
                    title,
                    notify_type=notice.level,
                    body_format=body_format,
                    attach=attached,
                )
            except Exception as error:  # noqa: BLE001 - a plugin of any service, whose own errors may show its URL
                return f"apprise failed ({type(error).__name__})"
        return "" if accepted else _reason(records, self._url)

    def _written(self, notice: Notice) -> tuple[apprise.NotifyFormat, str, str]:
        """Return format, title and body of a notice as the service takes them."""
        short = replace(notice, body=shorten(notice.body, self._longest))
        if self._plugin.notify_format != apprise.NotifyFormat.HTML:
            body = short.body.replace("\n", "\n\n") if self._is_teams else short.body
            return apprise.NotifyFormat.TEXT, short.title, body
        # A title of its own is a subject, and plain.
        title = short.title if self._plugin.title_maxlen else escape(short.title)
        return apprise.NotifyFormat.HTML, title, short.html


def service(url: str) -> Service:
    """Return the service of an apprise URL.

    Raises:
        NoticesRefused: apprise does not know the URL, or a part of it is wrong. The error shows its scheme alone.
    """
    given = url.strip()
    found = _SCHEME.match(given)
    scheme = f"{found[1].lower()}://" if found else ""
    asset = apprise.AppriseAsset(
        app_id="previs",
        app_desc="previs",
        app_url="",
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        default_service_retry=_RETRIES,
        default_service_wait=_PAUSE,
        async_mode=False,
    )
    with _caught():
        plugin = apprise.Apprise.instantiate(given, asset=asset) if scheme else None
    if not plugin:
        known = scheme.removesuffix("://") in NotificationManager()  # type: ignore[no-untyped-call]
        remedy = "a part of it is missing or wrong" if known else "apprise knows no such service"
        what = f"the URL that begins with {scheme}" if scheme else "a URL without a scheme"
        raise NoticesRefused(f"{what}: {remedy}; see https://appriseit.com/services for how to write it")
    return Service(f"{plugin.service_name} ({scheme})", bool(plugin.attachment_support), given, plugin)


def redacted(text: str, url: str) -> str:
    """Return a text without any part of a URL but its scheme."""
    rest = url.partition(":")[2]
    parts = {*_TOKEN.findall(rest), *_TOKEN.findall(unquote(rest)), *re.findall(r"[^/?&=:@\s]{3,}", unquote(rest))}
    for part in sorted(parts, key=len, reverse=True):
        text = re.sub(re.escape(part), _HIDDEN, text, flags=re.IGNORECASE)
    return text


_catching: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("catching", default=None)


class _Catch(logging.Filter):
    """Keep records out of every log while this thread sends, and hold those that warn."""

    def filter(self, record: logging.LogRecord) -> bool:
        held = _catching.get()
        if held is None:
            return True
        if record.levelno >= logging.WARNING:
            held.append(record.getMessage())
        return False


_CATCH: Final = _Catch()


@contextlib.contextmanager
def _caught() -> Iterator[list[str]]:
    """Yield what apprise warns of in this context; nothing of it is logged."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_CATCH)
    held: list[str] = []
    token = _catching.set(held)
    try:
        yield held
    finally:
        _catching.reset(token)


def _reason(records: list[str], url: str) -> str:
    if not records:
        return "it did not accept the notice"
    return shortened(visible(redacted(" ".join(records[-1].split()), url)), _LONGEST_REASON)


def _settle(sent: "asyncio.Future[str]", reason: str) -> None:
    if not sent.done():
        sent.set_result(reason)
