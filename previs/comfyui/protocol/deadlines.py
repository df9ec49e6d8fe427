"""Decide how long to wait for a prompt; pure.

A running prompt may send no frame for many minutes: while a node decodes, upscales or loads a model. It counts as alive
as long as its server answers and lists it; a prompt in neither queue nor history is lost.
"""

import re
from dataclasses import dataclass, replace
from typing import Final, Self

from previs.comfyui.protocol.graph import Graph, class_types
from previs.comfyui.protocol.prompt_state import PromptState
from previs.errors import PrevisError, RenderTimedOut, ServerUnreachable

IMAGE_SECONDS: Final = 1800.0
"""Limit of a render that makes images."""
VIDEO_SECONDS: Final = 4 * 3600.0
"""Limit of a render that makes video or sound."""

# Nodes that load, make or save video or sound say so in their class; a limit too long does no harm.
_MOVING = re.compile(r"video|audio|animat|webm|webp|gif|music|sound|speech|^ADE_|^VHS_", re.IGNORECASE)
# A server that is shared, swaps models or throttles is seldom slower than this.
_TIMES_USUAL = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """Set how long to wait for a prompt, in seconds.

    Attributes:
        render: Limit from the moment the server starts the prompt; None for none, until :meth:`for_graph` sets one.
        unreachable: Limit while HTTP does not answer and no frame arrives.
    """

    render: float | None = None
    unreachable: float = 5

    def for_graph(self, graph: Graph, usual: float | None = None) -> Self:
        """Return these limits, with a generous one for a render of the graph unless one is set.

        Args:
            graph: Graph to render.
            usual: Seconds that past renders of such a graph took; the limit is at least ten times as long.
        """
        if self.render is not None:
            return self
        moving = any(map(_MOVING.search, class_types([graph])))
        return replace(self, render=max(VIDEO_SECONDS if moving else IMAGE_SECONDS, _TIMES_USUAL * (usual or 0)))


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
    """

    outage: OngoingError | None = None
    history_error: OngoingError | None = None
    last_server_frame: float = 0.0


def time_left(server: str, state: PromptState, signals: Signals, limits: Limits, now: float) -> float | None:
    """Return the seconds until the first deadline of a prompt that has not ended, or None if no deadline applies.

    Raises:
        RenderTimedOut, ServerUnreachable, ServerUnavailable, AccessDenied: The deadline has passed.
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
    if state.running_since is not None and limits.render is not None:
        deadlines.append((state.running_since + limits.render, RenderTimedOut(server, limits.render)))
    if not deadlines:
        return None
    deadline, error = min(deadlines, key=lambda each: each[0])
    if deadline <= now:
        raise error
    return deadline - now
