"""Compare the shots of a board with those in Kitsu, and plan what to publish; pure.

What a person sets or changes in Kitsu stays. So the data of a shot there hold what was written to it, and those of its
task which frame was uploaded. Both have the key ``previs``.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from previs.publishing.views.film import film_of, prompt_of
from previs.publishing.views.sequences import sequences
from previs.publishing.views.timecode import number
from previs.publishing.views.wording import one_line
from previs.records.manifest import Manifest, TakeEntry, representative
from previs.records.takes import Frame

MARK: Final = "previs"
LONGEST_NAME: Final = 160
"""Characters of a name in Kitsu."""

_IN_DATA: Final = ("frame_in", "frame_out", "fps")

Entity = dict[str, Any]
"""Holds what Kitsu's API says of a shot, a sequence, a task or another thing."""


@dataclass(frozen=True, slots=True)
class BoardShot:
    """Hold a shot of a board as Kitsu has it.

    Attributes:
        name, sequence: Names of the shot and its sequence.
        fields: Values by their names in Kitsu.
        take: Take or pass that represents the shot.
        frame: Its first frame; None if there is none.
    """

    name: str
    sequence: str
    fields: Mapping[str, Any]
    take: TakeEntry | None
    frame: Frame | None


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what Kitsu has of a project.

    Attributes:
        sequences: Sequences of the project, or of the episode.
        shots: Shots of the project.
        tasks: Tasks of the type that is published to.
    """

    sequences: Sequence[Entity]
    shots: Sequence[Entity]
    tasks: Sequence[Entity]


@dataclass(frozen=True, slots=True)
class Step:
    """Say what to do for a shot.

    Attributes:
        existing: The shot in Kitsu; None to create it.
        task: Its task in Kitsu; None to create it, if there is a frame.
        changes: Values to write to the existing shot.
        kept: Names of the values that a person changed in Kitsu.
        uploads: Whether the frame is new.
        skipped: Why nothing is done; empty if something may be.
    """

    shot: BoardShot
    existing: Entity | None = None
    task: Entity | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    uploads: bool = False
    skipped: str = ""

    @property
    def is_idle(self) -> bool:
        """Return whether Kitsu has all of it."""
        return bool(self.skipped) or (self.existing is not None and not self.changes and not self.uploads)


def board_shots(
    manifest: Manifest, picks: Mapping[str, int | None], *, sequence: str = "", first_frame: int = 1
) -> list[BoardShot]:
    """Return the shots of a board.

    Args:
        manifest: Record of the run.
        picks: Numbers of the picked takes, by shot_id as text.
        sequence: Sequence of shots that have none; empty for the title of the board.
        first_frame: Number of the first frame of each shot.
    """
    fallback = one_line(sequence or manifest.title or manifest.board)
    made = []
    for group in sequences(manifest):
        for placed in group.shots:
            entry = placed.shot
            shown = representative(entry.takes, entry.passes, picks.get(str(entry.shot_id)))
            fields = {
                "nb_frames": placed.frames,
                "description": film_of(entry.shot).description or prompt_of(entry.shot),
                "frame_in": first_frame,
                "frame_out": first_frame + placed.frames - 1,
                "fps": number(manifest.fps),
            }
            frame = shown.frames[0] if shown and shown.frames else None
            made.append(BoardShot(one_line(str(entry.shot_id)), one_line(group.name) or fallback, fields, shown, frame))
    return made


def make_plan(shots: Sequence[BoardShot], found: Found, board: str, *, wanted: Collection[str] = ()) -> list[Step]:
    """Return what to do for each shot, in the order of the board.

    Args:
        shots: Shots of the board.
        found: What Kitsu has.
        board: Name of the board, of which a shot may have moved to another sequence.
        wanted: Names of the shots to publish; none for all.
    """
    names = {each["id"]: each["name"] for each in found.sequences}
    by_place = {(names[each["parent_id"]], each["name"]): each for each in found.shots if each["parent_id"] in names}
    ours = {
        each["name"]: each
        for each in found.shots
        if each["parent_id"] in names and _shot_mark(each).get("board") == board
    }
    tasks = {each["entity_id"]: each for each in found.tasks}
    ids = {name: identity for identity, name in names.items()}
    planned = []
    for shot in shots:
        if wanted and shot.name not in wanted:
            continue
        existing = by_place.get((shot.sequence, shot.name)) or ours.get(shot.name)
        planned.append(
            _step(shot, existing, tasks.get(existing["id"]) if existing else None, ids.get(shot.sequence), board)
        )
    return planned


def shot_data(fields: Mapping[str, Any], board: str, wrote: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the data of a shot that is written: some of the fields, and what all of them are.

    Args:
        fields: Values that are written.
        board: Name of the board.
        wrote: Values that were written before.
    """
    known = {name: fields[name] for name in _IN_DATA if name in fields}
    return known | {MARK: {"board": board, "wrote": {**(wrote or {}), **fields}}}


def frame_mark(shot: BoardShot, preview: str, *, board: str, run: str) -> dict[str, Any]:
    """Return what a task remembers of an uploaded frame."""
    frame = shot.frame.sha256 if shot.frame else None
    return {"frame": frame, "preview": preview, "board": board, "run": run}


def task_mark(task: Entity | None) -> Mapping[str, Any]:
    """Return what a task remembers; empty if nothing was uploaded to it."""
    return _mapping(_mapping(task.get("data")).get(MARK)) if task else {}


def _step(shot: BoardShot, existing: Entity | None, task: Entity | None, sequence: str | None, board: str) -> Step:
    if len(shot.name) > LONGEST_NAME or len(shot.sequence) > LONGEST_NAME:
        return Step(
            shot, existing, skipped=f"its name or that of its sequence is longer than {LONGEST_NAME} characters"
        )
    uploads = shot.frame is not None and task_mark(task).get("frame") != shot.frame.sha256
    if existing is None:
        return Step(shot, uploads=uploads)
    if existing.get("canceled"):
        return Step(shot, existing, task, skipped="it is cancelled in Kitsu")
    data = _mapping(existing.get("data"))
    wrote = _mapping(_shot_mark(existing).get("wrote"))
    current = {name: data.get(name) if name in _IN_DATA else existing.get(name) for name in shot.fields}
    changed = {name: value for name, value in shot.fields.items() if not _same(current[name], value)}
    free = {name for name in changed if _same(current[name], wrote.get(name)) or current[name] in (None, "", 0)}
    kept = tuple(name for name in changed if name not in free and not _same(wrote.get(name), shot.fields[name]))
    return Step(
        shot,
        existing,
        task,
        changes=dict(_changes(existing, {name: changed[name] for name in free}, wrote, sequence, board)),
        kept=kept,
        uploads=uploads,
    )


def _changes(
    existing: Entity, free: Mapping[str, Any], wrote: Mapping[str, Any], sequence: str | None, board: str
) -> Iterator[tuple[str, Any]]:
    """Yield the values of an existing shot that Kitsu shall have."""
    for name, value in free.items():
        if name not in _IN_DATA:
            yield name, value
    if free:
        yield "data", shot_data(free, board, wrote)
    if sequence != existing["parent_id"]:
        # A sequence that is not there yet gets its id when it is made.
        yield "parent_id", sequence


def _same(one: object, other: object) -> bool:
    """Return whether two values are equal; Kitsu's pages make texts of numbers."""
    return one == other or (one is not None and other is not None and str(one) == str(other))


def _shot_mark(shot: Entity) -> Mapping[str, Any]:
    return _mapping(_mapping(shot.get("data")).get(MARK))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
