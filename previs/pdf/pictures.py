"""Fetch the pictures of panels from the store, one after another, and shrink them to what a page needs."""

import asyncio
import io
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from previs.errors import Fault, FrameDamaged, NotAPicture, RecordUnreadable, ShotListFaults
from previs.ingest.decoding import scaled
from previs.ingest.stored_files import spill_frame
from previs.pdf.panels import Panel
from previs.pdf.paper import Sheet
from previs.pictures.spill import SpillFolder
from previs.publishing.views.thumbnails import flat
from previs.records.takes import Frame
from previs.store import Store

_AT_ONCE: Final = 4
# Documents of at most so many pictures have so many dots per inch.
_RESOLUTIONS: Final = ((600, 180), (2_400, 110))
_LOWEST: Final = 72
_LOGO: Final = (1_000, 400)
_INCH: Final = 25.4
_QUALITY: Final = 82


@dataclass(frozen=True, slots=True)
class Shown:
    """Hold a picture as JPEG, with its width and height in pixels."""

    jpeg: bytes
    size: tuple[int, int]


def pixels(sheet: Sheet, pictures: int) -> tuple[int, int]:
    """Return the largest width and height of a panel's picture in pixels; the more pictures, the fewer."""
    resolution = next((each for most, each in _RESOLUTIONS if pictures <= most), _LOWEST)
    box = sheet.rooms[0].picture
    return round(box.width / _INCH * resolution), round(box.height / _INCH * resolution)


async def pictures(
    store: Store, panels: Sequence[Panel], box: tuple[int, int], spill: SpillFolder, faults: list[str]
) -> AsyncGenerator[Shown | None, None]:
    """Yield the picture of each panel, None for one without; a few are fetched ahead.

    A frame that is missing, damaged or cannot be decoded is replaced by its thumbnail, and a sentence on it is added.

    Args:
        store: Store with the frames.
        panels: Panels, in order.
        box: Largest width and height in pixels.
        spill: Folder for temporary files.
        faults: Sentences on frames that could not be used.

    Raises:
        SourceUnavailable: The temporary folder cannot be written to.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    left = iter(panels)
    ahead: deque[tuple[Panel, asyncio.Task[Shown | str | None]]] = deque()
    try:
        while True:
            for panel in islice(left, _AT_ONCE - len(ahead)):
                ahead.append((panel, asyncio.create_task(_fetched(store, panel.frame, box, spill))))
            if not ahead:
                return
            panel, work = ahead[0]
            found = await work
            ahead.popleft()
            if isinstance(found, str):
                faults.append(f"{panel.name}: {found}")
                found = await asyncio.to_thread(_thumbnail, panel.frame)
            yield found
    finally:
        for _, work in ahead:
            work.cancel()
        await asyncio.gather(*(work for _, work in ahead), return_exceptions=True)


async def logo(path: Path, spill: SpillFolder) -> Shown:
    """Return a picture of the user's.

    Raises:
        ShotListFaults: It is no picture that can be read.
    """
    target = spill.new()
    try:
        size = await scaled(path, target.path, box=_LOGO, uri=str(path))
        return Shown(await asyncio.to_thread(target.path.read_bytes), size)
    except OSError as error:
        reason = error.strerror or type(error).__name__
    except NotAPicture as error:
        reason = error.reason
    remedy = f"give a picture as PNG, JPEG, WEBP, GIF, BMP or TIFF: {reason}"
    raise ShotListFaults("the logo", (Fault("--logo", "", str(path), remedy),))


async def _fetched(store: Store, frame: Frame | None, box: tuple[int, int], spill: SpillFolder) -> Shown | str | None:
    """Return a picture, None if there is none, or why it cannot be used."""
    if frame is None:
        return None
    target = spill.new()
    try:
        stored = await spill_frame(store, frame, spill)
        if stored is None:
            return f"{frame.key} is missing from {store.name}: run the list again to render it again"
        try:
            size = await scaled(stored.path, target.path, box=box, uri=frame.key)
        finally:
            await asyncio.to_thread(stored.path.unlink, missing_ok=True)
        return Shown(await asyncio.to_thread(target.path.read_bytes), size)
    except (FrameDamaged, RecordUnreadable) as error:
        return str(error)
    except NotAPicture as error:
        return f"{frame.key} cannot be shown: {error.reason}"
    finally:
        await asyncio.to_thread(target.path.unlink, missing_ok=True)


def _thumbnail(frame: Frame | None) -> Shown | None:
    picture = flat(frame.thumbnail) if frame and frame.thumbnail else None
    if picture is None:
        return None
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_QUALITY)
    return Shown(jpeg.getvalue(), picture.size)
