"""Count takes that servers rendered more often than needed, from the events on the servers; pure.

A render is a prompt that started. A take needs one. Another render is allowed only if, before it was posted, the one
before it had become useless:

* ``restarted``: its server restarted after the render started, so queue, history and files were lost;
* ``failed``: it ran out of memory, the only failure in a fault schedule;
* ``damaged``: its files were sent damaged, or answered with 404, twice: a client downloads twice;
* ``forgotten``: it ended, but the server's history no longer had it when a client asked.

A take is duplicated if a render follows another one that had not become useless: with the same prompt id or another,
on the same server or another, and whatever the outcomes. A prompt that was deleted from a queue before it started is
not a render. An unreachable server does not allow another render: outages in a fault schedule are shorter than the time
after which a client renders elsewhere.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.event_log import LoggedEvent

_DOWNLOADS = 2


@dataclass(slots=True)
class Render:
    """Represent a prompt that started.

    Attributes:
        server: Number of the server.
        prompt_id: Id of the prompt.
        posted: Time at which it was posted; like all times, in seconds of one clock.
        started: Time at which it started.
        ended: Outcome; None if it did not end.
        damaged: Number of times that its files were sent damaged.
        useless: Reason why another render is allowed; empty if it is not.
        useless_since: Time from which it is allowed.
    """

    server: int
    prompt_id: str
    posted: float
    started: float
    ended: str | None = None
    damaged: int = 0
    useless: str = ""
    useless_since: float = 0.0

    def set_useless(self, reason: str, seconds: float) -> None:
        """Allow another render from now on; the first reason counts."""
        if not self.useless:
            self.useless, self.useless_since = reason, seconds


def renders_of(server: int, events: Iterable[LoggedEvent]) -> list[Render]:
    """Return all renders of one server."""
    renders: list[Render] = []
    latest: dict[str, Render] = {}
    posts: defaultdict[str, deque[float]] = defaultdict(deque)
    for event in events:
        render = latest.get(event.prompt_id)
        match event.kind, render:
            case "posted", _:
                posts[event.prompt_id].append(event.seconds)
            case "deleted", _:
                posts[event.prompt_id].popleft()
            case "started", _:
                posted = posts[event.prompt_id].popleft()
                latest[event.prompt_id] = Render(server, event.prompt_id, posted, event.seconds)
                renders.append(latest[event.prompt_id])
            case "restarted", _:
                posts.clear()
                for before in latest.values():
                    before.set_useless("restarted", event.seconds)
                latest.clear()
            case _, Render():
                _apply(render, event)
    return renders


def _apply(render: Render, event: LoggedEvent) -> None:
    match event.kind:
        case "ended":
            render.ended = event.outcome
            if event.outcome == "failed":
                render.set_useless("failed", event.seconds)
        case "damaged":
            render.damaged += 1
            if render.damaged >= _DOWNLOADS:
                render.set_useless("damaged", event.seconds)
        case "absent" if render.ended is not None:
            render.set_useless("forgotten", event.seconds)


@dataclass(frozen=True, slots=True)
class DuplicateCount:
    """Represent what was counted.

    Attributes:
        renders: Number of renders.
        again: Number of allowed further renders, by reason.
        doubled: Renders of duplicated takes, by take.
    """

    renders: int
    again: Mapping[str, int]
    doubled: Mapping[str, Sequence[Render]]


def count_duplicates(logs: Sequence[Iterable[LoggedEvent]], take_of: Mapping[str, str]) -> DuplicateCount:
    """Count renders by take.

    Args:
        logs: Events of each server, in order of time.
        take_of: Take of each prompt id.
    """
    of_take: defaultdict[str, list[Render]] = defaultdict(list)
    for server, events in enumerate(logs):
        for render in renders_of(server, events):
            of_take[take_of[render.prompt_id]].append(render)
    again: defaultdict[str, int] = defaultdict(int)
    doubled: dict[str, list[Render]] = {}
    for take, renders in of_take.items():
        renders.sort(key=lambda render: render.posted)
        for render, following in pairwise(renders):
            if render.useless and render.useless_since <= following.posted:
                again[render.useless] += 1
            else:
                doubled[take] = renders
    return DuplicateCount(sum(map(len, of_take.values())), dict(again), doubled)
