"""Webhook: tell a system without Prefect what happens, beside the run, which neither waits for it nor fails by it."""

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
from previs.errors import PrefectRefused, PrefectUnavailable, PrevisError, SourceNotFound
from previs.notifications.webhook import EVENTS, Message, WebhookClient
from tasks.passing import as_is
from tasks.retries import step

LONGEST_END: Final = 90.0
"""Seconds that a run waits at its end for what is still on its way; six quick attempts take about a minute."""

_RETRIES: Final = 5
_PLACES: Final = 4
_CLEANING: Final = 3.0
_DEFAULT: Final = "default"


@step("webhook", run_name="webhook · {event}", retries=_RETRIES)
async def deliver(event: str, message: Message, courier: WebhookClient) -> State[None]:  # noqa: ARG001 - names the run
    """Bring a message to its receiver."""
    await courier.send(message)
    return Completed(message=f"taken by {courier.receiver.name} · {message.id}")


class _Outbox:
    """Messages of a run on their way to one receiver.

    Each event has places of its own, so that many failed shots keep no board waiting. A delivery that waits for another
    attempt holds its place: a receiver that is down is not asked by hundreds of messages at once.
    """

    def __init__(self, courier: WebhookClient) -> None:
        self.receiver = courier.receiver
        self._courier = courier
        self._loop = asyncio.get_running_loop()
        # Deliveries belong to the flow run, whichever task hands a message over.
        self._context = contextvars.copy_context()
        self._places = {event: asyncio.Semaphore(_PLACES) for event in EVENTS}
        self._deliveries: set[asyncio.Task[None]] = set()
        self._missing: dict[str, Message] = {}
        self._reason = ""
        self._closed = False

    def put(self, message: Message) -> None:
        """Begin to deliver it; from any thread."""
        if message.event in self.receiver.events and not self._closed:
            self._missing[message.id] = message
            self._loop.call_soon_threadsafe(self._begin, message)

    def _begin(self, message: Message) -> None:
        if self._closed:
            return
        delivery = self._loop.create_task(self._carry(message), context=self._context.copy())
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)

    async def _carry(self, message: Message) -> None:
        async with self._places[message.event]:
            # Prefect's types say of a task that returns a state that its state holds a state; it is handed through.
            state: State[None] = await deliver(  # type: ignore[misc]
                message.event, as_is(message), as_is(self._courier), return_state=True
            )
        if state.is_completed():
            del self._missing[message.id]
        else:
            error = await state.aresult(raise_on_failure=False)
            self._reason = str(error) if isinstance(error, PrevisError) else type(error).__name__

    async def close(self, seconds: float) -> None:
        """Wait so long for what is on its way, give up the rest, and tell what was not delivered."""
        try:
            # What was put a moment ago begins with the loop's next round.
            await asyncio.sleep(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while self._deliveries:
                        await asyncio.wait(self._deliveries)
        finally:
            self._closed = True
            given_up = list(self._deliveries)
            for delivery in given_up:
                delivery.cancel()
            self._tell()
            # Prefect's timeouts cancel every await of a clean-up again.
            with anyio.move_on_after(_CLEANING, shield=True):
                await asyncio.gather(*given_up, return_exceptions=True)

    def _tell(self) -> None:
        if self._missing:
            counts = Counter(message.event for message in self._missing.values())
            named = ", ".join(event if count == 1 else f"{count} × {event}" for event, count in counts.items())
            reason = self._reason or "there was no time for it"
            get_run_logger().warning("not delivered to %s: %s; %s", self.receiver.name, named, reason)


_outbox: contextvars.ContextVar[_Outbox | None] = contextvars.ContextVar("outbox", default=None)


@contextlib.asynccontextmanager
async def open_webhook(webhook: Webhook | None) -> AsyncIterator[None]:
    """Have :func:`hand_over` reach the receiver of this run; to be opened by a flow, before all else that it opens.

    At the end messages that are on their way get up to :data:`LONGEST_END` seconds; none if the run was cancelled.

    Args:
        webhook: none for the saved default, if there is one.
    """
    block = webhook or await _default()
    if block is None:
        yield
        return
    async with WebhookClient(block.receiver()) as courier:
        outbox, seconds = _Outbox(courier), LONGEST_END
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
        get_run_logger().warning("no webhook is told: %s", error)
        return None


def hand_over(message: Message) -> None:
    """Have a message delivered in the background; nothing happens where the run has no receiver that wants it.

    It may be called from any code, async or not, that runs within :func:`open_webhook` or was started there.
    """
    if outbox := _outbox.get():
        outbox.put(message)
