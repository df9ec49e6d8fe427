"""Log what happened on a simulated server: its journal, and what its clients were answered about ends and files."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from previs.simulator import Simulator

_ID_LENGTH = 36
_OK, _NOT_FOUND = 200, 404


class LoggedEvent(NamedTuple):
    """Represent an event on a server.

    Attributes:
        seconds: Time on the monotonic clock, which all processes of a machine share.
        kind: A kind of the simulator's journal; or ``absent``: the history had no entry that a client asked for; or
            ``damaged``: a client got something else than the whole file of the prompt.
        prompt_id: Id of the prompt.
        outcome: Outcome of an ``ended`` prompt.
    """

    seconds: float
    kind: str
    prompt_id: str
    outcome: str | None = None


class EventLog:
    """Log a simulator's answers to requests for histories and files, as ASGI middleware.

    Args:
        app: Application of the simulator.
        simulator: The simulator.
        answers: List to add events to.
    """

    def __init__(self, app: ASGIApp, simulator: Simulator, answers: list[LoggedEvent]) -> None:
        self.app = app
        self.simulator = simulator
        self.answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and examine the answer."""
        path = scope.get("path", "").removeprefix("/api")
        if path == "/view":
            await self._view(scope, receive, send)
        elif path.startswith("/history/"):
            await self._history(path.removeprefix("/history/"), scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _view(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        name, folder = query["filename"], query.get("type", "output")
        stored = self.simulator.disk.read(folder, f"{query['subfolder']}/{name}" if query.get("subfolder") else name)
        answer = _Answer(send)
        await self.app(scope, receive, answer.send)
        whole = stored is not None and bytes(answer.body) == stored.content
        if answer.status == _NOT_FOUND or (answer.status == _OK and not whole):
            self._add("damaged", name[:_ID_LENGTH])

    async def _history(self, prompt_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        await self.app(scope, receive, answer.send)
        if answer.status == _OK and bytes(answer.body) == b"{}":
            running = self.simulator.queue.running
            if running is None or running.prompt_id != prompt_id:
                self._add("absent", prompt_id)

    def _add(self, kind: str, prompt_id: str) -> None:
        self.answers.append(LoggedEvent(asyncio.get_running_loop().time(), kind, prompt_id))


class _Answer:
    """Copy an answer while it is sent."""

    def __init__(self, send: Send) -> None:
        self.status = 0
        self.body = bytearray()
        self._send = send

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        await self._send(message)


def events_of(simulator: Simulator, answers: Iterable[LoggedEvent]) -> list[LoggedEvent]:
    """Return a server's journal and logged answers in order of time."""
    journal = [LoggedEvent(event.seconds, event.kind, event.prompt_id, event.outcome) for event in simulator.journal]
    return sorted([*journal, *answers], key=lambda event: event.seconds)
