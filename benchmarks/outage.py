"""Measure what an outage of S3 during a run costs, and check that nothing is lost."""

import asyncio

from benchmarks.bucket import bucket
from benchmarks.proof import flaws
from benchmarks.rows import Row
from benchmarks.runs import prefect, shot_list
from benchmarks.servers import Plan, servers

_SERVERS = 2
_RENDER_SECONDS = 0.2
_BOARD = "outage"
_POLL_SECONDS = 0.01


async def outage(shots: int, seconds: float) -> Row:
    """Measure the seconds that a run loses beyond the outage, compared with the same run without one.

    S3 refuses connections and cuts open ones as soon as a third of the prompts has started.

    Args:
        shots: Number of shots on the board, one take each.
        seconds: Duration of the outage.
    """
    async with prefect() as server, bucket() as s3, s3.store("outage") as store, s3.store("peace") as other:
        async with servers(Plan([()] * _SERVERS, _RENDER_SECONDS)) as farm:
            parameters = {"shots": shot_list(shots), "board": _BOARD}
            peace = await server.run(s3.environment, parameters | {"farm": farm.urls, "store": other.name})
        async with servers(Plan([()] * _SERVERS, _RENDER_SECONDS)) as farm:
            here = parameters | {"farm": farm.urls, "store": store.name}
            running = asyncio.create_task(server.run(s3.environment, here))
            while sum(map(len, await farm.started())) < shots / 3 and not running.done():
                await asyncio.sleep(_POLL_SECONDS)
            await s3.stop()
            await asyncio.sleep(seconds)
            meanwhile = sum(map(len, await farm.started()))
            await s3.start()
            run = await running
            renders = sum(map(len, await farm.started()))
        found = await flaws(store, _BOARD, shots)
    if run.code or renders != shots:
        found.append(f"{renders} renders; {dict(run.outcomes)}, {run.message} {' '.join(run.log_lines)}")
    figures = {
        "renders": renders,
        "floor": shots,
        "gone_seconds": seconds,
        "seconds": round(run.seconds, 1),
        "in_peace_seconds": round(peace.seconds, 1),
        "lost_beyond_outage_seconds": round(run.seconds - peace.seconds - seconds, 1),
        "started_before_it_was_back": meanwhile,
        "flaws": len(found),
    }
    return Row(figures, "every take rendered once, no flaw", not found, found)
