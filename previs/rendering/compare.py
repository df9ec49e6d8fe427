"""Compare two renders of one take by their bytes, or else by their pixels."""

from collections.abc import Sequence
from itertools import chain, repeat
from typing import Literal

from previs.errors import FrameDamaged, RecordUnreadable
from previs.ingest import decoding
from previs.ingest.stored_files import spill_stored
from previs.pictures.spill import SpillFolder
from previs.records.takes import Frame
from previs.store import Store, keys

Comparison = Literal["same bytes", "same pixels", "other pixels", "other bytes", "new"]
"""How a frame compares to the one before; ComfyUI writes the prompt's id into its PNGs, so bytes mostly differ."""


async def compare_frames(before: Sequence[Frame], after: Sequence[Frame], store: Store) -> list[Comparison]:
    """Compare each frame of a take to the one before it; images with other bytes are compared by their pixels.

    Args:
        before: Frames of the earlier render, which may be missing from the store.
        after: Frames of the later render.
        store: Store of the frames.

    Raises:
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    pairs = zip(chain(before, repeat(None)), after, strict=False)
    return [await _compare(old, new, store) for old, new in pairs]


async def _compare(old: Frame | None, new: Frame, store: Store) -> Comparison:
    if old is None:
        return "new"
    if old.sha256 == new.sha256:
        return "same bytes"
    if old.kind != "image" or new.kind != "image":
        return "other bytes"
    one, other = [await _pixels_of(frame, store) for frame in (old, new)]
    if one is None or other is None:
        return "other bytes"
    return "same pixels" if one == other else "other pixels"


async def _pixels_of(frame: Frame, store: Store) -> list[tuple[tuple[int, int], str, str]] | None:
    # The key may come from a stranger's manifest.
    if keys.fault_of(frame.key):
        return None
    try:
        file = await spill_stored(store, frame, SpillFolder())
    except (FrameDamaged, RecordUnreadable):
        return None
    return None if file is None else await decoding.pixels_of(file.path)
