"""Lease takes: of all runs on all machines that share a store, one renders a take, and the others wait for it.

A lease is an object that only one run can create, ``claims/takes/FINGERPRINT/NUMBER.json``; a run that takes over
creates the next number. A run shows that it lives by its heartbeat, ``claims/runs/RUN.json``, which changes every few
seconds, so that no clocks are compared. The death of a run is known at once on its own machine, elsewhere after a
while.
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
from previs.store.record_files import get_record

_INTERVAL = 5.0
_SILENCE = 25.0
_POLL = 1.0
# All waiting takes together read the store so often; they share its connections with the heartbeats.
_READS_PER_SECOND, _READS_AT_ONCE = 20, 4
# A request may hang for longer than other runs wait for a heartbeat; the next one takes another connection.
_HEARTBEATS_AT_ONCE = 3
_RELEASE_SECONDS = 5.0
_PATIENCE = 300.0
_LAST_HEARTBEAT_SECONDS = 10.0
_JSON = "application/json"

Model = TypeVar("Model", bound=BaseModel)


class Heartbeat(BaseModel):
    """Record that a run lives.

    Attributes:
        beat: Counter that goes up.
        over: Whether the run has ended.
        machine: Machine on which the process number is valid; None if unknown.
        process: Number and start of the process, since a later process may have the same number.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.beat/1"] = Field("previs.beat/1", alias="schema")
    run: str
    beat: int
    over: bool = False
    machine: str | None = None
    process: str | None = None


class Lease(BaseModel):
    """Record which run renders a take.

    Attributes:
        render_nonce: Of the render; see :attr:`previs.planning.plan.PlannedTake.render_nonce`.
        held: Whether the run still renders it.
        nonce: Unique text by which a run recognises its own lease.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    schema_name: Literal["previs.claim/1"] = Field("previs.claim/1", alias="schema")
    run: str
    render_nonce: str = Field("", alias="salt")
    held: bool = True
    nonce: str = ""


_NO_LEASE = Lease(run="", held=False)


@dataclass(slots=True)
class _ObservedHeartbeat:
    """Hold another run's heartbeat as it was last read.

    Attributes:
        content: Bytes of the heartbeat; None if it does not exist.
        seen: When it was read, by this machine's monotonic clock.
        unchanged: Seconds for which it was watched and stayed the same.
        alive: Whether the run counts as alive.
    """

    content: bytes | None
    seen: float
    unchanged: float = 0.0
    alive: bool = True


@dataclass(slots=True)
class Leases:
    """Hold the leases of one run; use it with ``async with``.

    Attributes:
        run: Name that no other run has.
        interval: Seconds between two heartbeats.
        silence: Seconds without a heartbeat after which another run counts as dead.
    """

    store: Store
    run: str
    interval: float = _INTERVAL
    silence: float = _SILENCE
    _held: dict[str, tuple[str, Lease]] = field(default_factory=dict)
    _unreleased: dict[str, Lease] = field(default_factory=dict)
    _observed: dict[str, _ObservedHeartbeat] = field(default_factory=dict)
    _waiting: int = 0
    _reads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_READS_AT_ONCE))
    _count: int = 0
    _loop: asyncio.Task[None] | None = None
    _writes: set[asyncio.Task[None]] = field(default_factory=set)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write that the run is over, which frees all its leases."""
        try:
            if self._loop is not None:
                self._loop.cancel()
                await asyncio.gather(self._loop, return_exceptions=True)
            # If the store is out of reach, other runs will notice the silence.
            with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
                async with asyncio.timeout(_LAST_HEARTBEAT_SECONDS):
                    # A heartbeat written after the last one would make the run look alive.
                    await asyncio.gather(*self._writes)
                    if self._count:
                        await self._write_heartbeat(over=True)
        finally:
            for write in self._writes:
                write.cancel()

    async def acquire(self, fingerprint: str, render_nonce: str = "") -> Lease | None:
        """Lease a take, unless another living run holds it.

        Returns:
            None if the take was never leased before. Otherwise the lease before ours, or the lease of another run that
            is in the way, which is ``held``.
        """
        await self.start()
        number, earlier = 0, None
        while not await self._create(fingerprint, number, render_nonce):
            number, earlier = await self._latest(fingerprint, number)
            if await self._is_held(earlier):
                return earlier
            number += 1
        return earlier and _ended(earlier)

    def holds(self, fingerprint: str) -> bool:
        """Return whether this run holds the lease of a take."""
        return fingerprint in self._held

    async def release(self, fingerprint: str) -> None:
        """Release a lease if this run holds it; what fails now is done with a later heartbeat."""
        if fingerprint in self._held:
            key, lease = self._held.pop(fingerprint)
            self._unreleased[key] = lease
            with contextlib.suppress(StoreUnavailable, StoreRefused, TimeoutError):
                async with asyncio.timeout(_RELEASE_SECONDS):
                    await self._write_release(key, lease)

    async def wait_until_free(self, fingerprint: str) -> Lease:
        """Wait while another living run holds a take, and return its lease as it ended."""
        number: int | None = None
        last_read = time.monotonic()
        self._waiting += 1
        try:
            while True:
                try:
                    async with self._reads:
                        if number is None:
                            number, lease = await self._latest(fingerprint)
                        else:
                            lease = await self._read(fingerprint, number)
                        if not await self._is_held(lease, min(_POLL, self.interval) / 2):
                            return _ended(lease)
                    last_read = time.monotonic()
                except StoreUnavailable:
                    if time.monotonic() - last_read > _PATIENCE:
                        raise
                await asyncio.sleep(self._pause())
        finally:
            self._waiting -= 1

    def _pause(self) -> float:
        # Random, or all waiting takes would read at the same moment.
        spread = random.uniform(0.5, 1.5)  # noqa: S311 - no secret
        return min(_POLL, self.interval) * spread * max(1.0, self._waiting / _READS_PER_SECOND)

    async def _create(self, fingerprint: str, number: int, render_nonce: str) -> bool:
        key = keys.lease_key(fingerprint, number)
        mine = Lease(run=self.run, render_nonce=render_nonce, nonce=uuid.uuid4().hex)
        try:
            created = await self.store.create(key, _json(mine), media_type=_JSON)
        except BaseException:
            # The object may exist all the same, or appear later.
            self._unreleased[key] = mine
            raise
        if created:
            self._held[fingerprint] = (key, mine)
        return created

    async def _latest(self, fingerprint: str, known: int = -1) -> tuple[int, Lease]:
        """Return the last lease and its number; ``known`` existed a moment ago, even if the listing lacks it."""
        listed = await self.store.entries(keys.leases_prefix(fingerprint))
        names = [key.rpartition("/")[2].removesuffix(".json") for key in listed]
        number = max([known, *(int(name) for name in names if name.isdecimal())])
        return number, _NO_LEASE if number < 0 else await self._read(fingerprint, number)

    async def _read(self, fingerprint: str, number: int) -> Lease:
        """Return a lease; one that cannot be read, perhaps half written, counts as held by a run without heartbeat."""
        content = await get_record(self.store, keys.lease_key(fingerprint, number))
        return _NO_LEASE if content is None else _parsed(content, Lease) or Lease(run="")

    async def _is_held(self, lease: Lease, seen_within: float = 0.0) -> bool:
        """Return whether another live run holds the lease; liveness may be ``seen_within`` seconds old."""
        if not lease.held or lease.run == self.run:
            return False
        observed = self._observed.get(lease.run)
        if observed is None or time.monotonic() - observed.seen >= seen_within:
            observed = await self._observe(lease.run)
        return observed.alive

    async def _observe(self, run: str) -> _ObservedHeartbeat:
        """Read a run's heartbeat, and decide whether the run lives."""
        content = await get_record(self.store, keys.heartbeat_key(run))
        observed, now = self._observed.get(run), time.monotonic()
        if observed is None or observed.content != content:
            observed = self._observed[run] = _ObservedHeartbeat(content, now)
        elif observed.unchanged < self.silence:
            # The store may have been away, or this machine asleep: a long gap between two readings proves nothing.
            gap = now - observed.seen
            observed.unchanged = observed.unchanged + gap if gap <= 2 * self.interval else 0.0
        observed.seen = now
        beat = _parsed(content or b"", Heartbeat)
        over = beat is not None and (beat.over or has_ended(beat.machine, beat.process))
        observed.alive = not over and observed.unchanged < self.silence
        return observed

    async def start(self) -> None:
        """Write the first heartbeat and keep writing; :meth:`acquire` calls this, too."""
        async with self._starting:
            if self._loop is None:
                await self._write_heartbeat()
                self._loop = asyncio.create_task(self._heartbeat_loop())

    async def _heartbeat_loop(self) -> None:
        while True:
            await asyncio.sleep(self.interval)
            if len(self._writes) < _HEARTBEATS_AT_ONCE:
                write = asyncio.create_task(self._renew())
                self._writes.add(write)
                write.add_done_callback(self._writes.discard)

    async def _renew(self) -> None:
        """Write a heartbeat, and release leases that could not be released in time."""
        # The next heartbeat may get through.
        with contextlib.suppress(StoreUnavailable, StoreRefused):
            await self._write_heartbeat()
            for key, lease in list(self._unreleased.items()):
                if await get_record(self.store, key) == _json(lease):
                    await self._write_release(key, lease)
                self._unreleased.pop(key, None)

    async def _write_release(self, key: str, lease: Lease) -> None:
        await self.store.put(key, _json(_ended(lease)), media_type=_JSON)
        self._unreleased.pop(key, None)

    async def _write_heartbeat(self, *, over: bool = False) -> None:
        self._count += 1
        beat = Heartbeat(run=self.run, beat=self._count, over=over, machine=this_machine(), process=this_process())
        await self.store.put(keys.heartbeat_key(self.run), _json(beat), media_type=_JSON)


def _ended(lease: Lease) -> Lease:
    return lease.model_copy(update={"held": False})


def _json(model: BaseModel) -> bytes:
    return model.model_dump_json(by_alias=True).encode()


def _parsed(content: bytes, kind: type[Model]) -> Model | None:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        return None
