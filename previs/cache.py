"""What is there already: the store is the cache across runs, workers and machines.

A take counts as made if its record can be read and every frame that it names is there with the right size. Anything
else is a miss, never an error: the take is rendered again and the record replaced.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from pydantic import ValidationError

from previs.records import TakeRecord
from previs.store import Store, keys

_AT_ONCE = 16


async def recorded(
    store: Store, fingerprints: Iterable[str], *, say: Callable[[str], None] = lambda _: None
) -> dict[str, TakeRecord]:
    """The takes that need no render, by fingerprint; two listings and one read for each record.

    Args:
        store: where to look.
        fingerprints: of the takes of a run.
        say: is told of records that cannot be used.
    """
    there = await store.sizes(keys.TAKES)
    wanted = [mark for mark in dict.fromkeys(fingerprints) if keys.take_key(mark) in there]
    if not wanted:
        return {}
    frames = await store.sizes(keys.FRAMES)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(mark: str) -> TakeRecord | None:
        async with gate:
            content = await store.get(keys.take_key(mark))
        return _usable(mark, content, frames, say)

    records = await asyncio.gather(*(read(mark) for mark in wanted))
    return {record.fingerprint: record for record in records if record is not None}


def _usable(
    mark: str, content: bytes | None, frames: Mapping[str, int], say: Callable[[str], None]
) -> TakeRecord | None:
    if content is None:
        return None
    try:
        record = TakeRecord.model_validate_json(content)
    except ValidationError:
        say(f"{keys.take_key(mark)} is damaged: the take is rendered again")
        return None
    if record.fingerprint != mark or not record.frames:
        say(f"{keys.take_key(mark)} is the record of another take: the take is rendered again")
        return None
    if missing := [frame.key for frame in record.frames if frames.get(frame.key) != frame.size]:
        say(f"{missing[0]} is missing or has another size: the take is rendered again")
        return None
    return record
