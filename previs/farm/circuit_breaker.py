"""Whether a server is fit to render: it is set aside after failures in a row, and tried again with one take; pure.

Times are seconds of one clock of the caller's.
"""

from dataclasses import dataclass
from enum import Enum

FAILURES_IN_A_ROW = 3
_FIRST_PAUSE, _LONGEST_PAUSE = 15.0, 240.0


class BreakerState(Enum):
    """What may be given to a server."""

    CLOSED = "trusted"
    OPEN = "set aside"
    HALF_OPEN = "on trial"


@dataclass(frozen=True, slots=True)
class FarmChange:
    """A server became fit or unfit to render.

    Attributes:
        server: its name.
        fit: what it is now.
        reason: in a sentence.
        fit_servers: how many of the farm's are fit now.
        servers: how many the farm has.
    """

    server: str
    fit: bool
    reason: str
    fit_servers: int
    servers: int


class CircuitBreaker:
    """Failures of one server in a row, each of another take.

    A failure counts once for each take: the same take failing again says nothing new of the server.

    Attributes:
        state: on trial, one take at a time tells whether it is trusted again.
        until: when a server that is set aside is to be tried.
        failed: what went wrong, by take, the latest last.
    """

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self.until = 0.0
        self.failed: dict[str, str] = {}
        self._pause = _FIRST_PAUSE

    @property
    def should_trip(self) -> bool:
        """Whether it should be set aside: too many failures in a row, or one while on trial."""
        enough = 1 if self.state is BreakerState.HALF_OPEN else FAILURES_IN_A_ROW
        return self.state is not BreakerState.OPEN and len(self.failed) >= enough

    def record_failure(self, take: str, reason: str) -> None:
        """A take failed there, perhaps by the server's fault."""
        self.failed.pop(take, None)
        self.failed[take] = reason

    def absolve(self, take: str) -> bool:
        """The take failed elsewhere in the same way: it was not the server's fault.

        Returns:
            Whether the server is trusted again by that.
        """
        if self.failed.pop(take, None) is None or len(self.failed) >= FAILURES_IN_A_ROW:
            return False
        restored = self.state is BreakerState.OPEN
        if restored:
            self.state = BreakerState.CLOSED
            self._pause = max(self._pause / 2, _FIRST_PAUSE)
        return restored

    def record_success(self) -> bool:
        """A take was rendered there.

        Returns:
            Whether the server is trusted again by that.
        """
        restored = self.state is not BreakerState.CLOSED
        self.state = BreakerState.CLOSED
        self.failed.clear()
        self._pause = _FIRST_PAUSE
        return restored

    def trip(self, now: float) -> float:
        """Give it nothing for a while, each time longer.

        Returns:
            Seconds until it is tried again.
        """
        self.state = BreakerState.OPEN
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        self.until = now + pause
        return pause

    def try_half_open(self, now: float) -> bool:
        """Put a server that was set aside long enough on trial; whether that happened."""
        due = self.state is BreakerState.OPEN and self.until <= now
        if due:
            self.state = BreakerState.HALF_OPEN
            self.failed.clear()
        return due
