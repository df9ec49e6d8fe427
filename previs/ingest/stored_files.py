"""Copy frames and pictures from the store to temporary files."""

import asyncio

from previs.errors import FrameDamaged, RecordUnreadable, SourceUnavailable
from previs.pictures.spill import SpilledFile, SpillFolder
from previs.records.takes import Frame, InputPicture
from previs.store import Store
from previs.store.bounds import too_large


async def spill_stored(store: Store, stored: Frame | InputPicture, spill: SpillFolder) -> SpilledFile | None:
    """Return a temporary file with the bytes of a stored one, or None if it is missing from the store.

    Raises:
        RecordUnreadable: It has more bytes than the spill folder may hold.
        FrameDamaged: The store holds other bytes.
        SourceUnavailable: It cannot be kept in the temporary folder.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    if stored.size > spill.most:
        raise too_large(store.uri(stored.key), spill.most)
    file = spill.new()
    try:
        if not await store.get_file(stored.key, file.path, limit=stored.size):
            return None
        if await asyncio.to_thread(file.digest) == stored.sha256:
            return file
        await asyncio.to_thread(file.path.unlink)
    except RecordUnreadable as error:
        await asyncio.to_thread(file.path.unlink, missing_ok=True)
        raise _other_bytes(store, stored) from error
    except OSError as error:
        reason = f"it cannot be kept in the temporary folder {file.path.parent}: {error.strerror}"
        raise SourceUnavailable(stored.key, reason) from error
    raise _other_bytes(store, stored)


def _other_bytes(store: Store, stored: Frame | InputPicture) -> FrameDamaged:
    return FrameDamaged(stored.key, f"{store.name} holds other bytes than those that its record names")
