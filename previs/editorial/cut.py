"""Make the timeline of a board: one clip a shot, each for exactly its frames."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import Clip, ExternalReference, Marker, MissingReference, Timeline, Track, TrackKind

from previs.editorial.reels import reel_names
from previs.errors import Fault, ShotListFaults
from previs.publishing.views.film import film_of
from previs.publishing.views.sequences import Placed, sequences
from previs.publishing.views.timecode import exact_fps
from previs.publishing.views.wording import clean, one_line
from previs.records.manifest import Manifest
from previs.text.visible import visible

METADATA: Final = "previs"
"""Key under which clips and the timeline keep what previs says of them."""

_TIMECODE: Final = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)[:;](\d{2,3})")
ONE_HOUR: Final = "01:00:00:00"
"""Timecode of the first frame, as most films have it."""


@dataclass(frozen=True, slots=True)
class CutSettings:
    """Say how a timeline is made.

    Attributes:
        start: Timecode of the first frame.
        files: Absolute paths of the shots' files, by label; a shot without one is offline.
        audio: Sound file that plays from the first frame on, with its length in seconds.
    """

    start: str = ONE_HOUR
    files: Mapping[str, Path] = field(default_factory=dict)
    audio: tuple[Path, float] | None = None


def make_cut(manifest: Manifest, settings: CutSettings = CutSettings()) -> Timeline:
    """Return the timeline of a board, with a track of its shots and one of its sound.

    Raises:
        ShotListFaults: The board has no time, no film has its frame rate, or the start is no timecode at this rate.
    """
    fps = exact_fps(manifest.fps)
    start = frames_of(settings.start, fps)
    made = Timeline(one_line(manifest.title) or one_line(manifest.board), global_start_time=_time(start, fps))
    made.metadata[METADATA] = {"board": manifest.board, "run": manifest.run, "number": manifest.number}
    pictures = Track("V1", kind=TrackKind.Video)
    placed = [each for group in sequences(manifest) for each in group.shots if each.frames]
    if not placed:
        raise ShotListFaults("the board", (Fault("the board", "duration", "", "no shot has a duration"),))
    reels = reel_names(str(each.shot.shot_id) for each in placed)
    pictures.extend([_clip(each, reel, settings.files, fps) for each, reel in zip(placed, reels, strict=True)])
    made.tracks.append(pictures)
    if settings.audio is not None:
        made.tracks.append(_sound(*settings.audio, sum(each.frames for each in placed), fps))
    return made


def frames_of(timecode: str, fps: Fraction) -> int:
    """Return a timecode, without drop frames, as a number of frames.

    Raises:
        ShotListFaults: It is no timecode at this rate.
    """
    found, rate = _TIMECODE.fullmatch(timecode.strip()), round(fps)
    if found is None or int(found[4]) >= rate:
        fault = Fault("--start", "", timecode, f"give hours, minutes, seconds and frames at {rate} fps: {ONE_HOUR}")
        raise ShotListFaults("the options", (fault,))
    hours, minutes, seconds, frames = map(int, found.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * rate + frames


def _time(frames: int, fps: Fraction) -> RationalTime:
    return RationalTime(frames, float(fps))


def _clip(placed: Placed, reel: str, files: Mapping[str, Path], fps: Fraction) -> Clip:
    entry, shown = placed.shot, placed.shot.shown
    label, whole = str(entry.shot_id), TimeRange(_time(0, fps), _time(placed.frames, fps))
    name = visible(label)
    path = files.get(label)
    media = ExternalReference(path.as_uri(), whole) if path else MissingReference(available_range=whole)
    media.name = path.name if path else name
    clip = Clip(name, media, whole)
    clip.markers.extend(_markers(entry.shot, fps))
    facts: dict[str, Any] = {"shot_id": entry.shot_id, "sequence": entry.sequence}
    if shown is not None:
        facts |= {
            "take": shown.take,
            "pass": shown.pass_name or None,
            "fingerprint": shown.fingerprint,
            # Seeds have up to 64 bits, of which JavaScript reads 53.
            "seed": None if shown.seed is None else str(shown.seed),
            "server": shown.server,
        }
    clip.metadata[METADATA] = facts
    clip.metadata["cmx_3600"] = {"reel": reel}
    return clip


def _markers(shot: Mapping[str, Any], fps: Fraction) -> Iterator[Marker]:
    """Yield markers for a shot's notes and dialogue, at its first frame."""
    first = TimeRange(_time(0, fps), _time(1, fps))
    notes = shot.get("notes")
    if isinstance(notes, str) and notes.strip():
        yield Marker("notes", first, "RED", comment=one_line(clean(notes)))
    if dialogue := film_of(shot).dialogue:
        yield Marker("dialogue", first, "CYAN", comment=one_line(dialogue))


def _sound(path: Path, seconds: float, frames: int, fps: Fraction) -> Track:
    length = max(1, int(seconds * fps))
    media = ExternalReference(path.resolve().as_uri(), TimeRange(_time(0, fps), _time(length, fps)))
    media.name = path.name
    track = Track("A1", kind=TrackKind.Audio)
    track.append(Clip(visible(path.stem), media, TimeRange(_time(0, fps), _time(min(length, frames), fps))))
    return track
