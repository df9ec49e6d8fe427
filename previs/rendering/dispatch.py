"""A take on its way through the farm: which server next, and when to give up."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from previs.comfyui.client.server import Server
from previs.errors import (
    AccessDenied,
    FrameDamaged,
    NodeFailed,
    OutOfMemory,
    PrevisError,
    PromptLost,
    PromptRefused,
    RenderTimedOut,
    ServerSilent,
    ServerUnavailable,
    ServerUnreachable,
)
from previs.farm.placement import PlacementRequest, Slot
from previs.planning.cache import read_record
from previs.planning.plan import PlannedTake
from previs.records.takes import Attempt, TakeRecord
from previs.rendering.context import RunContext
from previs.rendering.leases import Lease
from previs.rendering.render import OnChange, render

_MOST_LOSSES = 5
_BLAMED = (NodeFailed, OutOfMemory, RenderTimedOut, ServerSilent, FrameDamaged)


@dataclass(slots=True)
class TakeDispatcher:
    """One take, for all its attempts.

    Attributes:
        seen: the take's record when the run looked for it, if it was of no use.
        slot: on the farm, for the next attempt.
        tried: servers where it went wrong, by name, and how.
        attempts: all that went wrong.
        elsewhere: whether another run made it in the end.
    """

    take: PlannedTake
    context: RunContext
    seen: TakeRecord | None = None
    slot: Slot | None = None
    tried: dict[str, PrevisError] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    elsewhere: bool = False
    _request: PlacementRequest = field(default_factory=PlacementRequest)
    _losses: int = 0

    def __post_init__(self) -> None:
        self._request = PlacementRequest(
            self.take.checkpoint, self.context.farm.capabilities.requirements(self.take.graph)
        )

    async def reserve(self) -> None:
        """Wait for the place of the next attempt beforehand."""
        self.slot = await self.context.farm.slot(self._request)

    def leave(self) -> None:
        """Free a place that was reserved and not used."""
        if self.slot is not None:
            self.slot.release()

    async def render(
        self,
        on_change: OnChange = lambda *_: None,
        on_error: Callable[[PrevisError], None] = lambda _: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> TakeRecord:
        """Render it, at once on another server where one refuses it, fails at it or is lost.

        While another run renders the same take, its record is waited for, and ``on_wait`` is told. ``on_error`` is told
        what is made up for by another attempt.

        Raises:
            PrevisError: it failed, and nothing is to be gained by another attempt right now: the input is to blame, or
                every server was tried, or it needs a pause.
        """
        # A pause lies between two calls: every server may be tried again, the last one only if no other is up.
        self.tried = dict(list(self.tried.items())[-1:])
        self._losses = 0
        self._avoid_tried()
        try:
            while True:
                slot, self.slot = self.slot or await self.context.farm.slot(self._request), None
                self._request = replace(self._request, prefer=None, again=True)
                try:
                    record = await self._attempt(slot, on_change, on_wait)
                except PrevisError as error:
                    if not slot.moved:
                        self._note(error)
                    if not await self._goes_on(error, slot):
                        raise
                    if not slot.moved:
                        on_error(error)
                else:
                    if record is not None:
                        return record
        finally:
            await self.context.leases.release(self.take.fingerprint)

    async def _attempt(self, slot: Slot, on_change: OnChange, on_wait: Callable[[], None]) -> TakeRecord | None:
        """Render it in its place, or wait for the run that does; nothing if that one gave it up."""
        leases, mark = self.context.leases, self.take.fingerprint
        try:
            earlier = None if leases.holds(mark) else await leases.claim(mark, self.take.render_nonce)
            if earlier is not None and earlier.held:
                slot.release()
                on_wait()
                return await self._of_another_run(await leases.until_free(mark))
            record = await self._of_another_run(earlier)
            if record is None:
                record = await render(self.take, slot, self.context, on_change, self.attempts)
                self.context.farm.succeeded(self._server(record.server, slot))
            return record
        finally:
            slot.release()

    async def _of_another_run(self, claim: Lease | None) -> TakeRecord | None:
        """The record that a run which had claimed the take has written since this one looked."""
        if claim is None or not self._would_do(claim):
            return None
        record = await read_record(self.context.store, self.take.fingerprint)
        if not isinstance(record, TakeRecord) or record == self.seen or record.sources != dict(self.take.sources):
            return None
        self.elsewhere = True
        return record

    def _would_do(self, claim: Lease) -> bool:
        """Whether what was rendered under a claim is new enough; our own had another run's record before it, if any."""
        render_nonce = self.take.render_nonce
        return not render_nonce or (claim.render_nonce == render_nonce and claim.run != self.context.leases.run)

    def _note(self, error: PrevisError) -> None:
        server = getattr(error, "server", None)
        self.attempts.append(Attempt(at=datetime.now(UTC), server=server, error=str(error)))

    async def _goes_on(self, error: PrevisError, slot: Slot) -> bool:
        """Whether it is worth another attempt at once."""
        farm, server = self.context.farm, self._server(getattr(error, "server", ""), slot)
        if isinstance(error, PromptLost):
            return self._lost(slot)
        if isinstance(error, OutOfMemory) and not isinstance(self.tried.get(server.name), OutOfMemory):
            self.tried[server.name] = error
            return await self._make_room(server)
        if any(_same_way(error, earlier) for earlier in self.tried.values()):
            farm.absolve(self.take.label)
            return False
        if isinstance(error, PromptRefused):
            await farm.capabilities.invalidate(server, self.take.graph)
            self._request = replace(self._request, requirements=farm.capabilities.requirements(self.take.graph))
        self.tried[server.name] = error
        self._avoid_tried()
        if isinstance(error, _BLAMED):
            farm.failed(server, self.take.label, str(error))
        elsewhere = isinstance(error, NodeFailed | OutOfMemory | PromptRefused | AccessDenied)
        gone = isinstance(error, ServerUnreachable | ServerUnavailable)
        return (elsewhere or gone) and bool(farm.others(self._request))

    def _server(self, name: str, slot: Slot) -> Server:
        # A take that was in work elsewhere is joined there.
        return next((server for server in self.context.farm.servers if server.name == name), slot.server)

    def _lost(self, slot: Slot) -> bool:
        # A server that was restarted is there again, and idle: no reason to keep away.
        if slot.moved:
            self._request = replace(self._request, moves=self._request.moves + 1)
            return True
        self._losses += 1
        return self._losses < _MOST_LOSSES

    async def _make_room(self, server: Server) -> bool:
        """Have the server unload its models, and try once more there."""
        await server.free_memory()
        self._request = replace(self._request, prefer=server)
        return True

    def _avoid_tried(self) -> None:
        self._request = replace(self._request, avoid=frozenset(self.tried))


def _same_way(error: PrevisError, earlier: PrevisError) -> bool:
    """Whether two servers said the same of a graph: then it is the input's fault."""
    match error, earlier:
        case NodeFailed(), NodeFailed():
            same = error.args[1:] == earlier.args[1:]
        case PromptRefused(), PromptRefused():
            same = _refused(error) == _refused(earlier)
        case _:
            return False
    return same and error.args[0] != earlier.args[0]


def _refused(error: PromptRefused) -> set[tuple[str, str, str]]:
    return {(fault.place, fault.field, str(fault.value)) for fault in error.faults}
