"""Claims: of all runs on all machines that share a store, one renders a take, and the others wait for it.

A claim is an object that only one run can create, ``claims/takes/FINGERPRINT/NUMBER.json``; who takes over after
another creates the next number. That a run is still at work is told by its beat, ``claims/runs/RUN.json``, which
changes every few seconds: no clocks are compared. A run that was killed is known at once on its own machine, elsewhere
after a while.
"""

import asyncio
import contextlib
import os
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from previs.errors import StoreTrouble
from previs.store import Store, keys

_EVERY = 5.0
_POLL = 1.0
_SILENCE = 25.0
_JSON = "application/json"

Model = TypeVar("Model", bound=BaseModel)


class Beat(BaseModel):
    """A run's sign of life.

    Attributes:
        beat: counts up.
        over: whether the run has ended.
        machine: what the number of a process means something on; none if that cannot be told.
        process: its number and start, so that another one of the same number is not taken for it.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.beat/1"] = Field("previs.beat/1", alias="schema")
    run: str
    beat: int
    over: bool = False
    machine: str | None = None
    process: str | None = None


class Claim(BaseModel):
    """Who renders a take.

    Attributes:
        salt: of the render; see :attr:`previs.plan.PlannedTake.salt`.
        held: whether the run that made the claim is still at it.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.claim/1"] = Field("previs.claim/1", alias="schema")
    run: str
    salt: str = ""
    held: bool = True


@dataclass(slots=True)
class _Sight:
    """Another run's beat as it was seen.

    Attributes:
        unchanged: seconds for which it was seen to be the same; time in which nothing could be seen does not count.
    """

    beat: Beat | None
    seen: float
    unchanged: float = 0.0


@dataclass(slots=True)
class Claims:
    """The claims of one run; to be used with ``async with``.

    Attributes:
        run: a name that no other run has.
        every: seconds between two beats.
        silence: seconds without a beat after which another run counts as dead.
    """

    store: Store
    run: str
    every: float = _EVERY
    silence: float = _SILENCE
    _held: dict[str, tuple[str, Claim]] = field(default_factory=dict)
    _sights: dict[str, _Sight] = field(default_factory=dict)
    _beats: int = 0
    _beating: asyncio.Task[None] | None = None
    _begun: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that the run is over, which frees all that it holds."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
            # Out of reach: the others will notice the silence.
            with contextlib.suppress(StoreTrouble):
                await self._beat(over=True)

    async def claim(self, fingerprint: str, salt: str = "") -> Claim | None:
        """Claim a take, if no other run at work holds it.

        Returns:
            Nothing if it is ours and was never claimed before. Else the last claim before ours, or the one that stands
            in the way, which is ``held``.
        """
        await self._begin()
        mine = Claim(run=self.run, salt=salt)
        number, earlier = 0, None
        while not await self._create(fingerprint, number, mine):
            number, earlier = await self._latest(fingerprint)
            if earlier.held and await self._at_work(earlier.run):
                return earlier
            number += 1
        return earlier and earlier.model_copy(update={"held": False})

    def holds(self, fingerprint: str) -> bool:
        """Whether a take is claimed by this run."""
        return fingerprint in self._held

    async def release(self, fingerprint: str) -> None:
        """Give back a claim, if it is ours."""
        if fingerprint in self._held:
            key, claim = self._held.pop(fingerprint)
            given_back = claim.model_copy(update={"held": False})
            # Out of reach: the end of the run frees it.
            with contextlib.suppress(StoreTrouble):
                await self.store.put(key, _json(given_back), media_type=_JSON)

    async def until_free(self, fingerprint: str) -> Claim:
        """Wait while another run at work holds a take; the claim as it ended."""
        while True:
            _, latest = await self._latest(fingerprint)
            if not latest.held or not await self._at_work(latest.run):
                return latest.model_copy(update={"held": False})
            await asyncio.sleep(min(_POLL, self.every))

    async def _create(self, fingerprint: str, number: int, mine: Claim) -> bool:
        key = keys.claim_key(fingerprint, number)
        created = await self.store.create(key, _json(mine), media_type=_JSON)
        if created:
            self._held[fingerprint] = (key, mine)
        return created

    async def _latest(self, fingerprint: str) -> tuple[int, Claim]:
        """The number of the last claim, and the claim; a damaged one holds nothing."""
        there = await self.store.entries(keys.claims_prefix(fingerprint))
        numbers = [int(name) for key in there if (name := key.rpartition("/")[2].removesuffix(".json")).isdecimal()]
        if not numbers:
            return -1, Claim(run="", held=False)
        number = max(numbers)
        claim = _read(await self.store.get(keys.claim_key(fingerprint, number)), Claim)
        return number, claim or Claim(run="", held=False)

    async def _at_work(self, run: str) -> bool:
        """Whether another run still lives, as far as can be seen."""
        if run == self.run:
            return False
        beat = _read(await self.store.get(keys.beat_key(run)), Beat)
        if beat is not None and (beat.over or _is_gone(beat)):
            return False
        now = time.monotonic()
        sight = self._sights.get(run)
        if sight is None or sight.beat != beat:
            self._sights[run] = _Sight(beat, now)
            return True
        sight.unchanged += min(now - sight.seen, 2 * self.every)
        sight.seen = now
        return sight.unchanged < self.silence

    async def _begin(self) -> None:
        """Beat once before the first claim, and then on and on."""
        async with self._begun:
            if self._beating is None:
                await self._beat()
                self._beating = asyncio.create_task(self._go_on_beating())

    async def _go_on_beating(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            with contextlib.suppress(StoreTrouble):
                await self._beat()

    async def _beat(self, *, over: bool = False) -> None:
        self._beats += 1
        beat = Beat(run=self.run, beat=self._beats, over=over, machine=_machine(), process=_process(os.getpid()))
        await self.store.put(keys.beat_key(self.run), _json(beat), media_type=_JSON)


def _json(model: BaseModel) -> bytes:
    return model.model_dump_json(by_alias=True).encode()


def _read(content: bytes | None, kind: type[Model]) -> Model | None:
    try:
        return kind.model_validate_json(content or b"")
    except ValidationError:
        return None


def _is_gone(beat: Beat) -> bool:
    """Whether a process of this very machine has ended."""
    machine = _machine()
    if machine is None or beat.machine != machine or beat.process is None:
        return False
    number = beat.process.partition(" ")[0]
    return not number.isdecimal() or _process(int(number)) != beat.process


@cache
def _machine() -> str | None:
    """This start of this machine, and the numbering of processes in it, of which a container has its own."""
    if sys.platform != "linux":
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def _process(number: int) -> str | None:
    """A process by its number and the moment it started; nothing if there is none."""
    try:
        stat = Path(f"/proc/{number}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # proc(5): the name, in parentheses, may hold anything; the start is field 22, the state field 3, Z for one that has
    # ended and was not waited for.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{number} {fields[19]}"
