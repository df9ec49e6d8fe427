"""Decide what a failure means for a take and for its server; pure.

This is the one place for that decision. :class:`~previs.rendering.dispatch.TakeDispatcher` carries it out within a
task run. To give up raises the error: Prefect then retries the task run after a pause, with a new history, if
:func:`may_succeed_later` says so.

======================================  ==================================================  ========================
error                                   next step                                           the server's breaker
======================================  ==================================================  ========================
PromptLost, moved to an idle server     again                                               unchanged
PromptLost                              again, up to four times: the server restarted       unchanged
OutOfMemory, first on this server       again there, once its memory is free                unchanged
NodeFailed, PromptRefused,              blame the input                                     forgets this take
FileNotPassed: equal cause
NodeFailed, OutOfMemory                 another server, or give up                          counts a failure
PromptRefused, AccessDenied,            another server, or give up                          unchanged
FileNotPassed, ServerUnreachable,
ServerUnavailable
RenderTimedOut, FrameDamaged            give up                                             counts a failure
all others                              give up                                             unchanged
======================================  ==================================================  ========================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from previs.errors import (
    AccessDenied,
    FileNotPassed,
    FrameDamaged,
    NodeFailed,
    NoServer,
    OutOfMemory,
    PrevisError,
    PromptInterrupted,
    PromptLost,
    PromptRefused,
    RenderTimedOut,
    ServerError,
    ServerUnavailable,
    ServerUnreachable,
    TryAgain,
)

MOST_LOSSES = 5

_ANOTHER_SERVER = (
    NodeFailed,
    OutOfMemory,
    PromptRefused,
    AccessDenied,
    FileNotPassed,
    ServerUnreachable,
    ServerUnavailable,
)
_BREAKER_COUNTS = (NodeFailed, OutOfMemory, RenderTimedOut, FrameDamaged)
_PROMPT_ENDED = (NodeFailed, OutOfMemory, PromptInterrupted, PromptLost, PromptRefused)


class NextStep(Enum):
    """Name what happens to a take after a failure."""

    AGAIN = "again"
    FREE_MEMORY = "free the server's memory, then again there"
    ELSEWHERE = "again on another server"
    BLAME_INPUT = "give up: the input is to blame"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Decision:
    """Say what happens after a failure.

    Attributes:
        step: What happens to the take.
        counts: Whether the server's circuit breaker counts the failure.
    """

    step: NextStep
    counts: bool = False

    @property
    def retries(self) -> bool:
        """Return whether the take is tried again at once."""
        return self.step in {NextStep.AGAIN, NextStep.FREE_MEMORY, NextStep.ELSEWHERE}


@dataclass(frozen=True, slots=True)
class History:
    """Describe what happened to a take since its last pause.

    Attributes:
        tried: Last error of each server where it failed, by the server's name.
        losses: How often its prompt was lost.
        moved: Whether its prompt was dequeued in order to run on an idle server.
    """

    tried: Mapping[str, PrevisError] = field(default_factory=dict)
    losses: int = 0
    moved: bool = False


def decide(error: PrevisError, server: str, history: History, *, another_fits: bool) -> Decision:
    """Return what a failure means; see the table above.

    Args:
        error: What the attempt raised.
        server: Name of the server of the attempt.
        history: What happened to the take before this error.
        another_fits: Whether a server that the take has not tried could render it.
    """
    if isinstance(error, PromptLost):
        return Decision(NextStep.AGAIN if history.moved or history.losses < MOST_LOSSES - 1 else NextStep.GIVE_UP)
    if isinstance(error, OutOfMemory) and not isinstance(history.tried.get(server), OutOfMemory):
        return Decision(NextStep.FREE_MEMORY)
    if any(_same_cause_elsewhere(error, earlier) for earlier in history.tried.values()):
        return Decision(NextStep.BLAME_INPUT)
    elsewhere = isinstance(error, _ANOTHER_SERVER) and another_fits
    return Decision(NextStep.ELSEWHERE if elsewhere else NextStep.GIVE_UP, isinstance(error, _BREAKER_COUNTS))


def _same_cause_elsewhere(error: PrevisError, earlier: PrevisError) -> bool:
    return (
        isinstance(error, ServerError)
        and isinstance(earlier, ServerError)
        and type(error) is type(earlier)
        and error.cause is not None
        and error.cause == earlier.cause
        and error.server != earlier.server
    )


def may_succeed_later(error: object) -> bool:
    """Return whether a pause may help; the farm itself has waited for a server long enough."""
    return isinstance(error, TryAgain) and not isinstance(error, NoServer)


def prompt_has_ended(error: BaseException) -> bool:
    """Return whether an error means that nothing of the prompt is left to cancel on its server."""
    return isinstance(error, _PROMPT_ENDED)
