"""Compare a board with the board of the run before it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from previs.records.manifest import Manifest, ShotEntry
from previs.records.takes import Frame


@dataclass(frozen=True, slots=True)
class Since:
    """Tell what changed since the last run; shots are named by their ID as text.

    Attributes:
        run: Name of the last run.
        new: Shots that the last run did not have.
        changed: Shots that show another frame, each with the frame of the last run, or None if it had none.
        omitted: Shots of the last run that this one lacks, in their order.
        fault: Sentence that says why the last run cannot be read; empty if it could be.
    """

    run: str
    new: frozenset[str] = frozenset()
    changed: Mapping[str, Frame | None] = field(default_factory=dict)
    omitted: tuple[str, ...] = ()
    fault: str = ""


def since(manifest: Manifest, last: Manifest) -> Since:
    """Return what changed from the last run to this one; a shot that lost its frame is not counted as changed."""
    before = {str(shot.shot_id): _frames(shot) for shot in last.shots}
    now = {str(shot.shot_id): _frames(shot) for shot in manifest.shots}
    return Since(
        run=last.run,
        new=frozenset(now.keys() - before.keys()),
        changed={
            name: next(iter(before[name]), None)
            for name, frames in now.items()
            if name in before and frames and _hashes(frames) != _hashes(before[name])
        },
        omitted=tuple(name for name in before if name not in now),
    )


def _frames(shot: ShotEntry) -> tuple[Frame, ...]:
    return shot.shown.frames if shot.shown else ()


def _hashes(frames: tuple[Frame, ...]) -> list[str]:
    return [frame.sha256 for frame in frames]
