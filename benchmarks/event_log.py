"""What happened on a simulated server: its journal, and beside it what its clients were told of ends and files."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from previs.simulator import Simulator

_ID_LENGTH = 36
_OK, _NOT_FOUND = 200, 404


class Happening(NamedTuple):
    """Something that happened on a server.

    Attributes:
        seconds: on the monotonic clock, which processes of one machine share.
        kind: one of the journal's; or ``absent``, a client asked for the history of a prompt and was told that there
            is none; or ``damaged``, a client was sent something else than the whole file that the prompt made.
        outcome: of an ``ended`` one.
    """

    seconds: float
    kind: str
    prompt_id: str
    outcome: str | None = None


class Witness:
    """Sees what a simulator answers to questions for histories and files.

    Args:
        app: that answers.
        simulator: whose app it is.
        seen: is added to.
    """

    def __init__(self, app: ASGIApp, simulator: Simulator, seen: list[Happening]) -> None:
        self.app = app
        self.simulator = simulator
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, and look at the answer."""
        path = scope.get("path", "").removeprefix("/api")
        if path == "/view":
            await self._view(scope, receive, send)
        elif path.startswith("/history/"):
            await self._history(path.removeprefix("/history/"), scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _view(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        name, folder = asked["filename"], asked.get("type", "output")
        stored = self.simulator.disk.read(folder, f"{asked['subfolder']}/{name}" if asked.get("subfolder") else name)
        answer = _Answer(send)
        await self.app(scope, receive, answer.send)
        whole = stored is not None and bytes(answer.body) == stored.content
        if answer.status == _NOT_FOUND or (answer.status == _OK and not whole):
            self._note("damaged", name[:_ID_LENGTH])

    async def _history(self, prompt_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        await self.app(scope, receive, answer.send)
        if answer.status == _OK and bytes(answer.body) == b"{}":
            running = self.simulator.queue.running
            if running is None or running.prompt_id != prompt_id:
                self._note("absent", prompt_id)

    def _note(self, kind: str, prompt_id: str) -> None:
        self.seen.append(Happening(asyncio.get_running_loop().time(), kind, prompt_id))


class _Answer:
    """What is sent, kept on its way."""

    def __init__(self, send: Send) -> None:
        self.status = 0
        self.body = bytearray()
        self._send = send

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")
        await self._send(message)


def account_of(simulator: Simulator, seen: Iterable[Happening]) -> list[Happening]:
    """All that happened on a server, in its order."""
    told = [Happening(event.seconds, event.kind, event.prompt_id, event.outcome) for event in simulator.journal]
    return sorted([*told, *seen], key=lambda happening: happening.seconds)
