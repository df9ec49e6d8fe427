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


def arranged(shot: ShotEntry) -> tuple[tuple[TakeEntry, ...], tuple[TakeEntry, ...]]:
    """Return the takes and passes of a shot that are seen at once, the first of which shows it, and those behind them.

    Behind the pass that shows a shot is what it was made from, and all other takes. What lacks a frame is always seen.
    """
    picked, shown = circled(shot), shot.shown
    takes = shot.takes if picked is None else (picked, *(take for take in shot.takes if take is not picked))
    if shown is None or not shown.pass_name:
        return (*takes, *shot.passes), ()
    others = [each for each in (*shot.passes[::-1], *takes) if each is not shown]
    return (shown, *(each for each in others if not each.frames)), tuple(each for each in others if each.frames)


def lacking(shot: ShotEntry) -> Literal["", "failed", "skipped"]:
    """Return the state of a shot that lacks frames: ``skipped`` if every take and pass without frames was skipped."""
    if shot.success:
        return ""
    outcomes = {take.outcome for take in shot.renders if not take.frames}
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
