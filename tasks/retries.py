"""Which errors are worth another attempt, and when it comes."""

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from previs.errors import NoServer, TryAgain

_FIRST_DELAY = 2

delays = exponential_backoff(_FIRST_DELAY)
"""Seconds before each attempt but the first: about 2, 4, 8, …"""

JITTER = 0.5


def may_succeed_later(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:  # noqa: ARG001 - Prefect calls it so
    """Whether an attempt's error is worth another one; the farm itself has waited for a server long enough."""
    return isinstance(state.data, TryAgain) and not isinstance(state.data, NoServer)
