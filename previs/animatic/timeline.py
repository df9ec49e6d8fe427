"""Say what plays when in the film of a board; pure.

A board's shots have whole numbers of frames, whose sum is the board's: see :mod:`previs.publishing.views.sequences`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from previs.animatic.canvas import USUAL_ASPECT, canvas_of
from previs.animatic.moves import PUSH, movement_of
from previs.animatic.transitions import is_fade
from previs.animatic.view import Canvas, Move
from previs.errors import Fault, ShotListFaults
from previs.publishing.views.film import film_of
from previs.publishing.views.sequences import Placed, sequences
from previs.publishing.views.takes import reason
from previs.publishing.views.timecode import exact_fps
from previs.publishing.views.wording import one_line
from previs.records.manifest import Manifest, TakeEntry
from previs.records.takes import Frame
from previs.shots.aspect import Aspect, aspect_of
from previs.text.listing import first_of
from previs.text.visible import shortened, visible

MOST_FRAMES: Final = 1_000_000
"""Frames of the longest animatic: eleven hours at 24 frames per second."""

_NAMED: Final = 5
_PICTURES: Final = ("image", "video")


@dataclass(frozen=True, slots=True)
class Cue:
    """Hold what plays for one shot.

    Attributes:
        label: Its shot_id, on one line.
        sequence: Its sequence; empty if it has none.
        start, frames: First frame in the film, and number of frames.
        take: Number of the chosen take; None if it has none.
        pass_name: Name of the pass that is shown of it; empty for the take itself.
        frame: File of that take that is shown; None if there is none.
        reason: Why there is none.
        description: What is seen, for the slate of a shot without a picture.
        dialogue: What is said; empty if nothing is.
        sound: What is heard, or the name of a file; empty if the shot does not say.
        move: How a camera moves over a still.
        fades_in: Whether the shot before goes over to this one by a dissolve or a fade.
    """

    label: str
    sequence: str
    start: int
    frames: int
    take: int | None
    pass_name: str
    frame: Frame | None
    reason: str
    description: str
    dialogue: str
    sound: str
    move: Move | None
    fades_in: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """Hold what plays when.

    Attributes:
        title: Title of the film.
        lang: Language of the board, ``en`` or ``zh``.
        fps: Frames per second, as the exact ratio that films use: 24000/1001 for 23.976.
        canvas: Size of the picture.
        cues: The shots, in order, without gaps.
        frames: Number of frames of the film.
        notices: Sentences on what of the board is not shown as it says.
    """

    title: str
    lang: str
    fps: Fraction
    canvas: Canvas
    cues: tuple[Cue, ...]
    frames: int
    notices: tuple[str, ...]


def timeline(
    manifest: Manifest, *, size: tuple[int, int] | None = None, moves: bool = False, push: bool = False
) -> Timeline:
    """Return what plays when in the film of a board.

    Args:
        manifest: Manifest of the run.
        size: Width and height of the film; None for those of the list's aspect.
        moves: Whether the camera moves over stills as the shots say.
        push: Whether a slow push moves over all other stills, but those with a static camera.

    Raises:
        ShotListFaults: The board has no time, is too long for a film, or has no possible frame rate.
    """
    fps = exact_fps(manifest.fps)
    placed = [each for group in sequences(manifest) for each in group.shots]
    frames = sum(each.frames for each in placed)
    if not 0 < frames <= MOST_FRAMES:
        raise _fault("duration", f"{frames:,} frames", f"an animatic has from one to {MOST_FRAMES:,} frames")
    cues = tuple(_cue(each, moves=moves, push=push) for each in placed if each.frames)
    labels, fading = [cue.label for cue in cues], _fading(placed)
    cues = tuple(replace(cue, fades_in=before in fading) for before, cue in zip(("", *labels), cues, strict=False))
    aspect, notices = _aspect(manifest.shot_list.get("aspect"))
    if gone := len(placed) - len(cues):
        notices.append(f"{gone} of {len(placed)} shots have no duration and are left out")
    if moves:
        notices += _unknown_moves(placed)
    if shown := [f"{cue.label} ({shortened(fading[cue.label])})" for cue in cues[:-1] if cue.label in fading]:
        notices.append(f"transitions that are shown as cross-fades: {first_of(shown, _NAMED)}")
    return Timeline(
        visible(manifest.title), manifest.lang, fps, canvas_of(aspect, size), cues, frames, tuple(map(visible, notices))
    )


def _cue(placed: Placed, *, moves: bool, push: bool) -> Cue:
    entry, shown = placed.shot, placed.shot.shown
    frame = _picture(shown)
    film, movement = film_of(entry.shot), movement_of(entry.shot)
    move = movement.move if moves else None
    if push and not (movement.is_known and (moves or movement.move is None)):
        move = PUSH
    return Cue(
        label=visible(str(entry.shot_id)),
        sequence=visible(entry.sequence or ""),
        start=placed.start,
        frames=placed.frames,
        take=shown.take if shown else None,
        pass_name=visible(shown.pass_name) if shown else "",
        frame=frame,
        reason="" if frame else _reason(shown),
        description=film.description or entry.prompt,
        dialogue=film.dialogue,
        sound=film.sound,
        move=move if frame is not None and frame.kind == "image" and not frame.duration else None,
    )


def _picture(take: TakeEntry | None) -> Frame | None:
    """Return the first file of a take that can be seen."""
    return next((frame for frame in take.frames if frame.kind in _PICTURES), None) if take else None


def _reason(take: TakeEntry | None) -> str:
    if take is None:
        return "It has no take."
    return reason(take) or "The take has no picture."


def _fading(placed: Sequence[Placed]) -> dict[str, str]:
    """Return transitions that are dissolves or fades, by the labels of their shots."""
    named = {visible(str(each.shot.shot_id)): film_of(each.shot.shot).transition for each in placed}
    return {label: one_line(transition) for label, transition in named.items() if is_fade(transition)}


def _aspect(given: object) -> tuple[Aspect, list[str]]:
    if given is None:
        return USUAL_ASPECT, []
    found = aspect_of(str(given)) if isinstance(given, str | float | int) else None
    return (found, []) if found else (USUAL_ASPECT, [f"the aspect {shortened(str(given))} is unknown: 16:9 is used"])


def _unknown_moves(placed: Sequence[Placed]) -> list[str]:
    unknown = dict.fromkeys(
        shortened(movement.words)
        for movement in (movement_of(each.shot.shot) for each in placed)
        if movement.words and not movement.is_known
    )
    return [f"movements that no still can show: {first_of(list(unknown), _NAMED)}"] if unknown else []


def _fault(field: str, value: str, remedy: str) -> ShotListFaults:
    return ShotListFaults("the board", (Fault("the board", field, value, remedy),))
