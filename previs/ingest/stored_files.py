"""Copy frames and pictures from the store to temporary files."""

import asyncio
import re
from typing import Final

from previs.errors import FrameDamaged, RecordUnreadable, SourceUnavailable
from previs.pictures.spill import SpilledFile, SpillFolder
from previs.records.takes import Frame, InputPicture
from previs.store import Store, keys
from previs.store.bounds import too_large

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}\Z")


async def spill_frame(store: Store, frame: Frame, spill: SpillFolder) -> SpilledFile | None:
    """Return what :func:`spill_stored` does, for a frame of a manifest, which may name any key.

    Raises:
        RecordUnreadable: Also if the key is not that of a frame.
        FrameDamaged, SourceUnavailable, StoreRefused, StoreUnavailable: As there.
    """
    suffix = _SUFFIX.search(frame.key)
    if not _SHA256.fullmatch(frame.sha256) or frame.key != keys.frame_key(frame.sha256, suffix[0] if suffix else ""):
        raise RecordUnreadable("the manifest", f"it names a frame by {frame.key!r}, which is not the key of a frame")
    return await spill_stored(store, frame, spill)


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
