"""Record each prompt's events, to count prompts that were lost or ran twice."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["posted", "started", "sampled", "ended", "interrupted", "deleted", "restarted"]
Outcome = Literal["success", "failed", "interrupted"]

_OUTCOMES: dict[str, Outcome] = {
    "execution_success": "success",
    "execution_error": "failed",
    "execution_interrupted": "interrupted",
}


@dataclass(frozen=True, slots=True)
class Event:
    """Represent an event on a server.

    Attributes:
        seconds: Time on the monotonic clock.
        kind: ``ended`` when the history has the prompt; ``interrupted`` and ``deleted`` when a client requests it.
        prompt_id: Id of the prompt; empty for a restart.
        outcome: Outcome of a prompt that ended, else None. A prompt that was lost in a restart has no end.
    """

    seconds: float
    kind: Kind
    prompt_id: str
    outcome: Outcome | None


def outcome_of(ended: Mapping[str, Any]) -> Outcome:
    """Return the outcome in a history entry."""
    return _OUTCOMES[ended["status"]["messages"][-1][0]]
