"""Which take of a shot comes first, and what stands where a take has no frame."""

from typing import Literal

from previs.publishing.views.wording import clean, shorten
from previs.records.manifest import ShotEntry, TakeEntry

PICKED_MARK = "◉"
"""Behind a take's number where nothing can be drawn around it."""
LONGEST_REASON = 1500
"""Characters of an error."""


def circled(shot: ShotEntry) -> TakeEntry | None:
    """The picked take, with or without a frame; none if nobody picked one or it is not on this board."""
    return next((take for take in shot.takes if take.take == shot.picked), None)


def picked_first(shot: ShotEntry) -> tuple[TakeEntry, ...]:
    """All takes of a shot, the others behind the picked one in their order."""
    first = circled(shot)
    return shot.takes if first is None else (first, *(take for take in shot.takes if take is not first))


def lacking(shot: ShotEntry) -> Literal["", "failed", "skipped"]:
    """What a shot without all of its frames is called: skipped if only those are missing that were never tried."""
    if shot.success:
        return ""
    outcomes = {take.outcome for take in shot.takes if not take.frames}
    return "skipped" if outcomes == {"skipped"} else "failed"


def reason(take: TakeEntry) -> str:
    """Why there is no frame to show, cleaned and of bounded length; empty if there is one."""
    match take.outcome:
        case "failed":
            told = take.error or "It failed without a reason."
        case "skipped":
            told = take.error or "A shot that it builds on has no frame."
        case _:
            told = "" if take.frames else take.error or "The take left no frame."
    return shorten(clean(told), LONGEST_REASON)
