"""Report events to a webhook in the background; a receiver that is slow or down does not delay or fail the run."""

import asyncio
import contextlib
import contextvars
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import anyio
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from blocks.saved import saved
from blocks.webhook import Webhook
from previs.errors import PrefectRefused, PrefectUnavailable, PrevisError, SourceNotFound, WebhookRefused
from previs.notifications.webhook import EVENTS, Message, WebhookClient
from tasks.part import this_part
from tasks.passing import as_is
from tasks.retries import step
from tasks.starter import starter

LONGEST_END: Final = 90.0
"""Limit in seconds for deliveries that are unfinished when the run ends; six quick attempts take about a minute."""

_RETRIES: Final = 5
_SLOTS: Final = 4
_CLEAN_UP_SECONDS: Final = 3.0
_DEFAULT: Final = "default"


@step("webhook", run_name="webhook · {event}", retries=_RETRIES)
async def deliver(event: str, message: Message, client: WebhookClient) -> State[None]:  # noqa: ARG001 - names the run
    """Deliver a message to its receiver."""
    await client.send(message)
    return Completed(message=f"delivered to {client.receiver.name} · {message.id}")


class _Outbox:
    """Deliver the messages of a run to one receiver.

    Each event has its own slots, so many failed shots do not delay a board. A delivery keeps its slot until its last
    attempt, so a receiver that is down does not get hundreds of requests at once.
    """

    def __init__(self, client: WebhookClient) -> None:
        self.receiver = client.receiver
        self._client = client
        self._loop = asyncio.get_running_loop()
        # Deliveries belong to the flow run, whichever task enqueues a message.
        self._context = contextvars.copy_context()
        self._slots = {event: asyncio.Semaphore(_SLOTS) for event in EVENTS}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._undelivered: dict[str, Message] = {}
        self._reason = ""
        self._closed = False

    def put(self, message: Message) -> None:
        """Start to deliver a message; callable from any thread."""
        if message.event in self.receiver.events and not self._closed:
            self._undelivered[message.id] = message
            self._loop.call_soon_threadsafe(self._start, message)

    def _start(self, message: Message) -> None:
        if self._closed:
            return
        delivery = self._loop.create_task(self._deliver(message), context=self._context.copy())
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def _deliver(self, message: Message) -> None:
        async with self._slots[message.event]:
            # Prefect's types say of a task that returns a state that its state holds a state; it is passed through.
            state: State[None] = await deliver(  # type: ignore[misc]
                message.event, as_is(message), as_is(self._client), return_state=True
            )
        if state.is_completed():
            del self._undelivered[message.id]
        else:
            error = await state.aresult(raise_on_failure=False)
            self._reason = str(error) if isinstance(error, PrevisError) else type(error).__name__

    async def close(self, seconds: float) -> None:
        """Wait up to ``seconds`` for unfinished deliveries, cancel the rest, and log what was not delivered."""
        try:
            # A message put a moment ago starts with the loop's next iteration.
            await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while self._deliveries:
                        await asyncio.wait(self._deliveries)
        finally:
            self._closed = True
            cancelled = list(self._deliveries)
            for delivery in cancelled:
                delivery.cancel()
            self._log_undelivered()
            # Prefect's timeouts cancel again at every await of the clean-up.
            with anyio.move_on_after(_CLEAN_UP_SECONDS, shield=True):
                await asyncio.gather(*cancelled, return_exceptions=True)

    def _log_undelivered(self) -> None:
        if self._undelivered:
            counts = Counter(message.event for message in self._undelivered.values())
            named = ", ".join(event if count == 1 else f"{count} × {event}" for event, count in counts.items())
            reason = self._reason or "there was no time for it"
            get_run_logger().warning("not delivered to %s: %s; %s", self.receiver.name, named, reason)


_outbox: contextvars.ContextVar[_Outbox | None] = contextvars.ContextVar("outbox", default=None)


@contextlib.asynccontextmanager
async def open_webhook(webhook: Webhook | None) -> AsyncIterator[None]:
    """Connect :func:`enqueue` to the receiver of this run; a flow opens it before everything else.

    At the end, unfinished deliveries get up to :data:`LONGEST_END` seconds, or none if the run was cancelled. A part
    has no receiver, because the run whose board it is has one.

    Args:
        webhook: Block of the receiver; None for the saved default, if it exists.

    Raises:
        WebhookRefused: A sender wrote the receiver into the run's parameters: only the operator's are posted to.
    """
    if webhook is not None and "webhook" in (await starter()).of_senders:
        raise WebhookRefused(webhook.receiver().name, "save it as a block, and choose that block in the run's form")
    block = None if this_part() else webhook or await _default()
    if block is None:
        yield
        return
    async with WebhookClient(block.receiver()) as client:
        outbox, seconds = _Outbox(client), LONGEST_END
        token = _outbox.set(outbox)
        try:
            yield
        except asyncio.CancelledError:
            seconds = 0
            raise
        finally:
            _outbox.reset(token)
            await outbox.close(seconds)


async def _default() -> Webhook | None:
    try:
        return await saved(Webhook, _DEFAULT)
    except (PrefectUnavailable, PrefectRefused, SourceNotFound) as error:
        get_run_logger().warning("no webhook gets this run's events: %s", error)
        return None


def enqueue(message: Message) -> None:
    """Deliver a message in the background, if the run has a receiver that wants it.

    Call it from any code, async or not, that runs within :func:`open_webhook` or was started there.
    """
    if outbox := _outbox.get():
        outbox.put(message)
