"""Choose which server renders a take next; no I/O."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.requirements import Requirement
from previs.errors import AccessDenied
from previs.farm.circuit_breaker import BreakerState, CircuitBreaker

_MOVES = 2
# The first pause of a circuit breaker is shorter than this, and is often the takes' fault.
_WORTH_WAITING = 20.0


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """Describe what a take needs of a server.

    Attributes:
        checkpoint: Model file that the graph loads first.
        requirements: Node classes and models.
        avoid: Names of servers to use only if no other is up, or the others' pauses are long.
        prefer: Server to wait for as long as it is up.
        again: Whether an attempt failed before; such requests go before all first ones.
        moves: How often the take was moved to an idle server.
    """

    checkpoint: str | None = None
    requirements: frozenset[Requirement] = frozenset()
    avoid: frozenset[str] = frozenset()
    prefer: Server | None = None
    again: bool = False
    moves: int = 0


@dataclass(eq=False, slots=True)
class Slot:
    """Hold room for one prompt on a server, from before it is posted until it has ended.

    Attributes:
        prompt: The prompt's id, once posted.
        started: Whether it runs.
        moved: Whether it is being dequeued because another server idles: it ends as lost, to be rendered there.
    """

    server: Server
    request: PlacementRequest
    leave: Callable[["Slot"], None]
    held: bool = True
    prompt: str | None = None
    started: bool = False
    moved: bool = False

    def release(self) -> None:
        """Free the slot; a second call does nothing."""
        if self.held:
            self.held = False
            self.leave(self)


@dataclass(eq=False, slots=True)
class ServerState:
    """Hold what the farm knows about a server beyond what the server itself reports.

    Attributes:
        slots: Slots in use.
        last_checkpoint: Checkpoint of the last take that got a slot.
        denied: Why the server rejects us, if it does.
        looked_at: Whether it was probed once, with whatever result.
        left: Prompts that were posted there and have left it, but for those that were moved.
        expects_until: When a prompt that is being moved here should have arrived.
        cancelling_since: Since when prompts that were interrupted are at work there; None if there are none.
        reported_cancelling: Whether that was reported.
    """

    server: Server
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    slots: list[Slot] = field(default_factory=list)
    last_checkpoint: str | None = None
    denied: AccessDenied | None = None
    looked_at: bool = False
    left: int = 0
    expects_until: float = 0.0
    cancelling_since: float | None = None
    reported_cancelling: bool = False

    def room(self, slots: int) -> int:
        """Return how many more prompts it may receive; none while a prompt that was interrupted is still at work."""
        if self.server.cancelling:
            return 0
        most = 1 if self.breaker.state is BreakerState.HALF_OPEN else slots
        return most - len(self.slots)

    @property
    def usable(self) -> bool:
        """Return whether it may receive a prompt now."""
        fit = self.breaker.state is not BreakerState.OPEN
        return self.server.up and fit and self.server.busy_until <= time.monotonic()

    @property
    def fit(self) -> bool:
        """Return whether it counts as healthy; a server that asked for a pause does."""
        return not self.looked_at or (self.server.up and self.breaker.state is BreakerState.CLOSED)

    @property
    def soon_half_open(self) -> bool:
        """Return whether its breaker is open and becomes half-open before long."""
        tripped = self.server.up and self.breaker.state is BreakerState.OPEN
        return tripped and self.breaker.until - time.monotonic() < _WORTH_WAITING

    @property
    def given(self) -> int:
        """Return how many prompts it got so far."""
        return self.left + len(self.slots)

    def would_swap(self, checkpoint: str | None) -> bool:
        """Return whether it would have to drop another checkpoint for this one."""
        return self.last_checkpoint not in (None, checkpoint)

    @property
    def load(self) -> int:
        """Return how many prompts it holds, other clients' included, which it reports to everybody."""
        return max(len(self.slots) + len(self.server.cancelling), self.server.queue_remaining)


def choose(members: Collection[ServerState], request: PlacementRequest, slots: int) -> ServerState | None:
    """Return the free server that suits a take best, or None if the take should wait.

    A server that lacks what the take needs would refuse it for good. So as long as another server that has it is up,
    the take waits for that one, even if it is busy, tripped or failed this take before.

    Args:
        members: Servers of the farm.
        request: What the take needs.
        slots: Prompts that a server holds at a time.
    """
    up = [member for member in members if member.server.up]
    fit = [member for member in up if not member.server.catalog.lacks(request.requirements)] or up
    usable = [member for member in fit if member.usable]
    if preferred := [member for member in usable if member.server is request.prefer]:
        usable = preferred
    else:
        others = [member for member in fit if member.server.name not in request.avoid]
        if any(member.usable or member.soon_half_open for member in others):
            usable = [member for member in others if member.usable]
    free = [member for member in usable if member.room(slots) > 0]
    return min(free, key=lambda each: (each.load, each.would_swap(request.checkpoint), each.given), default=None)


def slot_to_move(members: Collection[ServerState], idle: ServerState) -> Slot | None:
    """Return a slot whose prompt waits on the busiest server and could run at once on an idle one."""
    waiting = [
        (member.load, slot) for member in members for slot in member.slots if member.load > 1 and _can_move(slot, idle)
    ]
    return max(waiting, key=lambda each: each[0], default=(0, None))[1]


def _can_move(slot: Slot, to: ServerState) -> bool:
    request = slot.request
    waits = slot.prompt is not None and not slot.started and not slot.moved
    return (
        waits
        and request.moves < _MOVES
        and to.server.name not in request.avoid
        and not to.server.catalog.lacks(request.requirements)
    )
