"""What is there already: the store is the cache across runs, workers and machines.

A take counts as made if its record can be read and every frame that it names is there with the right size. Anything
else is a miss, never an error: the take is rendered again and the record replaced.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from pydantic import ValidationError

from previs.comfyui.protocol.models import ModelFile, model_files
from previs.planning.plan import PlannedTake
from previs.records.takes import TakeRecord
from previs.store import Store, StoredFile, keys

Hashes = Mapping[str, Mapping[str, str]]
"""What servers tell of model files: hashes by the text of the file, and then by the server's name."""

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What the store has of a take.

    Attributes:
        record: as it was read; none where it is damaged.
        reason: why the take is rendered again all the same; empty if it is not.
        anew: whether a render that a server remembers will not do either.
    """

    record: TakeRecord | None
    reason: str = ""
    anew: bool = False

    @property
    def usable(self) -> TakeRecord | None:
        """The record, if it counts."""
        return None if self.reason else self.record


async def recorded(
    store: Store,
    fingerprints: Iterable[str],
    *,
    not_before: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Found]:
    """What there is of takes, by fingerprint; two listings and one read for each record.

    Args:
        store: where to look.
        fingerprints: of the takes of a run.
        not_before: what was made earlier is too old.
        say: is told of records that are damaged or lack frames.
    """
    there = await store.entries(keys.TAKES)
    wanted = [mark for mark in dict.fromkeys(fingerprints) if keys.take_key(mark) in there]
    if not wanted:
        return {}
    frames = await store.entries(keys.FRAMES)
    gate = asyncio.Semaphore(_AT_ONCE)

    async def read(mark: str) -> TakeRecord | str | None:
        async with gate:
            return await read_record(store, mark)

    found: dict[str, Found] = {}
    for mark, record in zip(wanted, await asyncio.gather(*(read(mark) for mark in wanted)), strict=True):
        if record is not None:
            found[mark] = _judged(record, frames, not_before)
            if found[mark].reason and not found[mark].anew:
                say(f"{found[mark].reason}: the take is rendered again")
    return found


async def read_record(store: Store, fingerprint: str) -> TakeRecord | str | None:
    """A take's record, or what is wrong with it, or nothing if there is none; its frames are not looked for."""
    key = keys.take_key(fingerprint)
    content = await store.get(key)
    if content is None:
        return None
    try:
        record = TakeRecord.model_validate_json(content)
    except ValidationError:
        return f"{key} is damaged"
    if record.fingerprint != fingerprint or not record.frames:
        return f"{key} is the record of another take"
    return record


def _judged(record: TakeRecord | str, frames: Mapping[str, StoredFile], not_before: datetime | None) -> Found:
    if isinstance(record, str):
        return Found(None, record)
    for frame in record.frames:
        if frame.key not in frames or frames[frame.key].size != frame.size:
            return Found(record, f"{frame.key} is missing or has another size")
    if not_before is not None and record.finished < not_before:
        return Found(
            record, f"it was made at {record.finished:%Y-%m-%d %H:%M} UTC, longer ago than the run allows", anew=True
        )
    return Found(record)


async def known_takes(
    takes: Collection[PlannedTake],
    store: Store,
    hashes: Callable[[Collection[ModelFile]], Awaitable[Hashes]],
    *,
    not_before: datetime | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Found]:
    """What there is of takes, by fingerprint; what was made with other model files is of no use.

    Args:
        takes: of a run.
        store: where to look.
        hashes: asks servers what they tell of model files.
        not_before: what was made earlier is too old.
        say: is told of records that are damaged or lack frames.
    """
    found = await recorded(store, (take.fingerprint for take in takes), not_before=not_before, say=say)
    with_models = [take for take in takes if (record := usable(take, found)) and record.models]
    told = await hashes(frozenset(chain(*(model_files(take.graph) for take in with_models))))
    for take in with_models:
        found[take.fingerprint] = model_replaced(found[take.fingerprint], told)
    return found


def model_replaced(found: Found, hashes: Hashes) -> Found:
    """The same, but to be rendered anew if a model file was replaced under its name.

    Args:
        found: of a take.
        hashes: that servers tell now; a file of which none tells any counts as the same.
    """
    for name, known in found.record.models.items() if found.record else ():
        told = hashes.get(name, {}).values()
        if told and known not in told:
            return replace(found, reason=f"{name} was replaced by another file", anew=True)
    return found


def usable(take: PlannedTake, found: Mapping[str, Found]) -> TakeRecord | None:
    """The record of a take that needs no render.

    Where nothing rendered earlier is wanted, only what this very run has rendered will do, before it was killed and
    started again.
    """
    record = one.usable if (one := found.get(take.fingerprint)) else None
    return record if record is None or not take.render_nonce or record.render_nonce == take.render_nonce else None


def renewed(take: PlannedTake, found: Found | None) -> PlannedTake:
    """The take, with prompts of its own where nothing that a server remembers will do.

    They are the same ones for every run that finds the same record, so that a run which was killed is joined.
    """
    if found is None or found.record is None or not found.anew or take.render_nonce:
        return take
    return replace(take, render_nonce=f"after {found.record.prompt_id} {found.record.finished.isoformat()}")
