"""A script as it is played: its cues come in their time, and end."""

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from previs.simulator.script import MOMENTS, Cue, Moment

if TYPE_CHECKING:
    from previs.simulator.server import Simulator


@dataclass(slots=True, eq=False)
class Performance:
    """The playing of one script on one server.

    Faults are turned in the very moment of their cue; all else follows at once, in :meth:`play`.
    """

    server: "Simulator"
    script: Sequence[Cue]
    _waiting: dict[Moment, list[Cue]] = field(init=False)
    _counts: dict[Moment, int] = field(init=False)
    _agenda: list[tuple[float, int, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _entries: Iterator[int] = field(default_factory=itertools.count)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._counts = dict.fromkeys(MOMENTS, 0)
        last_first = sorted(self.script, key=lambda cue: cue.at)[::-1]
        self._waiting = {moment: [cue for cue in last_first if cue.moment == moment] for moment in MOMENTS}

    def count(self, moment: Moment) -> None:
        """Tell that a prompt started, a request was answered or a frame was sent."""
        waiting = self._waiting[moment]
        if not waiting:
            return
        self._counts[moment] += 1
        while waiting and waiting[-1].at <= self._counts[moment]:
            self._begin(waiting.pop())

    async def play(self) -> None:
        """Play until cancelled; played again, it goes on by the same clock."""
        timed = self._waiting["after_seconds"]
        while timed:
            self._plan(timed[-1].at, partial(self._begin_timed, timed.pop()))
        while True:
            due = self._agenda[0][0] - time.monotonic() if self._agenda else None
            if due is not None and due <= 0:
                await heapq.heappop(self._agenda)[2]()
                continue
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._woken.wait()

    def _plan(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._entries), act))
        self._woken.set()

    async def _begin_timed(self, cue: Cue) -> None:
        self._begin(cue)

    def _begin(self, cue: Cue) -> None:
        for name, value in cue.set.items():
            setattr(self.server.faults, name, value)
        if cue.restart or cue.door or cue.cut:
            self._plan(0, partial(self._act, cue))
        if cue.for_seconds is not None:
            self._plan(cue.for_seconds, partial(self._end, cue))

    async def _act(self, cue: Cue) -> None:
        if cue.door == "closed":
            self.server.close_door()
        if cue.restart:
            self.server.restart()
        elif cue.cut:
            self.server.cut_all()
        if cue.door == "open":
            await self.server.open_door()

    async def _end(self, cue: Cue) -> None:
        if cue.set:
            self.server.faults.heal(*cue.set)
        if cue.door == "closed":
            await self.server.open_door()
