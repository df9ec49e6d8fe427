"""Tell people how a run ended, by chat and mail; a service that is slow or down delays no board and fails no run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed

from blocks.notices import Notices
from blocks.saved import saved
from previs.errors import NoticesRefused, PrefectRefused, PrefectUnavailable, PrevisError, SourceNotFound
from previs.notifications.notices import Addresses, Notice, board_event, board_notice, failure_notice
from previs.notifications.services import Service
from previs.publishing.contact_picture import contact_picture
from previs.rendering.progress import emit
from previs.store.addresses import local_path
from tasks.part import this_part
from tasks.passing import as_is
from tasks.publish import Board
from tasks.retries import step
from tasks.starter import starter

_DEFAULT: Final = "default"
_LOST: Final = "its process was lost too often, and it does not start again: see the machine that runs the worker"
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})  # noqa: S104 - none is listened on


@step("notice", run_name="notice · {name}", retries=0)
async def send_notice(name: str, notice: Notice, service: Service) -> State[None]:  # noqa: ARG001 - names the run
    """Send a notice to a service, which apprise tries several times."""
    await service.send(notice)
    return Completed(message=notice.title)


@dataclass(slots=True)
class Notifier:
    """Send the one notice of a run.

    Attributes:
        settings: Block of the services; None if nobody is told.
        name: Name of the board, or of the list's file.
    """

    settings: Notices | None
    name: str
    _told: bool = field(default=False)

    async def board(self, board: Board) -> str:
        """Report a published board, and return a sentence on services that did not accept it; empty if all did."""
        settings, self._told = self.settings, True
        if settings is None or board_event(board.manifest) not in settings.events:
            return ""
        picture = await asyncio.to_thread(contact_picture, board.manifest) if settings.picture else None
        address = board.published.link if settings.signed_link else board.address
        addresses = Addresses(local_path(address), _run_page())
        return await self._send(board_notice(board.manifest, addresses, settings.language, picture))

    async def failed(self, error: Exception) -> None:
        """Report a run that ends without a board, unless a board was reported."""
        settings = self.settings
        if settings is None or self._told or "run.failed" not in settings.events:
            return
        # Of other errors, the text may hold anything.
        reason = str(error) if isinstance(error, PrevisError) else type(error).__name__
        await self._send(failure_notice(self.name, reason, Addresses(run=_run_page()), settings.language))

    async def lost(self, runs: int) -> None:
        """Report runs whose processes were lost so often that they do not start again."""
        settings = self.settings
        if settings is not None and runs and "run.failed" in settings.events:
            notice = failure_notice(self.name, _LOST, Addresses(run=_run_page()), settings.language)
            await self._send(notice)

    async def _send(self, notice: Notice) -> str:
        services = self.settings.services() if self.settings else []
        errors = [error for error in await asyncio.gather(*(_sent(notice, each) for each in services)) if error]
        for each in errors:
            get_run_logger().warning("%s", each)
            # The command prints no log.
            emit(each)
        return "".join(f"\n{each}" for each in errors)


def _run_page() -> str:
    """Return the URL of the run's page in Prefect; empty if only this machine could open it."""
    page = flow_run.ui_url or ""
    return "" if urlsplit(page).hostname in _THIS_MACHINE else page


async def _sent(notice: Notice, service: Service) -> str:
    """Send a notice, and return why a service did not accept it; empty if it did."""
    # Prefect's types say of a task that returns a state that its state holds a state; it is passed through.
    state: State[None] = await send_notice(service.name, as_is(notice), as_is(service), return_state=True)  # type: ignore[misc]
    if state.is_completed():
        return ""
    error = await state.aresult(raise_on_failure=False)
    return str(error) if isinstance(error, PrevisError) else f"the notice to {service.name}: {type(error).__name__}"


@contextlib.asynccontextmanager
async def open_notices(notices: Notices | None, name: str) -> AsyncIterator[Notifier]:
    """Yield what sends the notice of this run; if the context raises, people are told that there is no board.

    A run that was cancelled or is out of time tells nobody, and nor does a part: the run whose board it is does.

    Args:
        notices: Block of the services; None for the saved default, if it exists.
        name: Name of the board, or of the list's file.

    Raises:
        NoticesRefused: A sender wrote the services into the run's parameters: only the operator's are used.
    """
    if notices is not None and "notices" in (await starter()).of_senders:
        raise NoticesRefused("their settings are a sender's: save them as a block, and choose that block in the form")
    notifier = Notifier(None if this_part() else notices or await _default(), name)
    try:
        yield notifier
    except Exception as error:
        await notifier.failed(error)
        raise


async def _default() -> Notices | None:
    try:
        return await saved(Notices, _DEFAULT)
    except (PrefectUnavailable, PrefectRefused, SourceNotFound) as error:
        get_run_logger().warning("nobody gets a notice of this run: %s", error)
        return None
