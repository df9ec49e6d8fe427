"""Find how the shots of a board stand: the last decision, the comments, and what is stale; pure.

A decision or comment is about a picture. It stays with the shot over later runs, and is stale once the shot is shown by
another picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from previs.publishing.review import ReviewAnswer
from previs.records.manifest import Manifest, ShotEntry, TakeEntry, representative
from previs.records.reviews import ReviewEvent

DECISIONS: Final = frozenset({"approve", "again", "withdraw", "circle"})
"""Kinds of events of which the last one counts, so that two people must not overlook each other's."""
_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Decision:
    """Hold the last decision on a shot.

    Attributes:
        text: New prompt, if the shot is rendered again; empty for the same.
        stale: Of an approval: the shot is now shown by another picture. Of again: there is a new picture.
    """

    kind: Literal["approve", "again"]
    by: str
    at: datetime
    run: str
    take: int | None
    pass_name: str
    text: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Comment:
    """Hold a comment.

    Attributes:
        number: Number of its event.
        resolved: Name of the person who resolved it; empty if it is open.
        stale: The picture that it is about is no longer on the board.
    """

    number: int
    by: str
    at: datetime
    run: str
    take: int | None
    pass_name: str
    text: str
    resolved: str
    stale: bool


@dataclass(frozen=True, slots=True)
class ShotStanding:
    """Hold how a shot stands.

    Attributes:
        circled: Number of the picked take; None if none is picked.
        on_board: Whether the board's run has the shot.
        last: Number of the last event that decides, which a new decision must have seen; 0 if there is none.
    """

    shot_id: str
    circled: int | None
    on_board: bool
    decision: Decision | None
    comments: tuple[Comment, ...]
    last: int

    @property
    def open_comments(self) -> int:
        """Return the number of comments that nobody resolved."""
        return sum(not each.resolved for each in self.comments)


def standings(
    manifest: Manifest, picks: Mapping[str, int], events: Mapping[str, Sequence[ReviewEvent]]
) -> list[ShotStanding]:
    """Return how each shot of a board stands, in the board's order, and then shots that it no longer has.

    Args:
        manifest: Manifest of the board's run.
        picks: Numbers of the picked takes now, by shot_id as text.
        events: Events in order, by shot_id as text.
    """
    entries = {str(entry.shot_id): entry for entry in manifest.shots}
    gone = [shot for shot in events if shot not in entries]
    return [_standing(shot, entries.get(shot), picks.get(shot), events.get(shot, ())) for shot in (*entries, *gone)]


def shown_by(entry: ShotEntry, circled: int | None) -> TakeEntry | None:
    """Return the take or pass that shows a shot with a pick that is younger than its run."""
    return representative(entry.takes, entry.passes, circled)


def picture_of(take: TakeEntry | None) -> str | None:
    """Return the SHA-256 of the first frame of a take or pass; None if it has none."""
    return take.frames[0].sha256 if take and take.frames else None


def known_pictures(entry: ShotEntry) -> tuple[str, ...]:
    """Return the first digits of the SHA-256 of all frames of a shot."""
    return tuple(dict.fromkeys(frame.sha256[:_DIGITS] for take in entry.renders for frame in take.frames))


def answer_of(manifest: Manifest, found: Sequence[ShotStanding]) -> ReviewAnswer:
    """Return the answer of the review: takes that were picked since the run, and shots that wait to be rendered again.

    It is the answer that Prefect's form gives.
    """
    before = {str(entry.shot_id): entry for entry in manifest.shots}
    chosen: dict[str, int] = {}
    again: dict[str, str] = {}
    for shot in found:
        entry = before.get(shot.shot_id)
        if entry is None:
            continue
        take = next((each for each in entry.takes if each.take == shot.circled and each.frames), None)
        if take is not None and shot.circled != entry.picked:
            chosen[shot.shot_id] = take.take
        if shot.decision and shot.decision.kind == "again" and not shot.decision.stale:
            again[shot.shot_id] = shot.decision.text
    return ReviewAnswer(chosen, again)


def _standing(
    shot_id: str, entry: ShotEntry | None, circled: int | None, events: Sequence[ReviewEvent]
) -> ShotStanding:
    shown = picture_of(shown_by(entry, circled)) if entry else None
    on_board = {picture_of(take) for take in entry.renders} if entry else set()
    known = set(known_pictures(entry)) if entry else set()
    decided: ReviewEvent | None = None
    resolved: dict[int, str] = {}
    last = 0
    for event in events:
        if event.kind in DECISIONS:
            last = event.number
        if event.kind in {"approve", "again", "withdraw"}:
            decided = None if event.kind == "withdraw" else event
        elif event.kind in {"resolve", "reopen"} and event.about is not None:
            resolved[event.about] = event.by if event.kind == "resolve" else ""
    comments = tuple(
        _comment(event, resolved.get(event.number, ""), on_board) for event in events if event.kind == "comment"
    )
    decision = _decision(decided, shown, known) if decided else None
    return ShotStanding(shot_id, circled, entry is not None, decision, comments, last)


def _decision(event: ReviewEvent, shown: str | None, known: set[str]) -> Decision:
    kind: Literal["approve", "again"] = "approve" if event.kind == "approve" else "again"
    stale = event.picture != shown if kind == "approve" else bool(known - set(event.known))
    return Decision(kind, event.by, event.at, event.run, event.take, event.pass_name, event.text, stale)


def _comment(event: ReviewEvent, resolved: str, on_board: set[str | None]) -> Comment:
    stale = event.picture is not None and event.picture not in on_board
    return Comment(
        event.number, event.by, event.at, event.run, event.take, event.pass_name, event.text, resolved, stale
    )
