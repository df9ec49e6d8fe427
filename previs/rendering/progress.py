"""Follow the progress of a run, and emit it as events to a listener."""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from pydantic import TypeAdapter

from previs.planning.plan import PlannedTake
from previs.publishing.views import Progress, RunningTake
from previs.records.manifest import Outcome


@dataclass(frozen=True, slots=True)
class TakeSettled:
    """Report how a take ended.

    Attributes:
        place: Server's name; empty for a take that needed no server.
        seconds: Duration of the render.
        error: Why it failed or was skipped.
        marks: What frame QC found wrong with it, in words.
    """

    label: str
    outcome: Outcome
    place: str = ""
    seconds: float = 0
    error: str = ""
    marks: str = ""


@dataclass(frozen=True, slots=True)
class BoardPublished:
    """Report that the board is published.

    Attributes:
        page: URL or path of the page.
        manifest: URL or path of the manifest.
        message: Result in one sentence.
        complete: Whether every shot has its frames.
    """

    page: str
    manifest: str
    message: str
    complete: bool


@dataclass(frozen=True, slots=True)
class PrefectStarting:
    """Report that a Prefect server is being started.

    Attributes:
        address: URL of the server that stays; empty for one that ends with the run.
    """

    address: str = ""


ProgressEvent = Progress | TakeSettled | BoardPublished | PrefectStarting | str
Listener = Callable[[ProgressEvent], None]

_listener: ContextVar[Listener | None] = ContextVar("previs_listener", default=None)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the events of runs that start within this context to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


class RunProgress:
    """Track the takes of a run, and emit an event for each change."""

    def __init__(self) -> None:
        self._title = ""
        self._began = time.monotonic()
        self._takes: frozenset[str] = frozenset()
        self._running: dict[str, RunningTake] = {}
        self._settled: dict[str, Outcome] = {}
        self._outcomes = Counter[Outcome | None]()
        self._notice = ""

    def expect(self, title: str, takes: Iterable[PlannedTake]) -> None:
        """Set the title and the takes of the run."""
        self._title = title
        self._takes = frozenset(take.label for take in takes)
        self._emit_snapshot()

    def running(self, take: PlannedTake, server: str, step: int = 0, steps: int = 0) -> None:
        """Record that a server renders a take, perhaps once more."""
        if (before := self._settled.pop(take.label, None)) is not None:
            self._outcomes[before] -= 1
        self._running[take.label] = RunningTake(take.shot.shot_id, take.number, server, step, steps, take.pass_name)
        self._emit_snapshot()

    def waiting(self, take: PlannedTake) -> None:
        """Record that no server renders a take any more, though it is not settled."""
        self._running.pop(take.label, None)
        self._emit_snapshot()

    def settled(self, take: PlannedTake, end: TakeSettled) -> None:
        """Record how a take ended."""
        self._running.pop(take.label, None)
        self._outcomes[self._settled.get(take.label)] -= 1
        self._outcomes[end.outcome] += 1
        self._settled[take.label] = end.outcome
        emit(end)
        self._emit_snapshot()

    def notice(self, sentence: str) -> None:
        """Emit a sentence that a person should read now."""
        self._notice = sentence
        emit(sentence)

    def snapshot(self) -> Progress:
        """Return the progress as it is now."""
        return Progress(
            rendered=self._outcomes["rendered"],
            joined=self._outcomes["joined"],
            cached=self._outcomes["cached"],
            failed=self._outcomes["failed"],
            skipped=self._outcomes["skipped"],
            waiting=len(self._takes) - len(self._settled) - len(self._running),
            running=tuple(self._running.values()),
            elapsed=time.monotonic() - self._began,
            title=self._title,
            notice=self._notice,
        )

    def _emit_snapshot(self) -> None:
        if _listener.get():
            emit(self.snapshot())


def emit(event: ProgressEvent) -> None:
    """Send an event to the listener of this context, if there is one."""
    if listener := _listener.get():
        listener(event)


_KINDS: dict[str, TypeAdapter[ProgressEvent]] = {
    "progress": TypeAdapter(Progress),
    "settled": TypeAdapter(TakeSettled),
    "board": TypeAdapter(BoardPublished),
    "prefect": TypeAdapter(PrefectStarting),
    "say": TypeAdapter(str),
}


def to_line(event: ProgressEvent) -> str:
    """Return an event as one line of JSON, for a listener in another process."""
    match event:
        case Progress():
            kind = "progress"
        case TakeSettled():
            kind = "settled"
        case BoardPublished():
            kind = "board"
        case PrefectStarting():
            kind = "prefect"
        case _:
            kind = "say"
    return json.dumps({kind: _KINDS[kind].dump_python(event, mode="json")})


def from_line(line: str | bytes) -> ProgressEvent | None:
    """Return the event of a line that :func:`to_line` made; None for any other line."""
    try:
        content = json.loads(line)
        [(kind, value)] = content.items()
        return _KINDS[kind].validate_python(value)
    except (ValueError, RecursionError, AttributeError, KeyError):
        return None
