"""Measure a render whose node sends no frame for longer than anybody would wait by frames."""

import time
from collections import Counter

from benchmarks.rows import Row
from benchmarks.servers import Plan, servers
from benchmarks.stage import stage, takes
from previs.simulator import Cue


async def silent_node(seconds: float) -> Row:
    """Measure a render with a node that is silent for so many seconds: one post, no interrupt, nothing to report."""
    cue = Cue(after_prompts=1, set={"silent_for": seconds})
    async with servers(Plan([[cue]])) as serving, stage(serving.urls) as on:
        began = time.perf_counter()
        await on.render(takes(1)[0])
        took = time.perf_counter() - began
        counts = Counter(event.kind for event in (await serving.event_logs())[0])
        reported = [*on.context.farm.problems, *map(str, on.retries)]
    figures = {"seconds": round(took, 2), **{kind: counts[kind] for kind in ("posted", "started", "interrupted")}}
    met = took >= seconds and list(figures.values())[1:] == [1, 1, 0] and not reported
    return Row(figures, "one post, no interrupt, nothing reported", met, reported)
