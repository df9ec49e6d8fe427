"""Renders in bad weather: how many takes were lost, doubled, or said to have failed."""

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.duplicate_count import tally
from benchmarks.event_log import Happening
from benchmarks.fault_schedule import weather
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
    """Takes of a storm.

    Attributes:
        short: that take no time.
        sampling: that take 100 ms.
        cached: for which a server samples nothing after the first of them, until it is restarted.
    """

    short: int
    sampling: int
    cached: int


@dataclass(slots=True)
class Outcome:
    """Of a storm.

    Attributes:
        lost: takes without a record, or whose frames are not whole in the store.
        failed: takes that raised, with what they raised.
        accounts: what happened on each server.
    """

    takes: Sequence[PlannedTake]
    lost: list[PlannedTake] = field(default_factory=list)
    failed: dict[str, BaseException] = field(default_factory=dict)
    retries: list[str] = field(default_factory=list)
    accounts: list[list[Happening]] = field(default_factory=list)
    seconds: float = 0.0


async def storm(size: Size, seed: int) -> Row:
    """Count what a storm did wrong; nothing is wrong with any take, so none may fail."""
    outcome = await weather_a_storm(size, seed)
    names = take_names(outcome.takes)
    counted = tally(outcome.accounts, names)
    cached = {
        each for each, take in names.items() if take in {each.fingerprint for each in outcome.takes[-size.cached :]}
    }
    figures = {
        "lost": len(outcome.lost),
        "doubled": len(counted.doubled),
        "false_failures": len(outcome.failed),
        "takes": len(outcome.takes),
        "renders": counted.renders,
        **{f"again_{excuse}": count for excuse, count in sorted(counted.again.items())},
        "retries": len(outcome.retries),
        "cached_sampled": sum(each.kind == "sampled" and each.prompt_id in cached for each in _all(outcome)),
        "seconds": round(outcome.seconds, 1),
    }
    findings = [
        *(f"lost {take.fingerprint[:12]}" for take in outcome.lost),
        *(f"doubled {name[:12]}: {renders}" for name, renders in counted.doubled.items()),
        *(f"failed {name[:12]}: {type(error).__name__}: {error}" for name, error in outcome.failed.items()),
    ]
    return Row(figures, "none lost, doubled or failed", not findings, findings)


async def weather_a_storm(size: Size, seed: int) -> Outcome:
    """Render all takes of a storm: the cached ones last and all at once, the others mixed."""
    mixed = [*short_takes(size.short), *takes(size.sampling, start=1)]
    random.Random(seed).shuffle(mixed)  # noqa: S311 - mixes
    cached = takes_of_one_picture(size.cached)
    outcome = Outcome([*mixed, *cached])
    plan = Plan([weather(seed, number) for number in range(_SERVERS)], _SECONDS)
    async with servers(plan) as served, stage(served.urls) as on:
        began = time.perf_counter()
        for part in (mixed, cached):
            await _render(on, part, outcome)
        outcome.seconds = time.perf_counter() - began
        outcome.accounts = await served.accounts()
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
    for end, task in zip(await asyncio.gather(*work, return_exceptions=True), work, strict=True):
        if isinstance(end, BaseException):
            outcome.failed[work[task].fingerprint] = end


def take_names(planned: Iterable[PlannedTake]) -> dict[str, str]:
    """Fingerprints of takes, by all the ids that prompts of them may have."""
    return {
        prompt_id(take.fingerprint, generation): take.fingerprint
        for take in planned
        for generation in range(_GENERATIONS)
    }


def is_kept(take: PlannedTake, folder: Path) -> bool:
    """Whether the store has a take's record, and every frame that it names with the bytes that it names."""
    try:
        record = json.loads((folder / "takes" / f"{take.fingerprint}.json").read_bytes())
        contents = {frame["sha256"]: (folder / frame["key"]).read_bytes() for frame in record["frames"]}
    except FileNotFoundError:
        return False
    return bool(contents) and all(hashlib.sha256(content).hexdigest() == name for name, content in contents.items())


def _all(outcome: Outcome) -> Iterable[Happening]:
    return (each for progress in outcome.accounts for each in progress)
