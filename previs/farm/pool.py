"""The farm: all servers, and which of them takes the next prompt."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.hashes import told_by
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.models import ModelFile
from previs.errors import AccessDenied, NoServer, ServerUnavailable, ServerUnreachable
from previs.farm.capabilities import Capabilities
from previs.farm.circuit_breaker import FarmChange
from previs.farm.placement import PlacementRequest, ServerState, Slot, choose, slot_to_move

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_FIRST_LOOK = 10.0
_MOVE_TAKES = 5.0
_HASHES_LOOK, _HASHES_ASK = 1.0, 1.0


@dataclass(eq=False, slots=True)
class _Waiter:
    request: PlacementRequest
    future: asyncio.Future[Slot]


class Farm:
    """Servers with two places each: one prompt runs, one waits, so that a server never idles between them.

    The next prompt goes to the free server that is least loaded and, of equals, to the one that last used the same
    checkpoint; never to one that is known to lack what it needs, if another has it. What still waits on one server is
    moved to another that has nothing to do. A server that cannot be reached, or that fails one take after the other,
    is set aside, looked at again and comes back by itself.

    Attributes:
        problems: what a run should report: servers that were set aside, with the reason, and what they lack.
        capabilities: what the servers have of node classes and models.
    """

    def __init__(
        self,
        addresses: Iterable[Address],
        *,
        slots: int = 2,
        patience: float = 600,
        say: Callable[[str], None] = lambda _: None,
        on_change: Callable[[FarmChange], None] = lambda _: None,
    ) -> None:
        """A farm of at least one server.

        Args:
            addresses: of the servers.
            slots: prompts that each holds at a time.
            patience: seconds to wait while no server at all can be reached.
            say: is told, in a sentence, what a person should know.
            on_change: is told that a server is no longer fit to render, or is again.
        """
        self.servers = tuple(Server(address) for address in addresses)
        self.problems: list[str] = []
        self._slots = slots
        self._patience = patience
        self._say = say
        self._on_change = on_change
        self._members = {server: ServerState(server) for server in self.servers}
        self.capabilities = Capabilities(self.servers, tell=self._report)
        self._waiters: list[_Waiter] = []
        self._none_up_since: float | None = time.monotonic()
        self._look_until = 0.0
        self._all_looked_at = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as opened:
            for server in self.servers:
                await opened.enter_async_context(server)
            self._opened = opened.pop_all()
        self._none_up_since = time.monotonic()
        self._look_until = self._none_up_since + _FIRST_LOOK
        self._tasks = {asyncio.create_task(self._health_loop(member)) for member in self._members.values()}
        self._tasks.add(asyncio.create_task(self._outage_watchdog()))
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

    @property
    def held(self) -> int:
        """Places that are taken."""
        return sum(len(member.slots) for member in self._members.values())

    async def classes(self, names: Collection[str], *, needed: bool) -> dict[str, Mapping[str, NodeClass | None]]:
        """What servers tell of node classes, by the names of those servers that could be asked.

        Args:
            names: of the classes.
            needed: wait for a server that can be asked, as for a place; else those that are there now are enough.

        Raises:
            NoServer, AccessDenied: as :meth:`slot`, where an answer is needed.
        """
        if needed:
            (await self.slot()).release()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._first_look_left()):
                    await self._all_looked_at.wait()
        return await self.capabilities.classes(names)

    async def model_hashes(self, files: Collection[ModelFile]) -> dict[str, dict[str, str]]:
        """What servers that are up tell of the content of model files; takes 2 s at most, and raises nothing of theirs.

        What a server told is not asked for again until it was away; what it did not tell in time is asked for next
        time.

        Args:
            files: of graphs; see :func:`previs.comfyui.protocol.models.model_files`.

        Returns:
            Hashes by the text of the file (``loras/rain.safetensors``) and the name of the server. A server that
            tells none is left out, and so is a file of which nobody tells any.
        """
        if files and not self._all_looked_at.is_set():
            await _for_a_while(self._all_looked_at.wait(), _HASHES_LOOK)
        up = self.up
        await _for_a_while(asyncio.gather(*(server.hashes.learn(files) for server in up)), _HASHES_ASK)
        return told_by({server.name: server.hashes for server in up}, files)

    async def slot(self, request: PlacementRequest | None = None) -> Slot:
        """Wait for a place: first come first served, but those whose attempt went wrong come before all others.

        Raises:
            NoServer: none was reachable for the time allowed.
            AccessDenied: every server is there and lets nobody in.
        """
        waiter = _Waiter(request or PlacementRequest(), asyncio.get_running_loop().create_future())
        before = sum(other.request.again for other in self._waiters) if waiter.request.again else len(self._waiters)
        self._waiters.insert(before, waiter)
        self._dispatch()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.future.result().release()
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def others(self, request: PlacementRequest) -> tuple[Server, ...]:
        """Servers that could be tried beside those that the wish avoids."""
        return tuple(
            member.server
            for member in self._members.values()
            if (member.usable or member.soon_half_open)
            and member.server.name not in request.avoid
            and not member.server.catalog.lacks(request.requirements)
        )

    def succeeded(self, server: Server) -> None:
        """A take was rendered there."""
        if self._members[server].breaker.record_success():
            self._change(server, f"{server.name} renders again", fit=True)
            self._dispatch()

    def failed(self, server: Server, take: str, reason: str) -> None:
        """A take failed there, perhaps by the server's fault; the last server that is fit is never set aside."""
        breaker = self._members[server].breaker
        breaker.record_failure(take, reason)
        fit = [member for member in self._members.values() if member.usable and member.server is not server]
        if breaker.should_trip and fit:
            pause = breaker.trip(time.monotonic())
            takes = ", ".join(breaker.failed)
            told = f"{server.name} failed {takes} in a row, the last one so: {reason}"
            self.problems.append(f"{told}; it was set aside")
            self._change(server, f"{told}; it is set aside and tried again in {pause:g} s", fit=False)

    def absolve(self, take: str) -> None:
        """A take failed in the same way on two servers: neither is to blame."""
        for member in self._members.values():
            if member.breaker.absolve(take):
                named = f"{member.server.name} failed"
                self.problems = [problem for problem in self.problems if not problem.startswith(named)]
                self._change(member.server, f"{member.server.name} is not to blame, and renders on", fit=True)
        self._dispatch()

    def _leave(self, slot: Slot) -> None:
        self._members[slot.server].slots.remove(slot)
        # Whoever leaves may have something to say of the server first.
        asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Give free places to those that wait, in their order; to nobody before every server was looked at once.

        What an earlier run left in work on one server would else be rendered again on another, found up first.
        """
        if not self._all_looked_at.is_set() and self._first_look_left() > 0:
            return
        for waiter in tuple(self._waiters):
            if waiter.future.done():
                continue
            if not any(member.usable and member.room(self._slots) > 0 for member in self._members.values()):
                break
            if member := choose(self._members.values(), waiter.request, self._slots):
                self._waiters.remove(waiter)
                slot = Slot(member.server, waiter.request, self._leave)
                member.slots.append(slot)
                member.last_checkpoint = waiter.request.checkpoint
                member.expects_until = 0.0
                waiter.future.set_result(slot)
        self._rebalance()

    def _first_look_left(self) -> float:
        """Seconds that a server which does not answer is still waited for before it counts as looked at."""
        return max(0.0, self._look_until - time.monotonic())

    def _rebalance(self) -> None:
        """Have an idle server take over what waits behind something else on another one."""
        now = time.monotonic()
        for idle in self._members.values():
            if not idle.usable or idle.load or idle.expects_until > now:
                continue
            if slot := slot_to_move(self._members.values(), idle):
                slot.moved = True
                idle.expects_until = now + _MOVE_TAKES
                self._do(self._dequeue(slot))

    async def _dequeue(self, slot: Slot) -> None:
        if slot.prompt is not None:
            with contextlib.suppress(ServerUnreachable, ServerUnavailable, AccessDenied):
                await slot.server.dequeue(slot.prompt)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _health_loop(self, member: ServerState) -> None:
        """Look at a server again and again: quickly when it went away, calmly while all is well."""
        server, pause, reported = member.server, _FIRST_PAUSE, False
        while True:
            try:
                await server.probe()
                await self.capabilities.learn(server)
            except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
                member.looked_at, member.denied = True, error if isinstance(error, AccessDenied) else None
                if not reported:
                    self.problems.append(f"{error}; it was set aside")
                    self._change(server, f"{error}; it is set aside and looked at again", fit=False)
                    reported = True
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                member.looked_at, member.denied = True, None
                if reported:
                    self._change(server, f"{server.name} is back", fit=True)
                pause, reported = _LONGEST_PAUSE, False
                self._none_up_since = None
            if all(each.looked_at for each in self._members.values()):
                self._all_looked_at.set()
            self._dispatch()
            if not self.up and self._none_up_since is None:
                self._none_up_since = time.monotonic()
            await asyncio.sleep(pause)

    def _report(self, problem: str) -> None:
        self.problems.append(problem)
        self._say(problem)

    def _change(self, server: Server, sentence: str, *, fit: bool) -> None:
        self._say(sentence)
        fit_now = sum(member.fit for member in self._members.values())
        self._on_change(FarmChange(server.name, fit, sentence, fit_now, len(self.servers)))

    async def _outage_watchdog(self) -> None:
        """Tell those that wait for a place when there is no server at all, and after a time let them go."""
        told = False
        while True:
            await asyncio.sleep(min(1.0, self._patience))
            for member in self._members.values():
                member.breaker.try_half_open(time.monotonic())
            self._dispatch()
            if self.up or self._none_up_since is None:
                told = False
                continue
            if not told:
                names = ", ".join(server.name for server in self.servers)
                self._say(f"no server can be reached ({names}): waiting up to {self._patience:g} s for one")
                told = True
            denied = [member.denied for member in self._members.values() if member.denied is not None]
            if len(denied) == len(self.servers):
                self._dismiss(denied[0])
            elif time.monotonic() - self._none_up_since >= self._patience:
                self._dismiss(NoServer(tuple(server.name for server in self.servers), self._patience))

    def _dismiss(self, error: NoServer | AccessDenied) -> None:
        waiting, self._waiters = self._waiters, []
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_exception(error)


async def _for_a_while(work: Awaitable[object], seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work
