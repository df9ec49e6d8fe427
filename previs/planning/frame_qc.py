"""Decide what frame QC says of takes, which of them are rendered once more, and which of two renders is shown; pure.

What counts as black, flat, frozen or of another aspect is decided in :mod:`previs.pictures.quality`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from previs.pictures.quality import Measured, Size, has_aspect, look_of
from previs.planning.cache import Found, usable
from previs.planning.plan import PlannedTake
from previs.planning.schedule import Render, RetriedTake, Reuse, ScheduledTake, TakeResult
from previs.records.marks import Mark
from previs.records.takes import TakeRecord
from previs.shots.aspect import aspect_of
from previs.text.listing import first_of
from previs.workflow.binding.bindings import OVERRIDE

_NAMED: Final = 20
_SIDES: Final = ("width", "height")


def look_marks(record: TakeRecord) -> tuple[Mark, ...]:
    """Return what is wrong with how the frame of a take looks, whatever its shot says of QC.

    The frame is the first of the take's files. One that was not measured, as in old records, has no mark.
    """
    pixels = record.frames[0].pixels
    measured = Measured(pixels.darkest, pixels.brightest, pixels.moves) if pixels else None
    look = look_of(measured) if measured else None
    if measured is None or look is None:
        return ()
    detail = measured.color if look in ("grey", "blank") else ""
    return (Mark(kind=look, detail=detail),)


def next_render(take: PlannedTake, found: Mapping[str, Found]) -> PlannedTake | None:
    """Return the render that a take needs as far as the stored files tell: itself, its retry, or None.

    Args:
        take: The take.
        found: What the store has of takes and retries, by fingerprint.
    """
    record, retry = usable(take, found), take.retry
    if record is None:
        return take
    return retry if retry and look_marks(record) and usable(retry, found) is None else None


def shown_record(take: PlannedTake, found: Mapping[str, Found]) -> TakeRecord | None:
    """Return the record that a take shows as far as the stored files tell; None if it needs a render."""
    record = usable(take, found)
    if record is None or next_render(take, found) is not None:
        return None
    again = usable(take.retry, found) if take.retry else None
    return again if again and len(look_marks(again)) < len(look_marks(record)) else record


def same_as(result: TakeResult, others: Iterable[TakeResult]) -> TakeResult | None:
    """Return the first of other takes that shows the same picture though its seed is another; None if none does."""
    if result.record is None or result.take.pass_name:
        return None
    picture = _picture(result.record)
    for other in others:
        if other.record is None or other.take.pass_name or _picture(other.record) != picture:
            continue
        if other.take.fingerprint != result.take.fingerprint and other.take.seed != result.take.seed:
            return other
    return None


def retry_of(
    scheduled: ScheduledTake, first: TakeResult, before: Sequence[TakeResult], leader: TakeResult | None
) -> tuple[Render | Reuse, tuple[Mark, ...]] | None:
    """Return how a take gets its second render and why it needs one; None if it needs none, or may have none.

    A wrong aspect is no reason: a seed does not decide it.

    Args:
        scheduled: The take in the schedule.
        first: Result of its first render.
        before: Results of the shot's takes with lower numbers.
        leader: Result of the equal take that went first, if there is one.
    """
    retry = first.take.retry
    marks = _reasons(first, before) if retry and first.record else ()
    if retry is None or not marks:
        return None
    of_leader = (leader, leader.retried.other) if leader and leader.retried else ()
    records = [each.record for each in of_leader if each.take.fingerprint == retry.fingerprint]
    for record in (*records, scheduled.cached_retry):
        if record is not None and record.sources == dict(retry.sources):
            return Reuse(retry, record), marks
    return (Render(retry), marks) if scheduled.wanted else None


def shown_of(
    first: TakeResult, second: TakeResult, before: Sequence[TakeResult], marks: tuple[Mark, ...]
) -> TakeResult:
    """Return the better of two renders, with the other in it; the first if both are as bad, or the second failed.

    A copy of another take is better than a frame on which nothing is seen.
    """
    if second.record is not None and _badness(_reasons(second, before)) < _badness(marks):
        return replace(second, retried=RetriedTake(first, marks))
    return replace(first, retried=RetriedTake(second, marks))


def board_marks(results: Iterable[TakeResult], aspect: str | None = None) -> dict[str, tuple[Mark, ...]]:
    """Return what is wrong with the takes of a board, by label; those of shots with ``qc: off`` are left out.

    Args:
        results: Results of the board's takes, in their order.
        aspect: Aspect of the film, if the list gives it.
    """
    marks: dict[str, tuple[Mark, ...]] = {}
    first_with: dict[str, TakeResult] = {}
    for result in results:
        if result.record is None:
            continue
        found = [*look_marks(result.record), *_aspect_marks(result.take, result.record, aspect)]
        if not any(each.kind in ("black", "grey", "blank") for each in found):
            # Frames of one colour are equal without being a copy.
            found += _same_marks(result, [first_with.setdefault(_picture(result.record), result)])
        if found and result.take.shot.qc != "off":
            marks[result.take.label] = tuple(found)
    return marks


def without_retry(takes: Iterable[PlannedTake]) -> Iterator[str]:
    """Yield notices on shots that frame QC can only mark, though the list asks for a retry."""
    shots = {take.shot.label: take for take in takes if take.shot.qc == "retry" and not take.pass_name}
    if fixed := [label for label, take in shots.items() if take.shot.seed is not None]:
        yield f"qc: retry only marks shots that set their own seed: {first_of(fixed, _NAMED)}"
    seedless = [label for label, take in shots.items() if take.shot.seed is None and not _takes_seed(take)]
    if seedless:
        yield f"qc: retry only marks shots whose workflow takes no seed: {first_of(seedless, _NAMED)}"


def _takes_seed(take: PlannedTake) -> bool:
    return any(row.what == "seed" for row in take.rows)


def _reasons(result: TakeResult, before: Sequence[TakeResult]) -> tuple[Mark, ...]:
    looks = look_marks(result.record) if result.record else ()
    return looks or _same_marks(result, before)


def _badness(marks: Iterable[Mark]) -> int:
    return max((1 if mark.kind == "same" else 2 for mark in marks), default=0)


def _same_marks(result: TakeResult, others: Iterable[TakeResult]) -> tuple[Mark, ...]:
    other = same_as(result, others)
    return (Mark(kind="same", detail=other.take.label),) if other else ()


def _picture(record: TakeRecord) -> str:
    """Return what is equal for equal pictures: ComfyUI writes the seed into its files, so their bytes always differ.

    Films that begin with a given picture have equal thumbnails.
    """
    frame = record.frames[0]
    still = frame.kind == "image" and frame.duration is None
    return frame.thumbnail if still and frame.thumbnail else frame.sha256


def _aspect_marks(take: PlannedTake, record: TakeRecord, aspect: str | None) -> tuple[Mark, ...]:
    frame = record.frames[0]
    if not frame.width or not frame.height or any(_overrides_a_side(take)):
        return ()
    size, (asked, words) = (frame.width, frame.height), _asked(take, frame.width, aspect)
    if asked is None or has_aspect(size, asked):
        return ()
    return (Mark(kind="aspect", detail=f"{size[0]}×{size[1]} / {words}"),)


def _asked(take: PlannedTake, width: int, aspect: str | None) -> tuple[Size | None, str]:
    """Return the size that a take was asked for, and it in words; of an aspect, as wide as the frame."""
    shot = take.shot
    if shot.width and shot.height:
        return (shot.width, shot.height), f"{shot.width}×{shot.height}"
    found = None if shot.width or shot.height or aspect is None else aspect_of(aspect)
    return ((width, float(width / found.ratio)), aspect or "") if found else (None, "")


def _overrides_a_side(take: PlannedTake) -> Iterable[bool]:
    """Yield whether each override sets a width or a height: what was asked for is then not known."""
    return (row.rule == OVERRIDE and (row.what in _SIDES or row.input in _SIDES) for row in take.rows)
