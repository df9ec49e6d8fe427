"""Send what a run does or waits for as events: without them, a waiting run's feed would show heartbeats alone."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, Final

from prefect.events import emit_event
from prefect.runtime import flow_run

from previs.notifications.events import RunStatus, StatusEvent
from previs.publishing.views import status_line
from previs.publishing.views.wording import one_line, shorten
from previs.rendering.progress import RunProgress

EVERY: Final = 300.0
_HELD: Final = 15.0
_LOOK_EVERY: Final = 5.0
_LONGEST: Final = 400


def send_status(name: str, event: StatusEvent, status: str) -> None:
    """Send what a run does or waits for; the resource is named after it, because Prefect's V2 pages show that name."""
    resource = {
        "prefect.resource.id": f"previs.run.{flow_run.id}",
        "prefect.resource.name": shorten(one_line(f"{name}: {status}"), _LONGEST),
    }
    payload = RunStatus(name=name, status=shorten(status, _LONGEST))
    emit_event(event, resource=resource, payload=payload.model_dump(mode="json", by_alias=True))


class StatusFeed:
    """Decide when a status is sent: every five minutes, and once the run has begun or ceased to wait for 15 s.

    Args:
        send: Sends a status.
        clock: Returns the time in seconds.
    """

    def __init__(self, send: Callable[[StatusEvent, str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._waits = self._sent_waits = False
        self._since = self._sent = clock()

    def note(self, status: str, *, waits: bool) -> None:
        """Take what the run does now; ``waits`` says that it waits and does nothing."""
        now = self._clock()
        if waits is not self._waits:
            self._waits, self._since = waits, now
        changed = waits is not self._sent_waits and now - self._since >= _HELD
        if changed or now - self._sent >= EVERY:
            self._sent_waits, self._sent = waits, now
            self._send("run.waiting" if waits else "run.working", status)


@contextlib.asynccontextmanager
async def sending_status(name: str, event: StatusEvent, status: Callable[[], str]) -> AsyncIterator[None]:
    """Send a status at once and every five minutes, until the context ends."""

    async def keep_sending() -> None:
        while True:
            send_status(name, event, status())
            await asyncio.sleep(EVERY)

    async with _meanwhile(keep_sending()):
        yield


@contextlib.asynccontextmanager
async def sending_progress(name: str, progress: RunProgress) -> AsyncIterator[None]:
    """Send what the run does as its feed decides, until the context ends."""

    async def keep_noting() -> None:
        feed = StatusFeed(partial(send_status, name))
        while True:
            now = progress.snapshot()
            feed.note(status_line(now), waits=now.waits)
            await asyncio.sleep(_LOOK_EVERY)

    async with _meanwhile(keep_noting()):
        yield


@contextlib.asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    sending = asyncio.create_task(work)
    try:
        yield
    finally:
        sending.cancel()
