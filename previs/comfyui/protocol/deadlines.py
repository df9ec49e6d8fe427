"""How long a prompt is waited for; pure."""

from dataclasses import dataclass

from previs.comfyui.protocol.prompt_state import PromptState
from previs.errors import PrevisError, RenderTimedOut, ServerSilent, ServerUnreachable


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for a prompt, in seconds.

    Attributes:
        render: from the moment the server starts on it.
        silence: without a frame while it runs and the socket is open.
        unreachable: while HTTP does not answer, no frame comes, and a prompt is in work there.
    """

    render: float = 300
    silence: float = 60
    unreachable: float = 5


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that goes wrong, and since when on the caller's clock.

    Attributes:
        latest: when it was last found to be so.
    """

    since: float
    error: PrevisError
    latest: float = 0.0


@dataclass(frozen=True, slots=True)
class Hearing:
    """What can be heard of a prompt now.

    Attributes:
        outage: of the server, if it does not answer.
        trouble: with this prompt's own history entry.
        server_heard: when any frame came from the server.
        frames_since: since when frames about this prompt could come; none if they cannot, because the socket is
            closed or somebody else submitted it.
    """

    outage: Trouble | None = None
    trouble: Trouble | None = None
    server_heard: float = 0.0
    frames_since: float | None = None


def time_left(server: str, life: PromptState, hearing: Hearing, limits: Limits, now: float) -> float | None:
    """Seconds until the first deadline of a prompt that has not ended; none if it has none now.

    Raises:
        RenderTimedOut, ServerSilent, ServerUnreachable, ServerTrouble, AccessDenied: that deadline is over.
    """
    ends: list[tuple[float, PrevisError]] = []
    if hearing.outage is not None:
        since = max(hearing.outage.since, hearing.server_heard)
        ends.append((since + limits.unreachable, _as_unreachable(server, hearing.outage.error)))
    if hearing.trouble is not None and hearing.trouble.latest >= hearing.trouble.since + limits.unreachable:
        # Found again after so long: that nobody asked meanwhile says nothing.
        ends.append((now, hearing.trouble.error))
    if life.running_since is not None:
        ends.append((life.running_since + limits.render, RenderTimedOut(server, limits.render)))
        if hearing.frames_since is not None:
            heard = max(hearing.frames_since, life.last_frame or life.running_since)
            ends.append((heard + limits.silence, ServerSilent(server, limits.silence)))
    end, error = min(ends, key=lambda each: each[0], default=(None, None))
    if end is None or error is None:
        return None
    if end <= now:
        raise error
    return end - now


def _as_unreachable(server: str, error: PrevisError) -> PrevisError:
    return error if isinstance(error, ServerUnreachable) else ServerUnreachable(server, str(error))
