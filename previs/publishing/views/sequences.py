"""Place shots in time and group them into sequences."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from previs.publishing.views.timecode import frame_count
from previs.records.manifest import Manifest, ShotEntry


@dataclass(frozen=True, slots=True)
class Placed:
    """Hold a shot with its start and length in frames.

    Attributes:
        number: Position on the board, from 1.
    """

    shot: ShotEntry
    number: int
    start: int
    frames: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Hold neighbouring shots of one sequence; an interrupted sequence comes again, as in the film.

    Attributes:
        name: Name of the sequence; empty for shots without one.
    """

    name: str
    shots: tuple[Placed, ...]

    @property
    def frames(self) -> int:
        """Return the length in frames."""
        return sum(placed.frames for placed in self.shots)


def sequences(manifest: Manifest) -> list[Sequence]:
    """Return all shots of the board, grouped where neighbours share a sequence."""
    placed: list[Placed] = []
    start = 0
    for number, shot in enumerate(manifest.shots, 1):
        frames = frame_count(shot.duration, manifest.fps)
        placed.append(Placed(shot, number, start, frames))
        start += frames
    return [Sequence(name, tuple(group)) for name, group in groupby(placed, lambda each: each.shot.sequence or "")]


@dataclass(frozen=True, slots=True)
class Totals:
    """Count a board's shots, frames, outcomes of takes and passes, and those that frame QC marked."""

    shots: int
    takes: int
    passes: int
    rendered: int
    joined: int
    cached: int
    failed: int
    skipped: int
    frames: int
    marked: int


def totals(manifest: Manifest) -> Totals:
    """Return the totals of a board; a shot without takes counts as failed."""
    outcomes = Counter(take.outcome for shot in manifest.shots for take in shot.renders)
    passes = sum(len(shot.passes) for shot in manifest.shots)
    untaken = sum(not shot.takes for shot in manifest.shots)
    return Totals(
        shots=len(manifest.shots),
        takes=outcomes.total() - passes,
        passes=passes,
        rendered=outcomes["rendered"],
        joined=outcomes["joined"],
        cached=outcomes["cached"],
        failed=outcomes["failed"] + untaken,
        skipped=outcomes["skipped"],
        frames=sum(frame_count(shot.duration, manifest.fps) for shot in manifest.shots),
        marked=len(manifest.marked),
    )
