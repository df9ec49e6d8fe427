"""Order a shot's takes, and explain takes without frames."""

from typing import Literal

from previs.publishing.views.wording import clean, shorten
from previs.records.manifest import ShotEntry, TakeEntry

PICKED_MARK = "◉"
"""Marks a picked take in text, where no circle can be drawn around its number."""
LONGEST_REASON = 1500
"""Characters of the longest error to show."""


def circled(shot: ShotEntry) -> TakeEntry | None:
    """Return the picked take, with or without a frame; None if no take of this board is picked."""
    return next((take for take in shot.takes if take.take == shot.picked), None)


def picked_first(shot: ShotEntry) -> tuple[TakeEntry, ...]:
    """Return all takes of a shot, the picked one first and the others in their order."""
    first = circled(shot)
    return shot.takes if first is None else (first, *(take for take in shot.takes if take is not first))


def lacking(shot: ShotEntry) -> Literal["", "failed", "skipped"]:
    """Return the state of a shot that lacks frames: ``skipped`` if every take without frames was skipped."""
    if shot.success:
        return ""
    outcomes = {take.outcome for take in shot.takes if not take.frames}
    return "skipped" if outcomes == {"skipped"} else "failed"


def reason(take: TakeEntry) -> str:
    """Return why a take has no frame, cleaned and shortened; empty if it has one."""
    match take.outcome:
        case "failed":
            sentence = take.error or "It failed without a reason."
        case "skipped":
            sentence = take.error or "A shot that it builds on has no frame."
        case _:
            sentence = "" if take.frames else take.error or "The take left no frame."
    return shorten(clean(sentence), LONGEST_REASON)
