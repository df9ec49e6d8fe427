"""What a simulated server keeps of each prompt's life, for counting what was lost or came twice."""

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
    """Something that happened on a server.

    Attributes:
        seconds: on the monotonic clock.
        kind: ``ended`` is when the history has it; ``interrupted`` and ``deleted`` are when somebody asked for it.
        prompt_id: empty for a restart.
        outcome: of a prompt that ended; else none. A prompt that a restart took has no end.
    """

    seconds: float
    kind: Kind
    prompt_id: str
    outcome: Outcome | None


def outcome_of(ended: Mapping[str, Any]) -> Outcome:
    """How a history entry says its prompt ended."""
    return _OUTCOMES[ended["status"]["messages"][-1][0]]
