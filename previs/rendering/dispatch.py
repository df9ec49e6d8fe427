"""Take one take through the farm: dispatch it to a server, and again after a failure, until it is rendered or lost."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from previs.comfyui.client.server import Server
from previs.errors import PrevisError, PromptLost, PromptRefused, ServerError
from previs.farm.failure_policy import History, NextStep, decide
from previs.farm.placement import PlacementRequest, Slot
from previs.planning.plan import PlannedTake
from previs.records.takes import Attempt, TakeRecord
from previs.rendering.cache_lookup import read_record
from previs.rendering.context import RunContext
from previs.rendering.leases import Lease
from previs.rendering.render import OnChange, render


@dataclass(slots=True)
class TakeDispatcher:
    """Dispatch one take, for all its attempts.

    Attributes:
        seen: The take's record when the run looked for it, if that was of no use.
        slot: Slot for the next attempt, reserved beforehand.
        tried: Last error of each server where it failed, by name.
        attempts: Everything that went wrong.
        from_another_run: Whether another run, and none that renders a part of this one, made the record in the end.
    """

    take: PlannedTake
    context: RunContext
    seen: TakeRecord | None = None
    slot: Slot | None = None
    tried: dict[str, PrevisError] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    from_another_run: bool = False
    _request: PlacementRequest = field(default_factory=PlacementRequest)
    _losses: int = 0

    def __post_init__(self) -> None:
        requirements = self.context.farm.capabilities.requirements(self.take.graph)
        self._request = PlacementRequest(self.take.checkpoint, requirements)

    async def reserve(self) -> None:
        """Wait for the slot of the next attempt."""
        self.slot = await self.context.farm.acquire_slot(self._request)

    def leave(self) -> None:
        """Free a slot that was reserved and not used."""
        if self.slot is not None:
            self.slot.release()

    async def render(
        self,
        on_change: OnChange = lambda *_: None,
        on_retry: Callable[[PrevisError], None] = lambda _: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> TakeRecord:
        """Render the take, and follow the failure policy until no attempt right now would help.

        Args:
            on_change: Receives the server's name and the prompt's state whenever that changes.
            on_retry: Receives each error that another attempt makes up for.
            on_wait: Called when another run renders the take; its record is waited for.

        Raises:
            PrevisError: The input is to blame, or every server was tried, or only a pause may help.
        """
        # A pause lies between two calls: every server may be tried again, the last one only if no other is up.
        self.tried = dict(list(self.tried.items())[-1:])
        self._losses = 0
        self._request = replace(self._request, avoid=frozenset(self.tried))
        try:
            while True:
                slot, self.slot = self.slot or await self.context.farm.acquire_slot(self._request), None
                self._request = replace(self._request, prefer=None, again=True)
                try:
                    record = await self._attempt(slot, on_change, on_wait)
                except PrevisError as error:
                    if not slot.moved:
                        self._note(error)
                    if not await self._recover(error, slot):
                        raise
                    if not slot.moved:
                        on_retry(error)
                else:
                    if record is not None:
                        return record
        finally:
            await self.context.leases.release(self.take.fingerprint)

    async def _attempt(self, slot: Slot, on_change: OnChange, on_wait: Callable[[], None]) -> TakeRecord | None:
        """Render the take in its slot, or wait for the run that does, or for a cancelled prompt to end.

        Return None if it is to be tried again: that run gave up, or that prompt has ended.
        """
        leases, fingerprint = self.context.leases, self.take.fingerprint
        try:
            held = leases.holds(fingerprint)
            earlier = None if held else await leases.acquire(fingerprint, self.take.render_nonce)
            if earlier is not None and earlier.held:
                slot.release()
                on_wait()
                return await self._record_of(await leases.wait_until_free(fingerprint))
            record = await self._record_of(earlier)
            if record is None:
                new = not held and earlier is None
                record = await render(self.take, slot, self.context, on_change, self.attempts, new=new)
                if record is not None:
                    self.context.farm.succeeded(self._server(record.server, slot))
            return record
        finally:
            slot.release()

    async def _record_of(self, lease: Lease | None) -> TakeRecord | None:
        """Return the record that the holder of a lease has written since this run looked, if it is new enough."""
        if lease is None or not self._is_new_enough(lease):
            return None
        record = await read_record(self.context.store, self.take.fingerprint)
        if not isinstance(record, TakeRecord) or record == self.seen or record.sources != dict(self.take.sources):
            return None
        self.from_another_run = lease.run not in self.context.parts
        return record

    def _is_new_enough(self, lease: Lease) -> bool:
        """Return whether a take rendered under the lease will do."""
        nonce = self.take.render_nonce
        return not nonce or (lease.render_nonce == nonce and lease.run != self.context.leases.run)

    def _note(self, error: PrevisError) -> None:
        server = error.server if isinstance(error, ServerError) else None
        self.attempts.append(Attempt(at=datetime.now(UTC), server=server, error=str(error)))

    async def _recover(self, error: PrevisError, slot: Slot) -> bool:
        """Carry out what the failure policy decides; return whether the take is to be tried again at once."""
        farm = self.context.farm
        server = self._server(error.server, slot) if isinstance(error, ServerError) else slot.server
        if isinstance(error, PromptRefused):
            await farm.capabilities.invalidate(server, self.take.graph)
            self._request = replace(self._request, requirements=farm.capabilities.requirements(self.take.graph))
        avoiding = replace(self._request, avoid=frozenset({*self.tried, server.name}))
        history = History(self.tried, self._losses, slot.moved)
        decision = decide(error, server.name, history, another_fits=bool(farm.others(avoiding)))
        if isinstance(error, PromptLost):
            self._losses += not slot.moved
            self._request = replace(self._request, moves=self._request.moves + slot.moved)
        elif decision.step is NextStep.BLAME_INPUT:
            farm.absolve(self.take.label)
        else:
            self.tried[server.name] = error
            if decision.step is NextStep.FREE_MEMORY:
                await server.free_memory()
                self._request = replace(self._request, prefer=server)
            else:
                self._request = avoiding
        if decision.counts:
            farm.failed(server, self.take.label, str(error))
        return decision.retries

    def _server(self, name: str, slot: Slot) -> Server:
        """Return the server where the take was rendered, which joined it if it was there already."""
        return next((server for server in self.context.farm.servers if server.name == name), slot.server)
