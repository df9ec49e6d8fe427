"""Carry out what a person does to a shot of a board: decide, circle a take, or comment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from previs.boards.picks import pick_several, select
from previs.errors import NotInStore, ReviewRefused
from previs.publishing.board_sheet import shots_of
from previs.publishing.review import ReviewAnswer, revised
from previs.publishing.views.wording import one_line
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.reviews import RIGHTS, Kind, ReviewEvent, Right
from previs.review.events import ReviewEvents
from previs.review.standing import DECISIONS, known_pictures, picture_of, shown_by
from previs.store import Store
from previs.text.visible import shortened, visible

_MOST_COMMENT: Final = 4_000
_LIST: Final = "the list as it was reviewed"


class Overtaken(Exception):
    """Report that somebody decided on the shot since the person saw it.

    Attributes:
        by: Name of that other person.
    """

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


@dataclass(frozen=True, slots=True)
class Person:
    """Identify who does something.

    Attributes:
        guest: ID of the guest link; None for a person with the password.
        boards: Names of the boards that the person may see; None for all.
    """

    name: str
    may: Right = "decide"
    guest: str | None = None
    boards: tuple[str, ...] | None = None

    def can(self, right: Right) -> bool:
        """Return whether the person has a right."""
        return RIGHTS.index(right) <= RIGHTS.index(self.may)


class Action(BaseModel):
    """Represent what a person does to a shot, as the page sends it.

    Attributes:
        seen: Number of the last deciding event that the person saw; see :attr:`ShotStanding.last`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    shot: Annotated[str, Field(max_length=10_000)]
    take: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    pass_name: Annotated[str, Field(max_length=1_000)] = ""
    text: Annotated[str, Field(max_length=20_000)] = ""
    about: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    seen: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    @property
    def right(self) -> Right:
        """Return the right that it takes."""
        return "decide" if self.kind in DECISIONS else "comment"


async def act(
    store: Store, events: ReviewEvents, manifest: Manifest, picks: Mapping[str, int], action: Action, person: Person
) -> ReviewEvent:
    """Record what a person does, and pick the take that is approved or circled.

    An approval or a comment without a take is about the picture that shows the shot.

    Args:
        store: Store of the board.
        events: Events of that store.
        manifest: Manifest of the board's latest run.
        picks: Numbers of the picked takes now, by shot_id as text.
        action: What is done.
        person: Who does it; the caller has checked the right.

    Raises:
        Overtaken: Somebody decided on the shot meanwhile; nothing is written.
        NotInStore: The board has no such shot, take, pass or comment.
        ReviewRefused: The text is empty or too long, or no take is named.
    """
    entry = find_shot(manifest, action.shot)
    if entry is not None:
        action = action.model_copy(update={"shot": str(entry.shot_id)})
    if entry is None and action.kind not in {"resolve", "reopen"}:
        raise NotInStore(
            store.name, f"shot {action.shot!r} in board {manifest.board!r}", "it was removed from the list"
        )
    take = _take(store, entry, picks, action)
    text = _text(action)

    def make(before: Sequence[ReviewEvent]) -> ReviewEvent:
        _check(store, before, action)
        return ReviewEvent(
            shot_id=action.shot,
            number=1,
            kind=action.kind,
            at=datetime.now(UTC),
            by=person.name,
            guest=person.guest,
            run=manifest.run,
            take=take.take if take else None,
            pass_name=take.pass_name if take else "",
            picture=picture_of(take),
            text=text,
            about=action.about if action.kind in {"resolve", "reopen"} else None,
            known=known_pictures(entry) if entry and action.kind == "again" else (),
        )

    event = await events.append(manifest.board, action.shot, make)
    if entry is not None and event.kind in {"approve", "circle"}:
        await _pick(store, events, manifest.board, entry)
    return event


async def check_prompts(manifest: Manifest, again: dict[str, str]) -> None:
    """Check that new prompts are allowed in the list.

    Raises:
        ShotListFaults: One is not.
    """

    def check() -> None:
        listed, _ = shots_of(manifest, _LIST)
        revised(listed, ReviewAnswer({}, again), manifest)

    await asyncio.to_thread(check)


def find_shot(manifest: Manifest, shot: str) -> ShotEntry | None:
    """Return a shot by its shot_id as text, or as the page shows it; None if there is none."""
    exact = next((each for each in manifest.shots if str(each.shot_id) == shot), None)
    return exact or next((each for each in manifest.shots if one_line(str(each.shot_id)) == shot), None)


def _take(store: Store, entry: ShotEntry | None, picks: Mapping[str, int], action: Action) -> TakeEntry | None:
    """Return the take or pass that an action is about; None if it is about none."""
    if entry is None or (action.take is None and action.kind not in {"approve", "comment"}):
        return None
    if action.take is None:
        shown = shown_by(entry, picks.get(action.shot))
        if action.kind == "approve" and (shown is None or not shown.frames):
            raise ReviewRefused(f"shot {shortened(visible(action.shot))} has no picture to approve: ask for it again")
        return shown
    take = entry.render_of(action.take, action.pass_name)
    if take is None or take.take != action.take or (action.kind in {"approve", "circle"} and not take.frames):
        what = action.pass_name or f"take {action.take}"
        with_frames = ", ".join(str(each.take) for each in entry.takes if each.frames)
        raise NotInStore(
            store.name, f"frame of {what} of shot {action.shot!r}", f"takes with frames: {with_frames or 'none'}"
        )
    return take


def _text(action: Action) -> str:
    text = action.text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if action.kind == "comment":
        if not text:
            raise ReviewRefused("the comment is empty: write something")
        if len(text) > _MOST_COMMENT:
            raise ReviewRefused(f"the comment has {len(text):,} characters, and at most {_MOST_COMMENT:,} are kept")
    return text if action.kind in {"comment", "again"} else ""


def _check(store: Store, before: Sequence[ReviewEvent], action: Action) -> None:
    if action.kind in DECISIONS:
        last = next((each for each in reversed(before) if each.kind in DECISIONS), None)
        if last is not None and last.number > action.seen:
            raise Overtaken(last.by)
    if action.kind in {"resolve", "reopen"} and not any(
        each.kind == "comment" and each.number == action.about for each in before
    ):
        raise NotInStore(store.name, f"comment {action.about} on shot {action.shot!r}", "it was never written")


async def _pick(store: Store, events: ReviewEvents, board: str, entry: ShotEntry) -> None:
    """Make the shot's pick what its last approval or circle says.

    It looks again after each write, so that the last of several concurrent writers leaves the right pick.
    """
    shot = str(entry.shot_id)
    written = None
    while True:
        said = [e for e in (await events.of_board(board)).get(shot, ()) if e.kind in {"approve", "circle"}]
        if not said or said[-1].number == written:
            return
        take = next((each for each in entry.takes if each.take == said[-1].take and each.frames), None)
        if take is not None:
            await select(store, board, entry, take)
        elif said[-1].take is None:
            await pick_several(store, board, {shot: None})
        written = said[-1].number
