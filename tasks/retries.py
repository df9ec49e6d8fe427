"""Define tasks that Prefect retries if another attempt may succeed."""

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
"""Seconds before each retry: about 2, 4, 8, …"""

_JITTER = 0.5


def may_succeed_later(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:  # noqa: ARG001 - Prefect calls it so
    """Return whether another attempt may succeed after a pause."""
    return failure_policy.may_succeed_later(state.data)


def step(
    name: str, *, run_name: str | None = None, retries: int = 3, timeout_seconds: float | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task: one step of a run, retried if that may help, with no result stored by Prefect.

    Args:
        name: Name of the task.
        run_name: Name of each task run, in which ``{argument}`` stands for an argument; None for the task's name.
        retries: Number of attempts after the first.
        timeout_seconds: Limit of each attempt; None for no limit.
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
