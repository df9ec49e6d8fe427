"""Decide how long to wait for a prompt; pure."""

from dataclasses import dataclass

from previs.comfyui.protocol.prompt_state import PromptState
from previs.errors import PrevisError, RenderTimedOut, ServerSilent, ServerUnreachable


@dataclass(frozen=True, slots=True)
class Limits:
    """Set how long to wait for a prompt, in seconds.

    Attributes:
        render: Limit from the moment the server starts the prompt.
        silence: Limit without a frame while the prompt runs and the socket is open.
        unreachable: Limit while HTTP does not answer and no frame arrives.
    """

    render: float = 300
    silence: float = 60
    unreachable: float = 5


@dataclass(frozen=True, slots=True)
class OngoingError:
    """Describe an error that persists, by the times of its first and latest occurrence on the caller's clock."""

    since: float
    error: PrevisError
    latest: float = 0.0


@dataclass(frozen=True, slots=True)
class Signals:
    """Describe the server's signs of life for one prompt.

    Attributes:
        outage: Error of a server that does not answer.
        history_error: Error of this prompt's own history entry.
        last_server_frame: Time of the last frame from the server, about any prompt.
        frames_expected_since: Time since which frames about this prompt could arrive; None if they cannot, because
            the socket is closed or another client submitted it.
    """

    outage: OngoingError | None = None
    history_error: OngoingError | None = None
    last_server_frame: float = 0.0
    frames_expected_since: float | None = None


def time_left(server: str, state: PromptState, signals: Signals, limits: Limits, now: float) -> float | None:
    """Return the seconds until the first deadline of a prompt that has not ended, or None if no deadline applies.

    Raises:
        RenderTimedOut, ServerSilent, ServerUnreachable, ServerUnavailable, AccessDenied: The deadline has passed.
    """
    deadlines: list[tuple[float, PrevisError]] = []
    if signals.outage is not None:
        since, error = max(signals.outage.since, signals.last_server_frame), signals.outage.error
        unreachable = error if isinstance(error, ServerUnreachable) else ServerUnreachable(server, str(error))
        deadlines.append((since + limits.unreachable, unreachable))
    broken = signals.history_error
    # Only an error seen again after the limit counts: time in which nobody asked proves nothing.
    if broken is not None and broken.latest >= broken.since + limits.unreachable:
        deadlines.append((now, broken.error))
    if state.running_since is not None:
        deadlines.append((state.running_since + limits.render, RenderTimedOut(server, limits.render)))
        if signals.frames_expected_since is not None:
            last_frame = max(signals.frames_expected_since, state.last_frame or state.running_since)
            deadlines.append((last_frame + limits.silence, ServerSilent(server, limits.silence)))
    if not deadlines:
        return None
    deadline, error = min(deadlines, key=lambda each: each[0])
    if deadline <= now:
        raise error
    return deadline - now
