"""The farm: all servers, and which of them takes the next prompt."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self

from previs.comfyui.address import Address
from previs.comfyui.server import Server
from previs.errors import AccessDenied, NoServer, ServerTrouble, ServerUnreachable

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_FIRST_LOOK = 10.0


@dataclass(eq=False, slots=True)
class Place:
    """Room for one prompt on a server; held from before it is submitted until it has ended."""

    farm: "Farm"
    server: Server
    held: bool = True

    def release(self) -> None:
        """Let the next one in; a second call does nothing."""
        if self.held:
            self.held = False
            self.farm._leave(self.server)  # noqa: SLF001 - a place is a part of its farm


@dataclass(eq=False, slots=True)
class _Waiter:
    checkpoint: str | None
    avoid: frozenset[str]
    future: asyncio.Future[Place]


class Farm:
    """Servers with two places each: one prompt runs, one waits, so that a server never idles between them.

    The next prompt goes to the free server that is least loaded and, of equals, to the one that last used the same
    checkpoint. A server that cannot be reached is set aside and looked at again.

    Attributes:
        problems: what a run should report: servers that were set aside, with the reason.
    """

    def __init__(
        self,
        addresses: Iterable[Address],
        *,
        places: int = 2,
        patience: float = 600,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """A farm of at least one server.

        Args:
            addresses: of the servers.
            places: prompts that each holds at a time.
            patience: seconds to wait while no server at all can be reached.
            say: is told, in a sentence, what a person should know.
        """
        self.servers = tuple(Server(address) for address in addresses)
        self.problems: list[str] = []
        self._places = places
        self._patience = patience
        self._say = say
        self._held = dict.fromkeys(self.servers, 0)
        self._last_checkpoint: dict[Server, str | None] = {}
        self._refused: dict[Server, set[str | None]] = {server: set() for server in self.servers}
        self._denied: dict[Server, AccessDenied] = {}
        self._waiters: list[_Waiter] = []
        self._none_up_since: float | None = time.monotonic()
        self._not_looked_at = set(self.servers)
        self._look_until = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opened:
            for server in self.servers:
                await opened.enter_async_context(server)
            self._opened = opened.pop_all()
        self._none_up_since = time.monotonic()
        self._look_until = self._none_up_since + _FIRST_LOOK
        self._tasks = [asyncio.create_task(self._mind(server)) for server in self.servers]
        self._tasks.append(asyncio.create_task(self._lose_patience()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._opened.aclose()

    @property
    def up(self) -> tuple[Server, ...]:
        """Servers that can be reached."""
        return tuple(server for server in self.servers if server.up)

    async def place(self, *, checkpoint: str | None = None, avoid: frozenset[str] = frozenset()) -> Place:
        """Wait for a place, first come first served.

        Args:
            checkpoint: that the graph loads first.
            avoid: names of servers to take only if no other is up.

        Raises:
            NoServer: none was reachable for the time allowed.
            AccessDenied: every server is there and lets nobody in.
        """
        waiter = _Waiter(checkpoint, avoid, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._seat()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.future.result().release()
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def refused(self, server: Server, checkpoint: str | None) -> None:
        """A server refused a graph that loads this: others get such graphs from now on, if there are any."""
        self._refused[server].add(checkpoint)

    def _leave(self, server: Server) -> None:
        self._held[server] -= 1
        self._seat()

    def _seat(self) -> None:
        """Give free places to those that wait, in their order; to nobody before every server was looked at once.

        What an earlier run left in work on one server would else be rendered again on another, found up first.
        """
        if self._not_looked_at and time.monotonic() < self._look_until:
            return
        for waiter in tuple(self._waiters):
            if waiter.future.done():
                continue
            if server := self._choose(waiter):
                self._waiters.remove(waiter)
                self._held[server] += 1
                self._last_checkpoint[server] = waiter.checkpoint
                waiter.future.set_result(Place(self, server))

    def _choose(self, waiter: _Waiter) -> Server | None:
        others = [server for server in self.up if server.name not in waiter.avoid] or list(self.up)
        willing = [server for server in others if waiter.checkpoint not in self._refused[server]]
        free = [server for server in willing or others if self._held[server] < self._places]
        return min(free, key=lambda server: self._burden(server, waiter.checkpoint), default=None)

    def _burden(self, server: Server, checkpoint: str | None) -> tuple[int, bool]:
        # Other people's prompts count: the server tells everybody how many there are.
        load = max(self._held[server], server.queue_remaining)
        return load, self._last_checkpoint.get(server) != checkpoint

    async def _mind(self, server: Server) -> None:
        """Look at a server again and again: quickly when it went away, calmly while all is well."""
        pause, reported = _FIRST_PAUSE, False
        while True:
            try:
                await server.probe()
            except (ServerUnreachable, ServerTrouble, AccessDenied) as error:
                self._denied.pop(server, None)
                if isinstance(error, AccessDenied):
                    self._denied[server] = error
                if not reported:
                    self._set_aside(error)
                    reported = True
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                if reported:
                    self._say(f"{server.name} is back")
                self._denied.pop(server, None)
                pause, reported = _LONGEST_PAUSE, False
                self._none_up_since = None
                self._seat()
            if server in self._not_looked_at:
                self._not_looked_at.discard(server)
                self._seat()
            if not self.up and self._none_up_since is None:
                self._none_up_since = time.monotonic()
            await asyncio.sleep(pause)

    def _set_aside(self, error: Exception) -> None:
        self.problems.append(f"{error}; it was set aside")
        self._say(f"{error}; it is set aside and looked at again")

    async def _lose_patience(self) -> None:
        """Tell those that wait for a place when there is no server at all, and after a time let them go."""
        told = False
        while True:
            await asyncio.sleep(min(1.0, self._patience))
            self._seat()
            if self.up or self._none_up_since is None:
                told = False
                continue
            if not told:
                names = ", ".join(server.name for server in self.servers)
                self._say(f"no server can be reached ({names}): waiting up to {self._patience:g} s for one")
                told = True
            if len(self._denied) == len(self.servers):
                self._dismiss(next(iter(self._denied.values())))
            elif time.monotonic() - self._none_up_since >= self._patience:
                self._dismiss(NoServer(tuple(server.name for server in self.servers), self._patience))

    def _dismiss(self, error: NoServer | AccessDenied) -> None:
        waiting, self._waiters = self._waiters, []
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_exception(error)
