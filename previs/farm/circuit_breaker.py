"""Decide whether a server may receive takes: it is left alone after failures in a row, then tried with one take; pure.

Times are seconds of one monotonic clock, passed in by the caller.
"""

from dataclasses import dataclass
from enum import Enum

FAILURES_IN_A_ROW = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 240.0


class BreakerState(Enum):
    """Name what a server may receive: everything, nothing, or one take as a trial."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class FarmChange:
    """Report that a server became healthy or unhealthy.

    Attributes:
        server: The server's name.
        fit: Whether it can render now.
        reason: One sentence for people.
        fit_servers: How many servers of the farm can render now.
        servers: How many servers the farm has.
    """

    server: str
    fit: bool
    reason: str
    fit_servers: int
    servers: int


class CircuitBreaker:
    """Count a server's failures in a row, each of another take.

    A take counts once: the same take failing again says nothing new about the server.

    Attributes:
        state: Half-open lets one take through, whose end closes or opens the breaker.
        until: When an open breaker becomes half-open.
        failed: Reasons by take, the latest last.
    """

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self.until = 0.0
        self.failed: dict[str, str] = {}
        self._pause = _FIRST_PAUSE

    @property
    def should_trip(self) -> bool:
        """Return whether there were too many failures in a row, or one while half-open."""
        enough = 1 if self.state is BreakerState.HALF_OPEN else FAILURES_IN_A_ROW
        return self.state is not BreakerState.OPEN and len(self.failed) >= enough

    def record_failure(self, take: str, reason: str) -> None:
        """Count a failure that may be the server's fault."""
        self.failed.pop(take, None)
        self.failed[take] = reason

    def absolve(self, take: str) -> bool:
        """Take back the failure of a take that failed the same way elsewhere: it was not the server's fault.

        Returns:
            Whether that closed the breaker.
        """
        if self.failed.pop(take, None) is None or len(self.failed) >= FAILURES_IN_A_ROW:
            return False
        closed = self.state is BreakerState.OPEN
        if closed:
            self.state = BreakerState.CLOSED
            self._pause = max(self._pause / 2, _FIRST_PAUSE)
        return closed

    def record_success(self) -> bool:
        """Close the breaker after a render.

        Returns:
            Whether it was not closed before.
        """
        closed = self.state is not BreakerState.CLOSED
        self.state = BreakerState.CLOSED
        self.failed.clear()
        self._pause = _FIRST_PAUSE
        return closed

    def trip(self, now: float) -> float:
        """Open the breaker, each time for longer.

        Returns:
            Seconds until it becomes half-open.
        """
        self.state = BreakerState.OPEN
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        self.until = now + pause
        return pause

    def try_half_open(self, now: float) -> bool:
        """Make an open breaker half-open when its pause is over; return whether it did."""
        due = self.state is BreakerState.OPEN and self.until <= now
        if due:
            self.state = BreakerState.HALF_OPEN
            self.failed.clear()
        return due
