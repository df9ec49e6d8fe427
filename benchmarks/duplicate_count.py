"""Counting what servers rendered more than once, from what happened on them; pure.

A render is a prompt that began to run. A take needs one. It may have another only if, before that one was posted, the
one before it had an excuse:

* ``restarted``: its server was restarted after it began; queue and history were gone, so its files could not be found;
* ``failed``: it ran out of memory, the one failure that the weather makes;
* ``damaged``: its files were sent damaged, or refused as gone, twice since: once more than a client asks again;
* ``forgotten``: it ended, and its server, asked for it, had no history of it any more.

Every render without an excuse that another one of the same take followed makes that take doubled: whether under the
same prompt id or another, on the same server or another, and however the two ended. A prompt that was taken out of a
queue before it began was not rendered. That a server could not be reached is no excuse: the weather's outages are
shorter than a client waits before it renders elsewhere.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.event_log import Happening

_FETCHES = 2


@dataclass(slots=True)
class Render:
    """A prompt that began to run.

    Attributes:
        server: its number.
        posted: when it was; as all times, in seconds of one clock.
        ended: how; none if it did not end.
        damaged: how often its files were sent damaged.
        excuse: why another render may follow; empty if none may.
        excused: since when.
    """

    server: int
    prompt_id: str
    posted: float
    started: float
    ended: str | None = None
    damaged: int = 0
    excuse: str = ""
    excused: float = 0.0

    def forgive(self, excuse: str, seconds: float) -> None:
        """It has an excuse from now on; the first one counts."""
        if not self.excuse:
            self.excuse, self.excused = excuse, seconds


def renders_of(server: int, happenings: Iterable[Happening]) -> list[Render]:
    """All renders of one server, with their excuses."""
    renders: list[Render] = []
    latest: dict[str, Render] = {}
    posts: defaultdict[str, deque[float]] = defaultdict(deque)
    for each in happenings:
        render = latest.get(each.prompt_id)
        match each.kind, render:
            case "posted", _:
                posts[each.prompt_id].append(each.seconds)
            case "deleted", _:
                posts[each.prompt_id].popleft()
            case "started", _:
                posted = posts[each.prompt_id].popleft()
                latest[each.prompt_id] = Render(server, each.prompt_id, posted, each.seconds)
                renders.append(latest[each.prompt_id])
            case "restarted", _:
                posts.clear()
                for before in latest.values():
                    before.forgive("restarted", each.seconds)
                latest.clear()
            case _, Render():
                _tell(render, each)
    return renders


def _tell(render: Render, each: Happening) -> None:
    match each.kind:
        case "ended":
            render.ended = each.outcome
            if each.outcome == "failed":
                render.forgive("failed", each.seconds)
        case "damaged":
            render.damaged += 1
            if render.damaged >= _FETCHES:
                render.forgive("damaged", each.seconds)
        case "absent" if render.ended is not None:
            render.forgive("forgotten", each.seconds)


@dataclass(frozen=True, slots=True)
class Tally:
    """Of one storm.

    Attributes:
        renders: that there were.
        again: those that followed another one of their take with its excuse, by excuse.
        doubled: renders of takes that had one too many, by take.
    """

    renders: int
    again: Mapping[str, int]
    doubled: Mapping[str, Sequence[Render]]


def tally(accounts: Sequence[Iterable[Happening]], take_of: Mapping[str, str]) -> Tally:
    """Count renders by take.

    Args:
        accounts: what happened on each server, in its order.
        take_of: from the ids of prompts; takes by a name each.
    """
    of_take: defaultdict[str, list[Render]] = defaultdict(list)
    for server, happenings in enumerate(accounts):
        for render in renders_of(server, happenings):
            of_take[take_of[render.prompt_id]].append(render)
    again: defaultdict[str, int] = defaultdict(int)
    doubled: dict[str, list[Render]] = {}
    for take, renders in of_take.items():
        renders.sort(key=lambda render: render.posted)
        for render, following in pairwise(renders):
            if render.excuse and render.excused <= following.posted:
                again[render.excuse] += 1
            else:
                doubled[take] = renders
    return Tally(sum(map(len, of_take.values())), dict(again), doubled)
