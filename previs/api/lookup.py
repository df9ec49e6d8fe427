"""Look up one take in the store, without listing all of it."""

import asyncio
from collections.abc import Callable

from previs.comfyui.protocol.models import model_files
from previs.planning.cache import Found, check_models, check_record
from previs.planning.plan import PlannedTake
from previs.records.takes import TakeRecord
from previs.rendering.cache_lookup import read_record
from previs.rendering.context import RunContext
from previs.store import Store, StoredFile


async def find_take(take: PlannedTake, context: RunContext, warn: Callable[[str], None]) -> Found | None:
    """Return what the store has of a take, or None if it has no record of it.

    Args:
        take: The take.
        context: Where to look, and the servers that know the model files.
        warn: Receives a sentence if the record is damaged or its frames are missing.
    """
    record = await read_record(context.store, take.fingerprint)
    if record is None:
        return None
    frames = await _frames_beside(record, context.store) if isinstance(record, TakeRecord) else {}
    found = check_record(record, frames, None)
    if found.reason:
        warn(f"{found.reason}: the take is rendered again")
    elif isinstance(record, TakeRecord) and record.models:
        return check_models(found, await context.farm.model_hashes(frozenset(model_files(take.graph))))
    return found


async def _frames_beside(record: TakeRecord, store: Store) -> dict[str, StoredFile]:
    """Return the files in the folders of a record's frames; there are 256 such folders in a store."""
    folders = {frame.key.rpartition("/")[0] for frame in record.frames}
    listed = await asyncio.gather(*(store.entries(folder) for folder in folders))
    return {key: file for files in listed for key, file in files.items()}
