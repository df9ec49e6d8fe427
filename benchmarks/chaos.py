"""Render under random faults, and count takes that were lost, duplicated or falsely reported as failed."""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.duplicate_count import count_duplicates
from benchmarks.event_log import LoggedEvent
from benchmarks.fault_schedule import fault_schedule
from benchmarks.rows import Row
from benchmarks.servers import Plan, servers
from benchmarks.stage import Stage, short_takes, stage, takes, takes_of_one_picture
from previs.planning.fingerprint import prompt_id
from previs.planning.plan import PlannedTake

_SERVERS = 4
_SECONDS = 0.1
_GENERATIONS = 40
_LONGEST = 400.0


@dataclass(frozen=True, slots=True)
class Size:
    """Describe how many takes to render.

    Attributes:
        short: Number of takes that take no time.
        sampling: Number of takes that take 100 ms.
        cached: Number of takes that a server samples only once for all, until it restarts.
    """

    short: int
    sampling: int
    cached: int


@dataclass(slots=True)
class Outcome:
    """Represent what became of the takes.

    Attributes:
        takes: All takes.
        lost: Takes without a record, or without their whole frames in the store.
        failed: Exceptions of failed takes, by fingerprint.
        retries: Types of the errors after which a take was tried again.
        logs: Events of each server.
        seconds: Duration of all renders.
    """

    takes: Sequence[PlannedTake]
    lost: list[PlannedTake] = field(default_factory=list)
    failed: dict[str, BaseException] = field(default_factory=dict)
    retries: list[str] = field(default_factory=list)
    logs: list[list[LoggedEvent]] = field(default_factory=list)
    seconds: float = 0.0


async def chaos(size: Size, seed: int) -> Row:
    """Count errors under a seed's faults; every take can be rendered, so none may fail."""
    outcome = await render_all(size, seed)
    names = take_names(outcome.takes)
    counted = count_duplicates(outcome.logs, names)
    of_one_picture = {take.fingerprint for take in outcome.takes[-size.cached :]}
    cached = {prompt for prompt, take in names.items() if take in of_one_picture}
    events = [event for log in outcome.logs for event in log]
    figures = {
        "lost": len(outcome.lost),
        "doubled": len(counted.doubled),
        "false_failures": len(outcome.failed),
        "takes": len(outcome.takes),
        "renders": counted.renders,
        **{f"again_{reason}": count for reason, count in sorted(counted.again.items())},
        "retries": len(outcome.retries),
        "cached_sampled": sum(event.kind == "sampled" and event.prompt_id in cached for event in events),
        "seconds": round(outcome.seconds, 1),
    }
    findings = [
        *(f"lost {take.fingerprint[:12]}" for take in outcome.lost),
        *(f"doubled {name[:12]}: {renders}" for name, renders in counted.doubled.items()),
        *(f"failed {name[:12]}: {type(error).__name__}: {error}" for name, error in outcome.failed.items()),
    ]
    return Row(figures, "none lost, doubled or failed", not findings, findings)


async def render_all(size: Size, seed: int) -> Outcome:
    """Render all takes under a seed's faults: short and sampling ones shuffled, then the cached ones all at once."""
    mixed = [*short_takes(size.short), *takes(size.sampling, start=1)]
    random.Random(seed).shuffle(mixed)  # noqa: S311 - mixes
    cached = takes_of_one_picture(size.cached)
    outcome = Outcome([*mixed, *cached])
    plan = Plan([fault_schedule(seed, number) for number in range(_SERVERS)], _SECONDS)
    async with servers(plan) as served, stage(served.urls) as on:
        began = time.perf_counter()
        for part in (mixed, cached):
            await _render(on, part, outcome)
        outcome.seconds = time.perf_counter() - began
        outcome.logs = await served.event_logs()
        outcome.lost = [take for take in outcome.takes if not is_kept(take, on.folder)]
        outcome.retries = [type(error).__name__ for error in on.retries]
    return outcome


async def _render(on: Stage, part: Iterable[PlannedTake], outcome: Outcome) -> None:
    work = {asyncio.create_task(on.render(take)): take for take in part}
    if not work:
        return
    _, late = await asyncio.wait(work, timeout=_LONGEST)
    for task in late:
        task.cancel()
    for result, task in zip(await asyncio.gather(*work, return_exceptions=True), work, strict=True):
        if isinstance(result, BaseException):
            outcome.failed[work[task].fingerprint] = result


def take_names(planned: Iterable[PlannedTake]) -> dict[str, str]:
    """Return the fingerprints of takes, by all prompt ids that a take may have."""
    return {
        prompt_id(take.fingerprint, generation): take.fingerprint
        for take in planned
        for generation in range(_GENERATIONS)
    }


def is_kept(take: PlannedTake, folder: Path) -> bool:
    """Return whether the store has a take's record and its frames with the recorded hashes."""
    try:
        record = json.loads((folder / "takes" / f"{take.fingerprint}.json").read_bytes())
        contents = {frame["sha256"]: (folder / frame["key"]).read_bytes() for frame in record["frames"]}
    except FileNotFoundError:
        return False
    return bool(contents) and all(hashlib.sha256(content).hexdigest() == name for name, content in contents.items())
