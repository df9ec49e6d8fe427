"""Read a prompt's state from ``GET /api/jobs/{id}``, which newer servers have; pure.

Its ``outputs`` and ``execution_status`` are those of the history entry.
"""

from collections.abc import Mapping
from typing import Any, Literal

from previs.comfyui.protocol.history import NO_REASON, Failure, Interruption, Success, read_entry
from previs.comfyui.protocol.prompt_state import Phase

JobState = Literal[Phase.WAITING, Phase.RUNNING] | Success | Failure | Interruption


def read_job(body: Mapping[str, Any]) -> JobState | None:
    """Return a prompt's phase or how it ended, or None if the job does not say.

    A job does not say if its status is unknown here, or if it is completed but comes without its outputs: it would
    look like a success without files. Then ask the queue and the history.
    """
    match body.get("status"):
        case "pending":
            return Phase.WAITING
        case "in_progress":
            return Phase.RUNNING
        case "cancelled":
            return Interruption()
        case "completed" if isinstance(body.get("outputs"), Mapping):
            return _read_end(body)
        case "failed":
            end = _read_end(body)
            return NO_REASON if isinstance(end, Success) else end
        case _:
            return None


def _read_end(body: Mapping[str, Any]) -> Success | Failure | Interruption:
    return read_entry({"outputs": body.get("outputs"), "status": body.get("execution_status")})
