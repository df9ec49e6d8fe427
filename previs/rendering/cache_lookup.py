"""Look up takes in the store."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import datetime
from itertools import chain

from previs.comfyui.protocol.models import ModelFile, model_files
from previs.errors import StoreRefused
from previs.planning.cache import Found, Hashes, check_models, check_record, parse_record, usable
from previs.planning.plan import PlannedTake, with_retries
from previs.records.takes import TakeRecord
from previs.store import Store, StoredFile, keys
from previs.store.bounds import RECORD_BYTES
from previs.store.record_files import get_record

_READS_AT_ONCE = 16
# More have no place in a manifest that can be read again, unless there are very many takes.
_MOST_BYTES = 200_000_000
_BYTES_PER_TAKE = 64_000


async def read_record(store: Store, fingerprint: str) -> TakeRecord | str | None:
    """Return a take's record, or what is wrong with it, or None if there is none; its frames are not looked for."""
    return parse_record(await get_record(store, keys.take_key(fingerprint)), fingerprint)


async def recorded_takes(
    store: Store,
    fingerprints: Iterable[str],
    *,
    not_before: datetime | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> dict[str, Found]:
    """Return what the store has of takes, by fingerprint; this costs two listings and one read per record.

    Args:
        store: Where to look.
        fingerprints: Fingerprints of a run's takes.
        not_before: When the oldest usable take was made; None for any age.
        warn: Receives a sentence for each record that is damaged or lacks frames.

    Raises:
        StoreRefused: The records are too large together.
    """
    listed = await store.entries(keys.TAKES)
    wanted = [each for each in dict.fromkeys(fingerprints) if keys.take_key(each) in listed]
    if not wanted:
        return {}
    _refuse_too_large([listed[keys.take_key(each)] for each in wanted], store)
    frames = await store.entries(keys.FRAMES)
    gate = asyncio.Semaphore(_READS_AT_ONCE)

    async def read(fingerprint: str) -> TakeRecord | str | None:
        async with gate:
            return await read_record(store, fingerprint)

    records = zip(wanted, await asyncio.gather(*(read(each) for each in wanted)), strict=True)
    found = {each: check_record(record, frames, not_before) for each, record in records if record is not None}
    for one in found.values():
        if one.reason and not one.outdated:
            warn(f"{one.reason}: the take is rendered again")
    return found


async def cached_takes(
    takes: Collection[PlannedTake],
    store: Store,
    hashes: Callable[[Collection[ModelFile]], Awaitable[Hashes]],
    *,
    not_before: datetime | None = None,
    warn: Callable[[str], None] = lambda _: None,
) -> dict[str, Found]:
    """Return what the store has of takes and retries, by fingerprint; those made with other model files are outdated.

    Args:
        takes: Takes of a run.
        store: Where to look.
        hashes: Asks servers for hashes of model files.
        not_before: When the oldest usable take was made; None for any age.
        warn: Receives a sentence for each record that is damaged or lacks frames.
    """
    takes = with_retries(takes)
    found = await recorded_takes(store, (take.fingerprint for take in takes), not_before=not_before, warn=warn)
    with_models = [take for take in takes if (record := usable(take, found)) and record.models]
    current = await hashes(frozenset(chain(*(model_files(take.graph) for take in with_models))))
    for take in with_models:
        found[take.fingerprint] = check_models(found[take.fingerprint], current)
    return found


def _refuse_too_large(records: Collection[StoredFile], store: Store) -> None:
    """Raise ``StoreRefused`` if records are too large together; one that is too large by itself is not read."""
    size = sum(each.size for each in records if each.size <= RECORD_BYTES)
    most = _MOST_BYTES + _BYTES_PER_TAKE * len(records)
    if size > most:
        reason = f"the records of {len(records)} takes have {size:,} bytes, more than {most:,}"
        raise StoreRefused(store.name, f"{reason}: delete the largest in {keys.TAKES}, and those takes are made again")
