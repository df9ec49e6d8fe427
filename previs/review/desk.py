"""Join what a review needs: the boards of a store, what people said of them, and the runs that are at work on them."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakValueDictionary

from previs.errors import NotInStore, PrefectRefused, PrefectUnavailable, ReviewRefused
from previs.publishing.review import ReviewAnswer
from previs.publishing.views.wording import clean, one_line
from previs.records.manifest import Manifest
from previs.records.reviews import ReviewEvent
from previs.review.again import AgainOrder, order_again
from previs.review.catalog import Catalog
from previs.review.deciding import Action, Person, act, check_prompts, find_shot
from previs.review.events import ReviewEvents
from previs.review.file_cache import FileCache
from previs.review.outline import Outline
from previs.review.prefect_api import FlowRun, PrefectApi, find_prefect
from previs.review.standing import ShotStanding, answer_of, standings
from previs.store import Store, StoredFile, keys

_LOG: Final = logging.getLogger("previs.review")
_ACTIVITY_SECONDS: Final = 3.0
_SILENCE_SECONDS: Final = 25.0
_RUN_ID_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class View:
    """Hold how a board stands.

    Attributes:
        outline: Outline of the board's latest run.
        shots: How each of its shots stands, and those that it no longer has.
    """

    outline: Outline
    shots: Sequence[ShotStanding]

    @property
    def answer(self) -> ReviewAnswer:
        """Return the answer that Prefect's form would give."""
        return answer_of(self.outline.manifest, self.shots)


@dataclass(frozen=True, slots=True)
class Activity:
    """Describe the run that is at work on a board, or has failed since the board was published.

    Attributes:
        run: The run in Prefect; None if only the store shows that some run is at work.
        page: URL of its page in Prefect.
        asks: Whether it waits for the review of the board's latest run.
    """

    run: FlowRun | None
    page: str = ""
    asks: bool = False


@dataclass(slots=True)
class Desk:
    """Serve all requests of one store; use it with :meth:`open`.

    Attributes:
        store: Store of the boards.
        given_store: The store as a run names it.
        find: Function that finds Prefect's server.
    """

    store: Store
    given_store: str
    find: Callable[[], PrefectApi | None] = find_prefect
    catalog: Catalog = field(init=False)
    events: ReviewEvents = field(init=False)
    files: FileCache = field(default_factory=FileCache)
    _prefect: PrefectApi | None = None
    _activity: dict[str, tuple[float, Activity | None]] = field(default_factory=dict)
    _beats: dict[str, tuple[StoredFile, float, bool]] = field(default_factory=dict)
    _warned: str = ""
    _views: dict[str, tuple[float, View]] = field(default_factory=dict)
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def __post_init__(self) -> None:
        """Start with nothing read."""
        self.catalog = Catalog(self.store)
        self.events = ReviewEvents(self.store)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Desk"]:
        """Close connections and remove temporary files at the end."""
        try:
            yield self
        finally:
            if self._prefect is not None:
                await self._prefect.__aexit__()
            self.files.close()

    async def view(self, part: str, *, fresh: bool = False) -> View:
        """Return how a board stands; at most a second old, unless it must be fresh, for all people who look at it.

        Raises:
            NotInStore, RecordUnreadable: There is no such board, or its manifest cannot be used.
        """
        lock = self._locks.setdefault(part, asyncio.Lock())
        async with lock:
            known = self._views.get(part)
            if not fresh and known and self.catalog.is_current(part, known[0]):
                return known[1]
            began = self.catalog.clock()
            outline = await self.catalog.outline(part, fresh=fresh)
            picks, events = await asyncio.gather(self.catalog.picks(part), self.events.of_board(outline.manifest.board))
            view = View(outline, await asyncio.to_thread(standings, outline.manifest, picks, events))
            self._views = {name: each for name, each in self._views.items() if self.catalog.is_current(name, each[0])}
            self._views[part] = began, view
            return view

    async def act(self, part: str, action: Action, person: Person) -> ReviewEvent:
        """Record what a person does; see :func:`~previs.review.deciding.act`."""
        outline = await self.catalog.outline(part, fresh=True)
        if action.kind == "again" and (entry := find_shot(outline.manifest, action.shot)):
            whole = await self.catalog.manifest(outline.location)
            await check_prompts(whole, {str(entry.shot_id): action.text.strip()})
        picks = await self.catalog.picks(part)
        event = await act(self.store, self.events, outline.manifest, picks, action, person)
        self.catalog.forget(part)
        return event

    async def activity(self, view: View) -> Activity | None:
        """Return the run that is at work on a board or failed, or None; the answer may be three seconds old."""
        board, now = view.outline.manifest.board, time.monotonic()
        known = self._activity.get(board)
        if known is None or now - known[0] > _ACTIVITY_SECONDS:
            found = await self._in_prefect(view) or await self._in_store()
            self._activity = {name: each for name, each in self._activity.items() if now - each[0] < _SILENCE_SECONDS}
            known = self._activity[board] = now, found
        return known[1]

    async def answer(self, part: str) -> ReviewAnswer:
        """Give the review to the paused run of a board, and return it.

        Raises:
            ReviewRefused: No run waits for it.
            PrefectUnavailable, PrefectRefused: Prefect's server does not take it.
        """
        view = await self.view(part, fresh=True)
        self._activity.pop(view.outline.manifest.board, None)
        found = await self.activity(view)
        prefect = self._prefect
        if found is None or found.run is None or not found.asks or prefect is None:
            raise ReviewRefused("no run waits for the review of this board: render again, or start a run")
        await prefect.resume(found.run.id, view.answer)
        self._activity.pop(view.outline.manifest.board, None)
        return view.answer

    async def render(self, part: str) -> tuple[AgainOrder, bool]:
        """Start a run that renders shots again; return how, and whether it was started.

        Raises:
            ReviewRefused: No shot is to be rendered again, or a run of the board is at work already.
        """
        view = await self.view(part, fresh=True)
        board = view.outline.manifest.board
        if not view.answer.again:
            raise ReviewRefused("no shot waits to be rendered again")
        self._activity.pop(board, None)
        at_work = await self.activity(view)
        if at_work is not None and at_work.run is not None and not at_work.run.failed:
            raise ReviewRefused(f"run {at_work.run.name} of this board has not ended: wait for it, or answer it")
        manifest = await self.catalog.manifest(view.outline.location)
        prefect = await self._connected()
        origin = await prefect.list_of(board, _id_of(manifest)) if prefect else None
        order = await order_again(self.store, self.given_store, manifest, view.answer, origin)
        if prefect is None or not order.complete:
            return order, False
        await prefect.start(board, order.parameters)
        self._activity.pop(board, None)
        return order, True

    async def prompt(self, part: str, shot: str) -> str:
        """Return the prompt of a shot as the list has it.

        Raises:
            NotInStore: The board has no such shot.
        """
        outline = await self.catalog.outline(part)
        manifest = await self.catalog.manifest(outline.location)
        entry = find_shot(manifest, shot)
        if entry is None:
            raise NotInStore(
                self.store.name, f"shot {shot!r} in board {manifest.board!r}", "it was removed from the list"
            )
        own = entry.shot.get("prompt")
        return own if isinstance(own, str) else entry.prompt

    async def _connected(self) -> PrefectApi | None:
        found = await asyncio.to_thread(self.find)
        if (found and found.url) != (self._prefect and self._prefect.url):
            before, self._prefect = self._prefect, await found.__aenter__() if found else None
            if before is not None:
                await before.__aexit__()
        return self._prefect

    async def _in_prefect(self, view: View) -> Activity | None:
        prefect = await self._connected()
        if prefect is None:
            return None
        try:
            runs = await prefect.runs(view.outline.manifest.board)
        except (PrefectUnavailable, PrefectRefused, ReviewRefused) as error:
            if str(error) != self._warned:
                self._warned = str(error)
                _LOG.warning("runs at work are not shown: %s", error)
            return None
        self._warned = ""
        if not runs:
            return None
        run = runs[0]
        manifest = view.outline.manifest
        ours = str(run.id)[:_RUN_ID_DIGITS] == _id_of(manifest)
        if run.failed and (ours or run.start_time is None or run.start_time <= manifest.started):
            return None
        return Activity(run, prefect.page_of(run.id), asks=run.state_type == "PAUSED" and ours)

    async def _in_store(self) -> Activity | None:
        """Return whether some run writes heartbeats; a change must be seen, as no clocks are compared."""
        now, alive = time.monotonic(), False
        listed = await self.store.entries(f"{keys.CLAIMS}runs/")
        for key, file in listed.items():
            before = self._beats.get(key)
            changed = before is not None and before[0] != file
            self._beats[key] = (
                file,
                now if changed or before is None else before[1],
                changed or bool(before and before[2]),
            )
            _, since, seen = self._beats[key]
            if seen and now - since < _SILENCE_SECONDS:
                alive = alive or not await self._is_over(key)
        self._beats = {key: beat for key, beat in self._beats.items() if key in listed}
        return Activity(None) if alive else None

    async def _is_over(self, key: str) -> bool:
        content = await self.store.get(key)
        return content is None or b'"over":true' in content.replace(b" ", b"")


def _id_of(manifest: Manifest) -> str:
    """Return the first digits of a run's ID in Prefect, with which its name within the board ends."""
    return manifest.run.rpartition("-")[2]


def view_as_json(view: View) -> dict[str, Any]:
    """Return how a board stands as the page reads it: only shots of which something is known."""
    return {
        "run": view.outline.location.run,
        "version": view.outline.version,
        "answer": {"chosen": len(view.answer.chosen), "again": len(view.answer.again)},
        "shots": [each for shot in view.shots if (each := _shot(shot))],
    }


def _shot(shot: ShotStanding) -> dict[str, Any] | None:
    if shot.circled is None and shot.decision is None and not shot.comments and not shot.last:
        return None
    decision = shot.decision
    return {
        "shot": shot.shot_id,
        "label": one_line(shot.shot_id),
        "circled": shot.circled,
        "on_board": shot.on_board,
        "last": shot.last,
        "decision": decision
        and {
            "kind": decision.kind,
            "by": one_line(decision.by),
            "at": decision.at.isoformat(timespec="seconds"),
            "take": decision.take,
            "pass": one_line(decision.pass_name),
            "text": clean(decision.text),
            "stale": decision.stale,
        },
        "comments": [
            {
                "number": comment.number,
                "by": one_line(comment.by),
                "at": comment.at.isoformat(timespec="seconds"),
                "take": comment.take,
                "pass": one_line(comment.pass_name),
                "text": clean(comment.text),
                "resolved": one_line(comment.resolved),
                "stale": comment.stale,
            }
            for comment in shot.comments
        ],
    }
