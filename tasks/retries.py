"""Which errors are worth another attempt, when it comes, and tasks that are tried again so."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from previs.farm import failure_policy

P = ParamSpec("P")
R = TypeVar("R")

_FIRST_DELAY = 2

_DELAYS = exponential_backoff(_FIRST_DELAY)
"""Seconds before each attempt but the first: about 2, 4, 8, …"""

_JITTER = 0.5


def may_succeed_later(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:  # noqa: ARG001 - Prefect calls it so
    """Return whether another attempt may succeed after a pause."""
    return failure_policy.may_succeed_later(state.data)


def step(
    name: str, *, run_name: str | None = None, retries: int = 3, timeout_seconds: float | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a function: one step of a run, tried again where that may help, with nothing kept by Prefect.

    Args:
        name: of the task.
        run_name: of each task run, in which ``{argument}`` stands for an argument; the task's, if none is given.
        retries: how many attempts there are beside the first.
        timeout_seconds: of each attempt; none for no end.
    """
    return task(
        name=name,
        task_run_name=run_name or name,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=retries,
        retry_delay_seconds=_DELAYS,
        retry_jitter_factor=_JITTER,
        retry_condition_fn=may_succeed_later,
        timeout_seconds=timeout_seconds,
    )
