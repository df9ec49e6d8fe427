"""Find the shots of a board in an editor's cut, and make the list that the cut is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from opentimelineio import algorithms
from opentimelineio.schema import Clip, Gap, LinearTimeWarp, Timeline, Track, TrackKind

from previs.editorial.cut import METADATA
from previs.errors import Fault, ShotListFaults
from previs.publishing.views.sequences import sequences
from previs.publishing.views.timecode import timecode
from previs.publishing.views.wording import plural
from previs.records.manifest import Manifest, ShotEntry
from previs.shots.rules import same_name
from previs.text.listing import first_of
from previs.text.visible import shortened, visible

_NAMED: Final = 20
_NEAR: Final = 0.01


@dataclass(frozen=True, slots=True)
class Use:
    """Describe where a cut uses a shot.

    Attributes:
        shot_id: Its id in the new list; of a second use, with a number behind it.
        entry: The shot on the board.
        was: Frames on the board.
        frames: Frames in the cut.
    """

    shot_id: int | str
    entry: ShotEntry
    was: int
    frames: int


@dataclass(frozen=True, slots=True)
class Conformed:
    """Hold what a cut is made of.

    Attributes:
        uses: The shots of the board, in the order of the cut.
        omitted: Labels of the board's shots that the cut leaves out.
        unknown: Clips that are no shots of the board, each with its length and place.
        notices: Sentences on what of the cut the list does not say.
    """

    uses: tuple[Use, ...]
    omitted: tuple[str, ...]
    unknown: tuple[str, ...]
    notices: tuple[str, ...]


def conform(manifest: Manifest, cut: Timeline, fps: float) -> Conformed:
    """Find the shots of a board in a cut.

    Args:
        manifest: Manifest of the board.
        cut: The cut, as it was read.
        fps: Frames per second of the board.

    Raises:
        ShotListFaults: The cut has no pictures, or none of the board's shots.
    """
    placed = {same_name(str(each.shot.shot_id)): each for group in sequences(manifest) for each in group.shots}
    taken = set(placed)
    uses: list[Use] = []
    unknown: list[str] = []
    times: dict[str, int] = {}
    rates: set[float] = set()
    at = 0.0
    for clip, seconds in _clips(cut):
        rates.add(clip.trimmed_range().duration.rate)
        frames = round(seconds * fps)
        key = next((name for name in _names(clip) if name in placed), None)
        if key is None:
            name = visible(shortened(clip.name or "a clip without a name"))
            unknown.append(f"{name} ({frames} frames at {timecode(round(at * fps), fps)})")
        else:
            times[key] = times.get(key, 0) + 1
            found = placed[key]
            label = _free(found.shot.shot_id, taken) if times[key] > 1 else found.shot.shot_id
            uses.append(Use(label, found.shot, found.frames, frames))
        at += seconds
    if not uses:
        remedy = f"it has none of the {len(placed)} shots of the board: is it the cut of another board?"
        raise ShotListFaults("the cut", (Fault("the cut", "", "", remedy),))
    omitted = tuple(visible(str(each.shot.shot_id)) for key, each in placed.items() if key not in times)
    again = [visible(str(placed[key].shot.shot_id)) for key, count in times.items() if count > 1]
    return Conformed(tuple(uses), omitted, tuple(unknown), tuple(_notices(cut, rates, fps, again)))


def _free(shot_id: int | str, taken: set[str]) -> str:
    """Return an id for one more use of a shot, which is taken from then on."""
    found = next(name for number in count(2) if same_name(name := f"{shot_id}-{number}") not in taken)
    taken.add(same_name(found))
    return found


def _clips(cut: Timeline) -> Iterator[tuple[Clip, float]]:
    """Yield the clips that are seen, each with its seconds in the cut."""
    pictures = _pictures(cut)
    if not pictures:
        raise ShotListFaults("the cut", (Fault("the cut", "", "", "it has no video track"),))
    track = pictures[0] if len(pictures) == 1 else algorithms.flatten_stack(pictures)
    for clip in track.find_clips():
        if clip.enabled:
            yield clip, clip.trimmed_range().duration.to_seconds()


def _pictures(cut: Timeline) -> list[Track]:
    return [track for track in cut.tracks if track.kind == TrackKind.Video and track.enabled]


def _names(clip: Clip) -> Iterator[str]:
    """Yield the names by which a clip may be a shot: what previs wrote, its own, that of its media, its file's."""
    known = clip.metadata.get(METADATA, {})
    media = clip.media_reference
    names = (
        known.get("shot_id") if hasattr(known, "get") else None,
        clip.name,
        media.name if media else "",
        (getattr(media, "target_url", "") or "").rpartition("/")[2].rpartition(".")[0],
    )
    yield from (same_name(str(name)) for name in names if name not in (None, ""))


def _notices(cut: Timeline, rates: set[float], fps: float, again: list[str]) -> Iterator[str]:
    if again:
        yield f"used more than once, so later uses are shots of their own: {first_of(again, _NAMED)}"
    if others := sorted(rate for rate in rates if abs(rate - fps) > _NEAR):
        shown = ", ".join(f"{rate:g}" for rate in others)
        yield f"the cut is at {shown} fps, the board at {fps:g}: lengths are rounded to its frames"
    inside = [each for track in _pictures(cut) for each in track[1:]]
    if inner := sum(isinstance(each, Gap) and each.duration().value > 0 for each in inside):
        yield f"{plural(inner, 'gap')} of the cut left out: a list has none"
    warped = [clip.name for clip in cut.find_clips() if any(isinstance(each, LinearTimeWarp) for each in clip.effects)]
    if warped:
        yield f"changes of speed are left out: {visible(first_of(warped, _NAMED))}"


def as_list(conformed: Conformed, given: Mapping[str, Any], fps: float) -> dict[str, Any]:
    """Return the list that a cut is: the board's shots in its order, with its durations.

    Args:
        conformed: What the cut is made of.
        given: The board's list as given, with its shots.
        fps: Frames per second of the board.
    """
    shots = {same_name(str(shot["shot_id"])): shot for shot in given["shots"]}
    made = []
    for use in conformed.uses:
        shot = dict(shots[same_name(str(use.entry.shot_id))]) | {"shot_id": use.shot_id}
        if use.frames != use.was:
            shot["duration"] = round(use.frames / fps, 6)
        made.append(shot)
    return dict(given) | {"shots": made}
