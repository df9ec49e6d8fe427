"""What ``GET /api/jobs/{id}`` of newer servers says about a prompt; pure.

Its ``outputs`` and ``execution_status`` are those of the history entry.
"""

from collections.abc import Mapping
from typing import Any, Literal

from previs.comfyui.protocol.history import Failure, Interruption, Success, read_entry
from previs.comfyui.protocol.prompt_state import Phase

JobState = Literal[Phase.WAITING, Phase.RUNNING] | Success | Failure | Interruption


def read_job(body: Mapping[str, Any]) -> JobState | None:
    """Where a prompt is or how it ended; none where that cannot be told, and queue and history must be asked.

    It cannot be told from a status that is not known here, nor from a completed job that comes without its outputs:
    that would be a success that left nothing.
    """
    match body.get("status"):
        case "pending":
            return Phase.WAITING
        case "in_progress":
            return Phase.RUNNING
        case "cancelled":
            return Interruption()
        case "completed" if isinstance(body.get("outputs"), Mapping):
            return _end(body)
        case "failed":
            end = _end(body)
            return (
                Failure("?", "?", "", "the server says failed and gives no reason") if isinstance(end, Success) else end
            )
        case _:
            return None


def _end(body: Mapping[str, Any]) -> Success | Failure | Interruption:
    return read_entry({"outputs": body.get("outputs"), "status": body.get("execution_status")})
