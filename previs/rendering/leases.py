"""Claims: of all runs on all machines that share a store, one renders a take, and the others wait for it.

A claim is an object that only one run can create, ``leases/takes/FINGERPRINT/NUMBER.json``; who takes over after
another creates the next number. That a run is still at work is told by its beat, ``leases/runs/RUN.json``, which
changes every few seconds: no clocks are compared. A run that was killed is known at once on its own machine, elsewhere
after a while.
"""

import asyncio
import contextlib
import random
import time
import uuid
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from previs.errors import StoreRefused, StoreUnavailable
from previs.rendering.process_identity import has_ended, this_machine, this_process
from previs.store import Store, keys

_EVERY = 5.0
_SILENCE = 25.0
_POLL = 1.0
# The looks of all that wait: so many a second, so many at once. They share the store's connections with the beats.
_LOOKS_A_SECOND, _LOOKS_AT_ONCE = 20, 4
# A request may hang for longer than others watch in patience; the next one then takes another connection.
_BEATS_AT_ONCE = 3
_GIVEN_BACK_WITHIN = 5.0
_PATIENCE = 300.0
_FAREWELL_WITHIN = 10.0
_JSON = "application/json"

Model = TypeVar("Model", bound=BaseModel)


class Heartbeat(BaseModel):
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


class Lease(BaseModel):
    """Who renders a take.

    Attributes:
        render_nonce: of the render; see :attr:`previs.planning.plan.PlannedTake.render_nonce`.
        held: whether the run that made the claim is still at it.
        nonce: that no other claim has, so that whoever finds it knows whether it is his.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.claim/1"] = Field("previs.claim/1", alias="schema")
    run: str
    render_nonce: str = Field("", alias="salt")
    held: bool = True
    nonce: str = ""


_NOBODYS = Lease(run="", held=False)


@dataclass(slots=True)
class _ObservedHeartbeat:
    """Another run's beat as it was seen.

    Attributes:
        content: of the beat; none if there is none.
        unchanged: seconds for which it was watched and stayed the same.
        at_work: what follows.
    """

    content: bytes | None
    seen: float
    unchanged: float = 0.0
    at_work: bool = True


@dataclass(slots=True)
class Leases:
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
    _held: dict[str, tuple[str, Lease]] = field(default_factory=dict)
    _owed: dict[str, Lease] = field(default_factory=dict)
    _sights: dict[str, _ObservedHeartbeat] = field(default_factory=dict)
    _waiting: int = 0
    _looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LOOKS_AT_ONCE))
    _beats: int = 0
    _beating: asyncio.Task[None] | None = None
    _signs: set[asyncio.Task[None]] = field(default_factory=set)
    _begun: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say that the run is over, which frees all that it holds."""
        try:
            if self._beating is not None:
                self._beating.cancel()
                await asyncio.gather(self._beating, return_exceptions=True)
            # Out of reach: the others will notice the silence.
            with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
                async with asyncio.timeout(_FAREWELL_WITHIN):
                    # A beat that is written after the last one would have the run alive.
                    await asyncio.gather(*self._signs)
                    if self._beats:
                        await self._beat(over=True)
        finally:
            for sign in self._signs:
                sign.cancel()

    async def claim(self, fingerprint: str, render_nonce: str = "") -> Lease | None:
        """Claim a take, if no other run at work holds it.

        Returns:
            Nothing if it is ours and was never claimed before. Else the last claim before ours, or the one that stands
            in the way, which is ``held``.
        """
        await self.begin()
        number, earlier = 0, None
        while not await self._create(fingerprint, number, render_nonce):
            number, earlier = await self._latest(fingerprint, number)
            if await self._stands(earlier):
                return earlier
            number += 1
        return earlier and _ended(earlier)

    def holds(self, fingerprint: str) -> bool:
        """Whether a take is claimed by this run."""
        return fingerprint in self._held

    async def release(self, fingerprint: str) -> None:
        """Give back a claim, if it is ours; what cannot be given back soon is given back later."""
        if fingerprint in self._held:
            key, claim = self._held.pop(fingerprint)
            self._owed[key] = claim
            with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
                async with asyncio.timeout(_GIVEN_BACK_WITHIN):
                    await self._give_back(key, claim)

    async def until_free(self, fingerprint: str) -> Lease:
        """Wait while another run at work holds a take; the claim as it ended."""
        number: int | None = None
        looked = time.monotonic()
        self._waiting += 1
        try:
            while True:
                try:
                    async with self._looks:
                        if number is None:
                            number, claim = await self._latest(fingerprint)
                        else:
                            claim = await self._read(fingerprint, number)
                        if not await self._stands(claim, min(_POLL, self.every) / 2):
                            return _ended(claim)
                    looked = time.monotonic()
                except StoreUnavailable:
                    if time.monotonic() - looked > _PATIENCE:
                        raise
                await asyncio.sleep(self._pause())
        finally:
            self._waiting -= 1

    def _pause(self) -> float:
        # Drawn anew each time, or all that wait would look at the same moment.
        spread = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        return min(_POLL, self.every) * spread * max(1.0, self._waiting / _LOOKS_A_SECOND)

    async def _create(self, fingerprint: str, number: int, render_nonce: str) -> bool:
        key = keys.claim_key(fingerprint, number)
        mine = Lease(run=self.run, render_nonce=render_nonce, nonce=uuid.uuid4().hex)
        try:
            created = await self.store.create(key, _json(mine), media_type=_JSON)
        except BaseException:
            # It may be there all the same, or come to be.
            self._owed[key] = mine
            raise
        if created:
            self._held[fingerprint] = (key, mine)
        return created

    async def _latest(self, fingerprint: str, known: int = -1) -> tuple[int, Lease]:
        """The number of the last claim, and the claim; ``known`` was there a moment ago, listed or not."""
        there = await self.store.entries(keys.claims_prefix(fingerprint))
        names = [key.rpartition("/")[2].removesuffix(".json") for key in there]
        number = max([known, *(int(name) for name in names if name.isdecimal())])
        return number, _NOBODYS if number < 0 else await self._read(fingerprint, number)

    async def _read(self, fingerprint: str, number: int) -> Lease:
        """A claim. One that cannot be read is held by somebody who gives no sign of life: it may be half written."""
        content = await self.store.get(keys.claim_key(fingerprint, number))
        return _NOBODYS if content is None else _parsed(content, Lease) or Lease(run="")

    async def _stands(self, claim: Lease, seen_within: float = 0.0) -> bool:
        """Whether a claim is held by another run that still lives, as far as could be seen so many seconds ago."""
        if not claim.held or claim.run == self.run:
            return False
        sight = self._sights.get(claim.run)
        if sight is None or time.monotonic() - sight.seen >= seen_within:
            sight = await self._look_at(claim.run)
        return sight.at_work

    async def _look_at(self, run: str) -> _ObservedHeartbeat:
        content = await self.store.get(keys.beat_key(run))
        sight, now = self._sights.get(run), time.monotonic()
        if sight is None or sight.content != content:
            sight = self._sights[run] = _ObservedHeartbeat(content, now)
        elif sight.unchanged < self.silence:
            # Where the store was away, or this machine slept, the other may just not have been seen.
            gap = now - sight.seen
            sight.unchanged = sight.unchanged + gap if gap <= 2 * self.every else 0.0
        sight.seen = now
        beat = _parsed(content or b"", Heartbeat)
        over = beat is not None and (beat.over or has_ended(beat.machine, beat.process))
        sight.at_work = not over and sight.unchanged < self.silence
        return sight

    async def begin(self) -> None:
        """Beat once, and then on and on; without it, this is done before the first claim."""
        async with self._begun:
            if self._beating is None:
                await self._beat()
                self._beating = asyncio.create_task(self._go_on_beating())

    async def _go_on_beating(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            if len(self._signs) < _BEATS_AT_ONCE:
                sign = asyncio.create_task(self._sign())
                self._signs.add(sign)
                sign.add_done_callback(self._signs.discard)

    async def _sign(self) -> None:
        """Beat, and give back what could not be given back when it was time."""
        # The next one may do better.
        with contextlib.suppress(StoreUnavailable, StoreRefused):
            await self._beat()
            for key, claim in list(self._owed.items()):
                if await self.store.get(key) == _json(claim):
                    await self._give_back(key, claim)
                self._owed.pop(key, None)

    async def _give_back(self, key: str, claim: Lease) -> None:
        await self.store.put(key, _json(_ended(claim)), media_type=_JSON)
        self._owed.pop(key, None)

    async def _beat(self, *, over: bool = False) -> None:
        self._beats += 1
        beat = Heartbeat(run=self.run, beat=self._beats, over=over, machine=this_machine(), process=this_process())
        await self.store.put(keys.beat_key(self.run), _json(beat), media_type=_JSON)


def _ended(claim: Lease) -> Lease:
    return claim.model_copy(update={"held": False})


def _json(model: BaseModel) -> bytes:
    return model.model_dump_json(by_alias=True).encode()


def _parsed(content: bytes, kind: type[Model]) -> Model | None:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        return None
