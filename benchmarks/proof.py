"""Check that a store holds what a run reports."""

import asyncio
import hashlib
from collections.abc import Iterator

from pydantic import ValidationError

from previs.boards.runs import load_manifest
from previs.errors import NotInStore, RecordUnreadable
from previs.records.manifest import TakeEntry
from previs.records.takes import TakeRecord
from previs.store import Store, keys

_AT_ONCE = 16


async def flaws(store: Store, board: str, shots: int) -> list[str]:
    """List what is missing, damaged or superfluous in a board's latest run; each frame is read whole.

    Args:
        store: Store of the board, with no other renders in it.
        board: Name of the board.
        shots: Expected number of shots, with one take and one frame each.
    """
    try:
        manifest, _ = await load_manifest(store, board)
    except (NotInStore, RecordUnreadable) as error:
        return [str(error)]
    takes = [take for entry in manifest.shots for take in entry.takes]
    gate = asyncio.Semaphore(_AT_ONCE)

    async def flaws_of(take: TakeEntry) -> list[str]:
        async with gate:
            content = await store.get(keys.take_key(take.fingerprint))
            files = [await store.get(frame.key) for frame in take.frames]
        return list(_flaws(take, content, files))

    found = [flaw for each in await asyncio.gather(*map(flaws_of, takes)) for flaw in each]
    counts = {prefix: len(await store.entries(prefix)) for prefix in (keys.TAKES, keys.FRAMES)}
    counts["the manifest"] = len(takes)
    return found + [f"{name} has {count}, not {shots}" for name, count in counts.items() if count != shots]


def _flaws(take: TakeEntry, content: bytes | None, files: list[bytes | None]) -> Iterator[str]:
    if not take.frames:
        yield f"{take.fingerprint}: {take.outcome}, {take.error}"
    try:
        record = TakeRecord.model_validate_json(content or b"")
    except ValidationError:
        yield f"{take.fingerprint} has no record that can be read"
    else:
        if (record.fingerprint, record.frames, record.seed) != (take.fingerprint, take.frames, take.seed):
            yield f"{take.fingerprint} has the record of something else"
    for frame, stored in zip(take.frames, files, strict=True):
        if stored is None or hashlib.sha256(stored).hexdigest() != frame.sha256:
            yield f"{frame.key} is {'missing' if stored is None else 'damaged'}"
