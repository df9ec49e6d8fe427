"""Shots with their positions in time, gathered into sequences in the board's order."""

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from previs.publishing.views.timecode import frame_count
from previs.records.manifest import Manifest, ShotEntry


@dataclass(frozen=True, slots=True)
class Placed:
    """A shot with where it begins and how long it lasts, in frames.

    Attributes:
        number: its place on the board, from 1.
    """

    shot: ShotEntry
    number: int
    start: int
    frames: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """Neighbouring shots of one sequence; a sequence that is cut into comes again, as on the film.

    Attributes:
        name: empty for shots without a sequence.
    """

    name: str
    shots: tuple[Placed, ...]

    @property
    def frames(self) -> int:
        """Length in frames."""
        return sum(placed.frames for placed in self.shots)


def sequences(manifest: Manifest) -> list[Sequence]:
    """All shots of the board, grouped where neighbours share a sequence."""
    placed: list[Placed] = []
    start = 0
    for number, shot in enumerate(manifest.shots, 1):
        frames = frame_count(shot.duration, manifest.fps)
        placed.append(Placed(shot, number, start, frames))
        start += frames
    return [Sequence(name, tuple(group)) for name, group in groupby(placed, lambda each: each.shot.sequence or "")]


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of a board; outcomes are counted in takes."""

    shots: int
    takes: int
    rendered: int
    cached: int
    failed: int
    skipped: int
    frames: int


def totals(manifest: Manifest) -> Totals:
    """What the board holds; a shot without any take counts as one that failed."""
    outcomes = Counter(take.outcome for shot in manifest.shots for take in shot.takes)
    untaken = sum(not shot.takes for shot in manifest.shots)
    return Totals(
        shots=len(manifest.shots),
        takes=outcomes.total(),
        rendered=outcomes["rendered"],
        cached=outcomes["cached"],
        failed=outcomes["failed"] + untaken,
        skipped=outcomes["skipped"],
        frames=sum(frame_count(shot.duration, manifest.fps) for shot in manifest.shots),
    )
