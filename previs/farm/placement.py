"""Who sits where: places on servers, what takes want of them, and which server suits a take best; no I/O."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from previs.comfyui.client.server import Server
from previs.comfyui.protocol.requirements import Requirement
from previs.errors import AccessDenied
from previs.farm.circuit_breaker import BreakerState, CircuitBreaker

_MOVES = 2
# The first time that a server is set aside it is for less than this, and often by the fault of the takes.
_WORTH_WAITING = 20.0


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """What a take wants of its place.

    Attributes:
        checkpoint: that its graph loads first.
        requirements: node classes and models.
        avoid: names of servers to take only if no other is up, or is but set aside for longer.
        prefer: a server to wait for, as long as it is up.
        again: whether this is not its first attempt; it comes before all first ones then.
        moves: how often it was already moved to an idle server.
    """

    checkpoint: str | None = None
    requirements: frozenset[Requirement] = frozenset()
    avoid: frozenset[str] = frozenset()
    prefer: Server | None = None
    again: bool = False
    moves: int = 0


@dataclass(eq=False, slots=True)
class Slot:
    """Room for one prompt on a server; held from before it is submitted until it has ended.

    Attributes:
        prompt: its id, once it is submitted.
        started: whether it runs.
        moved: whether it is being taken back because another server idles; it ends as lost, and is to be rendered
            there.
    """

    server: Server
    request: PlacementRequest
    leave: Callable[["Slot"], None]
    held: bool = True
    prompt: str | None = None
    started: bool = False
    moved: bool = False

    def release(self) -> None:
        """Let the next one in; a second call does nothing."""
        if self.held:
            self.held = False
            self.leave(self)


@dataclass(eq=False, slots=True)
class ServerState:
    """A server, and what the farm knows of it beyond what the server itself tells.

    Attributes:
        slots: that are held.
        last_checkpoint: of the last take that got a place.
        denied: why it lets nobody in.
        looked_at: whether it was looked at once, with whatever result.
        expects_until: when a prompt that is being moved here should have come.
    """

    server: Server
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    slots: list[Slot] = field(default_factory=list)
    last_checkpoint: str | None = None
    denied: AccessDenied | None = None
    looked_at: bool = False
    expects_until: float = 0.0

    def room(self, slots: int) -> int:
        """How many more prompts it may get."""
        most = 1 if self.breaker.state is BreakerState.HALF_OPEN else slots
        return most - len(self.slots)

    @property
    def usable(self) -> bool:
        """Whether it may be given anything now."""
        fit = self.breaker.state is not BreakerState.OPEN
        return self.server.up and fit and self.server.busy_until <= time.monotonic()

    @property
    def fit(self) -> bool:
        """Whether nothing is known against it; it may have asked for a pause all the same."""
        return not self.looked_at or (self.server.up and self.breaker.state is BreakerState.CLOSED)

    @property
    def soon_half_open(self) -> bool:
        """Whether it is set aside and may be given something again before long."""
        aside = self.server.up and self.breaker.state is BreakerState.OPEN
        return aside and self.breaker.until - time.monotonic() < _WORTH_WAITING

    @property
    def load(self) -> int:
        """Prompts there, other people's too: the server tells everybody how many there are."""
        return max(len(self.slots), self.server.queue_remaining)


def choose(members: Collection[ServerState], request: PlacementRequest, slots: int) -> ServerState | None:
    """The free server that suits best; none if the take should wait.

    A server that lacks what the take needs would refuse it for good: as long as another one is up that does not, the
    take waits for that one, even where it was set aside, is busy or went wrong before.

    Args:
        members: of the farm.
        request: of the take.
        slots: prompts that a server holds at a time.
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
    return min(free, key=lambda member: (member.load, member.last_checkpoint != request.checkpoint), default=None)


def slot_to_move(members: Collection[ServerState], idle: ServerState) -> Slot | None:
    """What waits behind something else on the busiest server and could run at once on an idle one."""
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
