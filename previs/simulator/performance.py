"""Play a script: apply each cue when it is due, and end it after its time."""

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from previs.simulator.script import MOMENTS, Cue, Moment
from previs.simulator.server import Simulator


@dataclass(slots=True, eq=False)
class Performance:
    """Play a simulator's script.

    :meth:`count` sets the faults of a cue at once; :meth:`play` does the rest right after.
    """

    simulator: Simulator
    _waiting: dict[Moment, list[Cue]] = field(init=False)
    _counts: dict[Moment, int] = field(init=False)
    _agenda: list[tuple[float, int, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._counts = dict.fromkeys(MOMENTS, 0)
        last_first = sorted(self.simulator.script, key=lambda cue: cue.at)[::-1]
        self._waiting = {moment: [cue for cue in last_first if cue.moment == moment] for moment in MOMENTS}

    def count(self, moment: Moment) -> None:
        """Count one more started prompt, finished request or sent frame, and apply the cues that are now due."""
        waiting = self._waiting[moment]
        if not waiting:
            return
        self._counts[moment] += 1
        while waiting and waiting[-1].at <= self._counts[moment]:
            self._apply(waiting.pop())

    async def play(self) -> None:
        """Apply the cues that are due by time, until cancelled; called again, continue by the same clock."""
        timed = self._waiting["after_seconds"]
        while timed:
            self._plan(timed[-1].at, partial(self._apply_timed, timed.pop()))
        while True:
            due = self._agenda[0][0] - time.monotonic() if self._agenda else None
            if due is not None and due <= 0:
                await heapq.heappop(self._agenda)[2]()
                continue
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._changed.wait()

    def _plan(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        heapq.heappush(self._agenda, (time.monotonic() + seconds, next(self._numbers), act))
        self._changed.set()

    async def _apply_timed(self, cue: Cue) -> None:
        self._apply(cue)

    def _apply(self, cue: Cue) -> None:
        for name, value in cue.set.items():
            setattr(self.simulator.faults, name, value)
        if cue.restart or cue.door or cue.cut:
            self._plan(0, partial(self._act, cue))
        if cue.for_seconds is not None:
            self._plan(cue.for_seconds, partial(self._end, cue))

    async def _act(self, cue: Cue) -> None:
        if cue.door == "closed":
            self.simulator.close_door()
        if cue.restart:
            self.simulator.restart()
        elif cue.cut:
            self.simulator.cut_all()
        if cue.door == "open":
            await self.simulator.open_door()

    async def _end(self, cue: Cue) -> None:
        if cue.set:
            self.simulator.faults.heal(*cue.set)
        if cue.door == "closed":
            await self.simulator.open_door()
