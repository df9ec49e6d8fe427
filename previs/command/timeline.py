"""Write the timeline of a board for editing programs."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from previs.boards.runs import load_manifest, name_of
from previs.command.farm_and_store import option_store
from previs.command.output import not_written, write_error, write_line, write_new
from previs.editorial.cut import ONE_HOUR, CutSettings, make_cut
from previs.editorial.files import SUFFIXES, write_timeline
from previs.editorial.media import Media, find_media
from previs.errors import Fault, FrameDamaged, ShotListFaults
from previs.pictures.media import examine
from previs.pictures.playback import playback
from previs.publishing.views.sequences import totals
from previs.publishing.views.timecode import number
from previs.publishing.views.wording import plural
from previs.records.manifest import Manifest
from previs.store import FolderStore, Store


@dataclass(frozen=True, slots=True)
class TimelineOrder:
    """Hold the options of ``previs timeline``; see its help."""

    store: str | None
    board: str
    path: Path
    run: str | None = None
    media: Path | None = None
    audio: Path | None = None
    start: str = ONE_HOUR


async def write_cut(order: TimelineOrder) -> int:
    """Write the timeline, print a summary and return the exit code.

    Raises:
        NotInStore: The store has no such board or run.
        RecordUnreadable: The manifest cannot be used.
        ShotListFaults: The file exists, its format has no such frame rate, or an option cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    suffix = order.path.suffix.lower()
    if suffix not in SUFFIXES:
        raise not_written(order.path, f"a timeline is written as {', '.join(SUFFIXES)}")
    async with await option_store(order.store) as store:
        manifest, _ = await load_manifest(store, await name_of(store, order.board), order.run)
    media = await asyncio.to_thread(_media, manifest, order.media, store)
    settings = CutSettings(order.start, media.files)
    if order.audio is not None:
        settings = replace(settings, audio=await asyncio.to_thread(_sound, order.audio))
    made = await asyncio.to_thread(make_cut, manifest, settings)
    write_new(order.path, await asyncio.to_thread(write_timeline, made, suffix, manifest.fps, str(order.path)))
    counts = totals(manifest)
    length = f"{counts.frames:,} frames at {number(manifest.fps)} fps from {settings.start}"
    write_line(f"run {manifest.run}: {plural(counts.shots, 'shot')}, {length}")
    for notice in media.notices:
        write_error(f"note: {notice}")
    return 0


def _media(manifest: Manifest, folder: Path | None, store: Store) -> Media:
    """Return the files that the timeline links to: those of a folder, or else those of a store that is a folder."""
    if folder is not None:
        return find_media(manifest, folder)
    if not isinstance(store, FolderStore):
        remedy = "--media FOLDER names one that previs pull or previs animatic --shots-to has filled"
        return Media({}, (f"the shots are offline in the timeline, because {store.name} is no folder: {remedy}",))
    return Media(_in_store(manifest, store), ())


def _in_store(manifest: Manifest, store: FolderStore) -> Mapping[str, Path]:
    frames = {
        str(entry.shot_id): shown.frames[0] for entry in manifest.shots if (shown := entry.shown) and shown.frames
    }
    paths = {label: Path(store.uri(frame.key)) for label, frame in frames.items()}
    return {label: path for label, path in paths.items() if path.is_file()}


def _sound(path: Path) -> tuple[Path, float]:
    """Return a sound file with its length in seconds."""
    try:
        seconds = playback(path, examine(path, name=path.name)).duration
    except (OSError, FrameDamaged) as error:
        reason = error.reason if isinstance(error, FrameDamaged) else str(error.strerror)
        raise _no_sound(path, reason) from error
    if not seconds:
        raise _no_sound(path, "its length cannot be read")
    return path, seconds


def _no_sound(path: Path, reason: str) -> ShotListFaults:
    remedy = f"{reason}: give a sound file, such as WAV or MP3"
    return ShotListFaults("the sound", (Fault("--audio", "", str(path), remedy),))
