"""Measure Prefect's minimum for a number of empty task runs: ``python -m benchmarks.bare_flow 200``."""

import asyncio
import sys
import time
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed


@task(cache_policy=NO_CACHE, persist_result=False, task_run_name="{label}")
async def _found(label: str) -> State[str]:
    return Completed(name="Cached", data=label)


@flow
async def _bare(count: int) -> tuple[float, float]:
    """Run empty tasks concurrently, and return the seconds and the CPU seconds that they took."""
    began, cpu = time.perf_counter(), time.process_time()
    calls: list[Any] = [_found(f"take {number}", return_state=True) for number in range(count)]
    await asyncio.gather(*calls)
    return time.perf_counter() - began, time.process_time() - cpu


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*asyncio.run(_bare(int(sys.argv[1])))))
