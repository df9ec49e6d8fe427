"""The least that Prefect takes for as many task runs as a run has: ``python -m benchmarks.bare_flow 200``."""

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
async def _bare(count: int) -> float:
    """Run so many tasks at once, and tell the seconds."""
    began = time.perf_counter()
    calls: list[Any] = [_found(f"take {number}", return_state=True) for number in range(count)]
    await asyncio.gather(*calls)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.stdout.write(f"{asyncio.run(_bare(int(sys.argv[1])))}\n")
