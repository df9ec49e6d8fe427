"""Encode the film of a board, and films of its shots, one shot at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from previs.animatic.burn_in import BurnIn, Marks
from previs.animatic.decoder import Decoder, Undecodable
from previs.animatic.lettering import Lettering
from previs.animatic.movie import Movie
from previs.animatic.planes import Planes
from previs.animatic.sound import SoundFile, Sounds
from previs.animatic.subtitles import subtitle_text, subtitles
from previs.animatic.timeline import Cue, Timeline
from previs.pictures.playback import READERS

Subtitling = Literal["burn", "track", "none"]
Report = Callable[[int, int], None]
"""Receives the number of frames that are written and the number of all frames."""

_REPORTED: Final = 24
_SHORTEST_PART: Final = 2
"""A cross-fade takes at most one of so many parts of a shot."""


class Stopped(Exception):
    """Say that somebody stopped the film."""


@dataclass(slots=True)
class Source:
    """Hold the file of a shot's take, or why it cannot be shown, or both."""

    path: Path | None = None
    reason: str = ""


@dataclass(slots=True)
class _Track:
    """Write one file, and know which frame is placed there."""

    movie: Movie
    placed: Planes | None = None


@dataclass(slots=True)
class Film:
    """Write the film of a board; call ``shot`` for all cues in order, then ``finish``.

    Attributes:
        timeline: What plays when.
        path: File to write.
        lettering: Fonts of the film.
        slates: Whether shot, take and timecode are burned in.
        subtitling: What becomes of the dialogue.
        fade: Frames of the cross-fade at each cut.
        dissolve: Frames of the cross-fade at a cut where the list names one; ``fade`` comes first.
        sounds: Its sound; None for none.
        decoder: Decodes the takes, which were asked for in the order of the cues.
        shot_paths: File of each shot's own film, by the number of its cue.
        report: Callback for progress.
        faults: Sentences on pictures that could not be shown.
    """

    timeline: Timeline
    path: Path
    lettering: Lettering
    slates: bool
    subtitling: Subtitling
    fade: int
    dissolve: int
    sounds: Sounds | None
    decoder: Decoder
    shot_paths: tuple[Path, ...]
    report: Report
    faults: list[str] = field(default_factory=list)
    burn_in: BurnIn = field(init=False)
    _film: _Track = field(init=False)
    _last: Planes | None = None
    _done: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Begin the file."""
        texts = subtitles(self.timeline) if self.subtitling == "track" else []
        movie = self._movie(self.path, title=self.timeline.title, texts=texts, lang=self.timeline.lang)
        self._film = _Track(movie)
        burns = self.subtitling == "burn"
        self.burn_in = BurnIn(self.timeline, self.lettering, movie.layout, self.slates, burns)

    def stop(self) -> None:
        """Make the shot at work raise ``Stopped``, also if it waits for a decoder; any thread may call this."""
        self._stop.set()
        self.decoder.close()
        if self.sounds is not None:
            self.sounds.close()

    def shot(self, number: int, source: Source, sound: SoundFile | None) -> None:
        """Write a shot.

        Args:
            number: Number of its cue.
            source: File of its take, for which the decoder was asked.
            sound: File that is heard with it; None for the sound of its own clip.

        Raises:
            Stopped: Somebody stopped the film.
        """
        cue = self.timeline.cues[number]
        with ExitStack() as files:
            tracks = [self._film]
            if self.shot_paths:
                own = self._movie(self.shot_paths[number], title=cue.label)
                files.callback(own.close)
                tracks.append(_Track(own))
            self._pictures(cue, source, tracks)
            for samples in self._samples(cue, source, sound):
                for track in tracks:
                    track.movie.sound(samples)

    def finish(self) -> None:
        """Close the file."""
        self._film.movie.close()
        if self.sounds is not None:
            self.faults += self.sounds.finish()

    def _movie(self, path: Path, **options: object) -> Movie:
        size = (self.timeline.canvas.width, self.timeline.canvas.height)
        return Movie(path, size, self.timeline.fps, has_sound=self.sounds is not None, **options)  # type: ignore[arg-type]

    def _pictures(self, cue: Cue, source: Source, tracks: list[_Track]) -> None:
        marks = self.burn_in.marks(cue, subtitle_text(cue.dialogue))
        before, wanted = self._last, self.fade or (self.dissolve if cue.fades_in else 0)
        fading = 0 if before is None else min(wanted, cue.frames // _SHORTEST_PART)
        index = 0
        for times, planes in self._planes(cue, source):
            drawn = self.burn_in.draw(planes, marks)
            for _ in range(times):
                faded = drawn
                if before is not None and index < fading:
                    faded = self.burn_in.draw(before.blend(planes, (index + 1) / (fading + 1)), marks)
                self._show(tracks[:1], faded, marks, cue.start + index, is_cut=index == 0)
                self._show(tracks[1:], drawn, marks, cue.start + index, is_cut=index == 0)
                index += 1
            self._last = planes

    def _planes(self, cue: Cue, source: Source) -> Iterator[tuple[int, Planes]]:
        """Yield the frames of a shot, and how many times each is shown; a slate in place of those that it lacks."""
        left, reason = cue.frames, source.reason
        if source.path is not None:
            try:
                for times, content in self.decoder.answer():
                    planes = Planes.read(content, self._film.movie.layout)
                    yield min(times, left), planes
                    left -= min(times, left)
            except (Undecodable, ValueError) as error:
                reason = str(error)
                self.faults.append(f"shot {cue.label}, take {cue.take}: {reason}")
                source.reason = reason
        if left:
            yield left, self.burn_in.missing(cue, reason)

    def _show(self, tracks: list[_Track], planes: Planes, marks: Marks, position: int, *, is_cut: bool) -> None:
        if self._stop.is_set():
            raise Stopped
        for track in tracks:
            if track.placed is not planes:
                track.movie.place(planes)
                track.placed = planes
            if marks.slate is not None:
                track.movie.place(self.burn_in.time(planes, position))
            track.movie.show(is_cut=is_cut)
            if track is self._film:
                self._done += 1
                if self._done % _REPORTED == 0 or self._done == self.timeline.frames:
                    self.report(self._done, self.timeline.frames)

    def _samples(self, cue: Cue, source: Source, sound: SoundFile | None) -> Iterator[bytes]:
        if self.sounds is None:
            return
        heard = sound
        if heard is None and source.path and not source.reason and cue.frame and cue.frame.kind == "video":
            reader = READERS.get(cue.frame.media_type)
            heard = SoundFile(f"of shot {cue.label}", source.path, reader) if reader else None
        for samples in self.sounds.until(cue.start + cue.frames, heard):
            if self._stop.is_set():
                raise Stopped
            yield samples
