"""Run the farm: watch all servers, and give each take a slot on one of them."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from previs.comfyui.client.address import Address
from previs.comfyui.client.hashes import hashes_by_file
from previs.comfyui.client.server import Server
from previs.comfyui.protocol.classes import NodeClass
from previs.comfyui.protocol.models import ModelFile
from previs.errors import AccessDenied, FarmRefused, NoServer, ServerUnavailable, ServerUnreachable
from previs.farm.capabilities import Capabilities
from previs.farm.circuit_breaker import FarmChange
from previs.farm.placement import PlacementRequest, ServerState, Slot, choose, slot_to_move

_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_FIRST_LOOK = 10.0
_MOVE_TAKES = 5.0
_HASHES_LOOK, _HASHES_ASK = 1.0, 1.0
_OBEYED_WITHIN = 10.0


@dataclass(frozen=True, slots=True)
class _Problem:
    """Hold a sentence that a run reports.

    Attributes:
        tripped: Name of the server whose circuit breaker opened, if that is the problem.
    """

    sentence: str
    tripped: str | None = None


@dataclass(eq=False, slots=True)
class _Waiter:
    request: PlacementRequest
    future: asyncio.Future[Slot]


class Farm:
    """Share servers among takes; each server has two slots: one prompt runs, one waits, so that no server idles.

    The next prompt goes to the free server with the least load; of equals, to one that need not drop a checkpoint,
    and of those to the one that got the fewest so far; never to a server that is known to lack what the prompt needs
    while another has it. A prompt that waits on one server is moved to another that has nothing to do. A server that
    cannot be reached, or that fails one take after the other, receives nothing, is probed again and returns by itself.

    Attributes:
        capabilities: Node classes and models of the servers.
    """

    def __init__(
        self,
        addresses: Iterable[Address],
        *,
        slots: int = 2,
        patience: float = 600,
        if_absent: FarmRefused | None = None,
        warn: Callable[[str], None] = lambda _: None,
        on_change: Callable[[FarmChange], None] = lambda _: None,
    ) -> None:
        """Set up a farm of at least one server.

        Args:
            addresses: Addresses of the servers.
            slots: Prompts that each server holds at a time.
            patience: Seconds to wait while no server can be reached.
            if_absent: Error of waiting requests if no server is reached at once; None: wait.
            warn: Receives sentences that a person should see.
            on_change: Called when a server becomes unhealthy, or healthy again.
        """
        self.servers = tuple(Server(address) for address in addresses)
        self._problems: list[_Problem] = []
        self._slots = slots
        self._patience = patience
        self._if_absent = if_absent
        self._warn = warn
        self._on_change = on_change
        self._members = {server: ServerState(server) for server in self.servers}
        self.capabilities = Capabilities(self.servers, report=self._report)
        self._waiters: list[_Waiter] = []
        self._requests = Counter[PlacementRequest]()
        self._none_up_since: float | None = time.monotonic()
        self._look_until = 0.0
        self._all_looked_at = asyncio.Event()
        self._looking_again = asyncio.Event()
        self._look_began = 0.0
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
    def problems(self) -> list[str]:
        """Return what a run should report: servers that were set aside, with the reason, and what they lack."""
        return [problem.sentence for problem in self._problems]

    @property
    def up(self) -> tuple[Server, ...]:
        """Return the servers that can be reached."""
        return tuple(server for server in self.servers if server.up)

    @property
    def held(self) -> int:
        """Return how many slots are in use."""
        return sum(len(member.slots) for member in self._members.values())

    async def classes(self, names: Collection[str], *, needed: bool) -> dict[str, Mapping[str, NodeClass | None]]:
        """Return node classes as each server describes them, by the names of the servers that answered.

        Args:
            names: Names of the classes.
            needed: Wait until a server can be asked, as for a slot; otherwise ask those that are up now.

        Raises:
            NoServer, AccessDenied: As :meth:`acquire_slot`, if an answer is needed.
        """
        if needed:
            (await self.acquire_slot()).release()
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._first_look_left()):
                    await self._all_looked_at.wait()
        return await self.capabilities.classes(names)

    async def model_hashes(self, files: Collection[ModelFile]) -> dict[str, dict[str, str]]:
        """Return hashes of model files, as far as servers report them within 2 s; raise no error of a server.

        A hash is kept until its server goes away; a file without one is asked for again next time.

        Args:
            files: Model files of graphs; see :func:`previs.comfyui.protocol.models.model_files`.

        Returns:
            Hashes by the file's text (``loras/rain.safetensors``) and the server's name. Servers and files without any
            hash are left out.
        """
        if files and not self._all_looked_at.is_set():
            await _at_most(self._all_looked_at.wait(), _HASHES_LOOK)
        up = self.up
        await _at_most(asyncio.gather(*(server.hashes.learn(files) for server in up)), _HASHES_ASK)
        return hashes_by_file({server.name: server.hashes for server in up}, files)

    async def acquire_slot(self, request: PlacementRequest | None = None) -> Slot:
        """Wait for a slot: first come, first served, but requests after a failed attempt go first.

        Raises:
            NoServer: No server could be reached for the time allowed.
            AccessDenied: Every server is up and rejects the credentials.
        """
        waiter = _Waiter(request or PlacementRequest(), asyncio.get_running_loop().create_future())
        before = sum(other.request.again for other in self._waiters) if waiter.request.again else len(self._waiters)
        self._waiters.insert(before, waiter)
        self._requests[waiter.request] += 1
        self._dispatch()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            # Thousands may wait, so the others do not search the list.
            if waiter in self._waiters:
                self._remove(waiter)
            elif waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.future.result().release()
            raise

    def others(self, request: PlacementRequest) -> tuple[Server, ...]:
        """Return the servers that could be tried beside those that the request avoids."""
        return tuple(
            member.server
            for member in self._members.values()
            if (member.usable or member.soon_half_open)
            and member.server.name not in request.avoid
            and not member.server.catalog.lacks(request.requirements)
        )

    def succeeded(self, server: Server) -> None:
        """Record that a server rendered a take."""
        if self._members[server].breaker.record_success():
            self._change(server, f"{server.name} renders again", fit=True)
            self._dispatch()

    def failed(self, server: Server, take: str, reason: str) -> None:
        """Record a failure that may be the server's fault; the last usable server is never set aside."""
        breaker = self._members[server].breaker
        breaker.record_failure(take, reason)
        others = [member for member in self._members.values() if member.usable and member.server is not server]
        if breaker.should_trip and others:
            pause = breaker.trip(time.monotonic())
            takes = ", ".join(breaker.failed)
            failures = f"{server.name} failed {takes} in a row, the last with: {reason}"
            self._problems.append(_Problem(f"{failures}; it was set aside", tripped=server.name))
            self._change(server, f"{failures}; it is set aside and tried again in {pause:g} s", fit=False)

    def absolve(self, take: str) -> None:
        """Clear two servers of a take that failed the same way on both."""
        for member in self._members.values():
            if member.breaker.absolve(take):
                name = member.server.name
                self._problems = [problem for problem in self._problems if problem.tripped != name]
                self._change(member.server, f"{name} is not to blame, and goes on rendering", fit=True)
        self._dispatch()

    def _leave(self, slot: Slot) -> None:
        member = self._members[slot.server]
        member.slots.remove(slot)
        member.left += slot.prompt is not None and not slot.moved
        # The caller may still have to record how the attempt ended.
        asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        """Give free slots to waiting requests in their order, once every server was probed.

        Otherwise a take that an earlier run left on one server, or this run before an outage, would be rendered again
        on another that answers first.
        """
        if not self._all_looked_at.is_set() and self._first_look_left() > 0:
            return
        unplaced = set[PlacementRequest]()
        for waiter in tuple(self._waiters) if self._has_room() else ():
            if waiter.future.done() or waiter.request in unplaced:
                continue
            if not self._has_room():
                break
            member = choose(self._members.values(), waiter.request, self._slots)
            if member is None:
                unplaced.add(waiter.request)
                # Thousands may wait for a busy server while another, which lacks what they need, is free.
                if len(unplaced) == len(self._requests):
                    break
            else:
                self._remove(waiter)
                slot = Slot(member.server, waiter.request, self._leave)
                member.slots.append(slot)
                member.last_checkpoint = waiter.request.checkpoint
                member.expects_until = 0.0
                waiter.future.set_result(slot)
        self._rebalance()

    def _remove(self, waiter: _Waiter) -> None:
        self._waiters.remove(waiter)
        self._requests[waiter.request] -= 1
        if not self._requests[waiter.request]:
            del self._requests[waiter.request]

    def _has_room(self) -> bool:
        return any(member.usable and member.room(self._slots) > 0 for member in self._members.values())

    def _first_look_left(self) -> float:
        """Return the seconds to wait for servers that have not answered their first probe."""
        return max(0.0, self._look_until - time.monotonic())

    def _rebalance(self) -> None:
        """Move a waiting prompt from a busy server to an idle one."""
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
        """Probe a server for ever, at intervals that grow from 0.5 s to 5 s until it answers, and then every 5 s."""
        server, pause, reported = member.server, _FIRST_PAUSE, False
        while True:
            began = time.monotonic()
            try:
                await server.probe()
                await self.capabilities.learn(server)
            except (ServerUnreachable, ServerUnavailable, AccessDenied) as error:
                member.denied = error if isinstance(error, AccessDenied) else None
                member.looked_at |= began >= self._look_began
                if not reported:
                    self._problems.append(_Problem(f"{error}; it was set aside"))
                    self._change(server, f"{error}; it is set aside and looked at again", fit=False)
                    reported = True
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                member.looked_at, member.denied = True, None
                if reported:
                    self._change(server, f"{server.name} is back", fit=True)
                pause, reported = _LONGEST_PAUSE, False
                if self._none_up_since is not None and self._all_looked_at.is_set():
                    self._look_again(member)
                self._none_up_since = None
            if not member.looked_at:
                continue  # This probe began before all were to be probed again, and failed on what was before.
            if all(each.looked_at for each in self._members.values()):
                self._all_looked_at.set()
            self._dispatch()
            if not self.up and self._none_up_since is None:
                self._none_up_since = time.monotonic()
            await _at_most(self._looking_again.wait(), pause)

    def _look_again(self, first: ServerState) -> None:
        """Probe every server at once when the first one is back after none was up.

        Whatever was cut off from all servers gets them back together, with the takes that they rendered meanwhile.
        """
        for member in self._members.values():
            member.looked_at = member is first
        self._all_looked_at.clear()
        self._look_began = time.monotonic()
        self._look_until = self._look_began + _FIRST_LOOK
        self._looking_again.set()
        self._looking_again = asyncio.Event()

    def _report_cancelling(self, member: ServerState) -> None:
        """Report a server where an interrupted prompt is at work for longer than a sampler's step takes."""
        server, now = member.server, time.monotonic()
        if not server.cancelling:
            if member.reported_cancelling:
                self._warn(f"{server.name} has ended what was interrupted there, and gets takes again")
            member.cancelling_since, member.reported_cancelling = None, False
            return
        member.cancelling_since = member.cancelling_since or now
        late = now - member.cancelling_since >= _OBEYED_WITHIN
        if late and server.up and not member.reported_cancelling:
            member.reported_cancelling = True
            self._report(f"{server.name} is still at work on an interrupted prompt: no takes go there meanwhile")

    def _report(self, problem: str) -> None:
        self._problems.append(_Problem(problem))
        self._warn(problem)

    def _change(self, server: Server, sentence: str, *, fit: bool) -> None:
        self._warn(sentence)
        fit_now = sum(member.fit for member in self._members.values())
        self._on_change(FarmChange(server.name, fit, sentence, fit_now, len(self.servers)))

    async def _outage_watchdog(self) -> None:
        """Warn when no server can be reached, and after the farm's patience fail all waiting requests."""
        warned = False
        while True:
            await asyncio.sleep(min(1.0, self._patience))
            for member in self._members.values():
                member.breaker.try_half_open(time.monotonic())
                self._report_cancelling(member)
            self._dispatch()
            if self.up or self._none_up_since is None:
                warned, self._if_absent = False, None
                continue
            if self._if_absent is not None:
                if self._all_looked_at.is_set() or time.monotonic() >= self._look_until:
                    self._dismiss(self._if_absent)
                continue
            if not warned:
                names = ", ".join(server.name for server in self.servers)
                self._warn(f"no server can be reached ({names}): waiting up to {self._patience:g} s for one")
                warned = True
            denied = [member.denied for member in self._members.values() if member.denied is not None]
            if len(denied) == len(self.servers):
                self._dismiss(denied[0])
            elif time.monotonic() - self._none_up_since >= self._patience:
                self._dismiss(NoServer(tuple(server.name for server in self.servers), self._patience))

    def _dismiss(self, error: NoServer | AccessDenied | FarmRefused) -> None:
        waiting, self._waiters = self._waiters, []
        self._requests.clear()
        for waiter in waiting:
            if not waiter.future.done():
                waiter.future.set_exception(error)


async def _at_most(work: Awaitable[object], seconds: float) -> None:
    """Wait for work to end, for so many seconds at most."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work
