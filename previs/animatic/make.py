"""Make the animatic of a board: fetch the takes, and encode them in a thread, one shot after another."""

import asyncio
import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import av

from previs.animatic.decoder import Decoder, picture_request
from previs.animatic.film import Film, Report, Source, Subtitling
from previs.animatic.lettering import Lettering
from previs.animatic.sound import SoundFile, Sounds
from previs.animatic.sound_files import ShotSounds, shot_sounds, sound_file
from previs.animatic.subtitles import Subtitle, srt, subtitles
from previs.animatic.timeline import Cue, Timeline
from previs.animatic.web_sounds import fetch_sounds, is_url
from previs.errors import Fault, FrameDamaged, RecordUnreadable, ShotListFaults
from previs.ingest.reader import SourceReader
from previs.ingest.stored_files import spill_frame
from previs.pictures.spill import SpillFolder
from previs.publishing.fonts import Fonts, find_fonts
from previs.store import Store, keys
from previs.text.listing import first_of

_NAMED: Final = 5
_DISSOLVE: Final = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold how an animatic is made.

    Attributes:
        slates: Whether shot, take and timecode are burned in.
        subtitling: Whether the dialogue is burned in, or a track; both have a file ``.srt`` beside the film.
        fade: Seconds of the cross-fade at each cut; 0 for one only where the list names a dissolve or a fade.
        audio: Sound for the whole film.
        sounds: Folder with the sound files that shots name.
        font: File of a font that is used first.
        shots_to: Folder for films of the single shots.
    """

    slates: bool = False
    subtitling: Subtitling = "track"
    fade: float = 0
    audio: Path | None = None
    sounds: Path | None = None
    font: Path | None = None
    shots_to: Path | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Hold what was made.

    Attributes:
        subtitles: Number of subtitles.
        srt: File of the subtitles; None if there are none.
        shots: Files of the single shots.
        notices: Sentences on what is not as the board says.
        faults: Sentences on pictures and sounds that could not be used.
    """

    subtitles: int
    srt: Path | None
    shots: tuple[Path, ...]
    notices: tuple[str, ...]
    faults: tuple[str, ...]


async def make(
    store: Store,
    timeline: Timeline,
    path: Path,
    settings: Settings = Settings(),
    report: Report = lambda *_: None,
    reader: SourceReader | None = None,
) -> Made:
    """Write the animatic of a board, and what belongs to it; no file is overwritten.

    A picture that cannot be fetched or decoded does not prevent the others: a slate stands for it.

    Args:
        store: Store with the board's frames.
        timeline: What plays when.
        path: File to write.
        settings: How it is made.
        report: Callback for progress, which is called in another thread.
        reader: Fetches the sounds that shots name by URL; None for one of the store's.

    Raises:
        ShotListFaults: A file exists or cannot be written, or the settings name what is no sound or font.
        StoreRefused, StoreUnavailable: The store cannot be read; no file is left.
    """
    with contextlib.ExitStack() as stack:
        spill = stack.enter_context(SpillFolder())
        web, faults = await _from_web(timeline, store, reader, spill)
        parts = await asyncio.to_thread(_gather, timeline, path, settings, web)
        unfinished = {each: stack.enter_context(_new_file(each)) for each in parts.files}
        sounds = Sounds(timeline.fps, timeline.frames, parts.audio) if parts.has_sound else None
        if sounds is not None:
            stack.enter_context(sounds)
        with _writing(path):
            film = Film(
                timeline=timeline,
                path=unfinished[path],
                lettering=Lettering(parts.fonts),
                slates=settings.slates,
                subtitling=settings.subtitling,
                fade=round(settings.fade * timeline.fps),
                dissolve=max(1, round(_DISSOLVE * timeline.fps)),
                sounds=sounds,
                decoder=stack.enter_context(Decoder()),
                shot_paths=tuple(unfinished[each] for each in parts.own),
                report=report,
            )
            await _Reel(store, film, parts.sounds.files).run()
            if parts.srt is not None:
                unfinished[parts.srt].write_text(srt(parts.subtitles, timeline.fps), "utf-8")
            for each, part in unfinished.items():
                part.replace(each)
    notices = (*timeline.notices, *parts.sounds.notices, *filter(None, (parts.fonts.notice, _cut(film))))
    return Made(len(parts.subtitles), parts.srt, parts.own, notices, (*faults, *film.faults))


@dataclass(frozen=True, slots=True)
class _Parts:
    """Hold what a film is made of beside its takes, and the files to write."""

    audio: SoundFile | None
    sounds: ShotSounds
    fonts: Fonts
    subtitles: tuple[Subtitle, ...]
    has_sound: bool
    files: tuple[Path, ...]
    srt: Path | None
    own: tuple[Path, ...]


async def _from_web(
    timeline: Timeline, store: Store, reader: SourceReader | None, spill: SpillFolder
) -> tuple[dict[int, SoundFile], list[str]]:
    """Return the sounds that shots name by URL, and sentences on those that cannot be had."""
    if not any(is_url(cue.sound) for cue in timeline.cues):
        return {}, []
    if reader is not None:
        return await fetch_sounds(timeline, reader, spill)
    async with SourceReader.for_store(store) as own:
        return await fetch_sounds(timeline, own, spill)


def _gather(timeline: Timeline, path: Path, settings: Settings, web: Mapping[int, SoundFile]) -> _Parts:
    audio = sound_file(settings.audio) if settings.audio else None
    urls = {number for number, cue in enumerate(timeline.cues) if is_url(cue.sound)}
    found = shot_sounds(timeline, settings.sounds, urls)
    sounds = replace(found, files={**found.files, **web})
    entries = tuple(subtitles(timeline)) if settings.subtitling != "none" else ()
    beside = path.with_suffix(".srt") if entries else None
    own = _shot_paths(timeline, settings.shots_to) if settings.shots_to else ()
    has_clip = any(cue.frame is not None and cue.frame.kind == "video" for cue in timeline.cues)
    return _Parts(
        audio=audio,
        sounds=sounds,
        fonts=find_fonts(_drawn(timeline, settings), settings.font),
        subtitles=entries,
        has_sound=bool(audio or sounds.files or has_clip),
        files=(path, *((beside,) if beside else ()), *own),
        srt=beside,
        own=own,
    )


class _Reel:
    """Fetch the takes of a film, one ahead of the shot that is encoded."""

    def __init__(self, store: Store, film: Film, sounds: Mapping[int, SoundFile]) -> None:
        self._store, self._film = store, film
        self._sounds = sounds
        self._spill = SpillFolder()

    async def run(self) -> None:
        cues = self._film.timeline.cues
        loop = asyncio.get_running_loop()
        upcoming = asyncio.create_task(self._fetch(cues[0]))
        working: asyncio.Future[None] | None = None
        try:
            for number in range(len(cues)):
                source = await upcoming
                if number + 1 < len(cues):
                    upcoming = asyncio.create_task(self._fetch(cues[number + 1]))
                work = self._film.shot
                working = loop.run_in_executor(None, work, number, source, self._sounds.get(number))
                await asyncio.shield(working)
                if source.path is not None:
                    source.path.unlink(missing_ok=True)
            working = loop.run_in_executor(None, self._film.finish)
            await asyncio.shield(working)
        finally:
            self._film.stop()
            upcoming.cancel()
            await asyncio.gather(upcoming, *([working] if working else []), return_exceptions=True)
            self._spill.__exit__()

    async def _fetch(self, cue: Cue) -> Source:
        """Copy a take to a temporary file and ask for it, or return why it cannot be shown."""
        frame = cue.frame
        if frame is None:
            return Source(reason=cue.reason)
        fault = ""
        try:
            stored = await spill_frame(self._store, frame, self._spill)
            if stored is not None:
                self._film.decoder.ask(picture_request(cue, self._film.timeline, stored.path))
                return Source(stored.path)
            fault = f"{frame.key} is missing from {self._store.name}: run the list again to render it again"
        except (FrameDamaged, RecordUnreadable) as error:
            fault = str(error)
        self._film.faults.append(f"shot {cue.label}, take {cue.take}: {fault}")
        return Source(reason=fault)


def _drawn(timeline: Timeline, settings: Settings) -> Iterator[str]:
    """Yield the texts that may be drawn."""
    for cue in timeline.cues:
        yield f"{cue.sequence} {cue.label} take {cue.pass_name}"
        if settings.subtitling == "burn":
            yield cue.dialogue
        if cue.frame is None:
            yield f"{cue.reason} {cue.description}"


def _shot_paths(timeline: Timeline, folder: Path) -> tuple[Path, ...]:
    """Return the files of the single shots: ``SQ010_SH020.mp4``; the folder is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(folder, os.strerror(error.errno or 0)) from error
    return tuple(folder / f"{keys.part(cue.label)}.mp4" for cue in timeline.cues)


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[Path]:
    """Reserve a name, and yield the path to write to; what is unfinished at the end is removed."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.open("xb").close()
    except FileExistsError as error:
        raise _not_written(path, "it already exists: move it away, or give another name") from error
    except OSError as error:
        raise _not_written(path, os.strerror(error.errno or 0)) from error
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        if path.stat().st_size == 0:
            path.unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Translate what the encoder raises where it cannot write."""
    try:
        yield
    except (OSError, av.FFmpegError) as error:
        raise _not_written(path, getattr(error, "strerror", None) or str(error)) from error


def _not_written(path: Path, remedy: str) -> ShotListFaults:
    return ShotListFaults(str(path), (Fault("the file", "write", "", remedy),))


def _cut(film: Film) -> str:
    cut = film.burn_in.cut
    return f"subtitles longer than three lines end with …: shots {first_of(cut, _NAMED)}" if cut else ""
