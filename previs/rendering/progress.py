"""Who wants to know how a run goes: one account of all takes, told to whoever listens."""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from pydantic import TypeAdapter

from previs.planning.plan import PlannedTake
from previs.publishing.views import Progress, RunningTake
from previs.records.manifest import Outcome


@dataclass(frozen=True, slots=True)
class TakeSettled:
    """A take came to its end.

    Attributes:
        place: server, or an empty text for a take that needed none.
        seconds: of the render.
        error: why it failed or was skipped.
    """

    label: str
    outcome: Outcome
    place: str = ""
    seconds: float = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class BoardPublished:
    """The board is published.

    Attributes:
        page: address that a person can open.
        manifest: place of the manifest.
        message: what came of it.
        complete: whether every shot has its frames.
    """

    page: str
    manifest: str
    message: str
    complete: bool


ProgressEvent = Progress | TakeSettled | BoardPublished | str
Listener = Callable[[ProgressEvent], None]

_listener: ContextVar[Listener | None] = ContextVar("previs_listener", default=None)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have runs that begin within this context tell how they go: progress, ends of takes, and plain sentences."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class RunProgress:
    """Where each take of a run stands."""

    def __init__(self) -> None:
        self._title = ""
        self._began = time.monotonic()
        self._takes: frozenset[str] = frozenset()
        self._running: dict[str, RunningTake] = {}
        self._settled: dict[str, Outcome] = {}
        self._notice = ""

    def expect(self, title: str, takes: Iterable[PlannedTake]) -> None:
        """These are the takes that the run is about."""
        self._title = title
        self._takes = frozenset(take.label for take in takes)
        emit(self.progress())

    def running(self, take: PlannedTake, server: str, step: int = 0, steps: int = 0) -> None:
        """A server works on it."""
        self._running[take.label] = RunningTake(take.shot.shot_id, take.number, server, step, steps)
        emit(self.progress())

    def waiting(self, take: PlannedTake) -> None:
        """No server works on it any more, and it is not settled."""
        self._running.pop(take.label, None)
        emit(self.progress())

    def settled(self, take: PlannedTake, end: TakeSettled) -> None:
        """It needs no more work."""
        self._running.pop(take.label, None)
        self._settled[take.label] = end.outcome
        emit(end)
        emit(self.progress())

    def notice(self, sentence: str) -> None:
        """Something that a person should know now."""
        self._notice = sentence
        emit(sentence)

    def progress(self) -> Progress:
        """The account as it is now."""
        outcomes = list(self._settled.values())
        return Progress(
            rendered=outcomes.count("rendered"),
            cached=outcomes.count("cached"),
            failed=outcomes.count("failed"),
            skipped=outcomes.count("skipped"),
            waiting=len(self._takes) - len(self._settled) - len(self._running),
            running=tuple(self._running.values()),
            elapsed=time.monotonic() - self._began,
            title=self._title,
            notice=self._notice,
        )


def emit(told: ProgressEvent) -> None:
    """Tell whoever listens in this context, if anybody does."""
    if listener := _listener.get():
        listener(told)


_KINDS: dict[str, TypeAdapter[ProgressEvent]] = {
    "progress": TypeAdapter(Progress),
    "settled": TypeAdapter(TakeSettled),
    "board": TypeAdapter(BoardPublished),
    "say": TypeAdapter(str),
}


def to_line(told: ProgressEvent) -> str:
    """One line of JSON, for a listener in another process."""
    match told:
        case Progress():
            kind = "progress"
        case TakeSettled():
            kind = "settled"
        case BoardPublished():
            kind = "board"
        case _:
            kind = "say"
    return json.dumps({kind: _KINDS[kind].dump_python(told, mode="json")})


def from_line(line: str | bytes) -> ProgressEvent | None:
    """What a line of :func:`to_line` said; nothing for any other line."""
    try:
        content = json.loads(line)
        [(kind, value)] = content.items()
        return _KINDS[kind].validate_python(value)
    except (ValueError, RecursionError, AttributeError, KeyError):
        return None
