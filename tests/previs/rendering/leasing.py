"""Open the leases of a run, write the leases and heartbeats of other runs, and break a store."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator

from previs.errors import StoreRefused, StoreUnavailable
from previs.rendering.leases import Leases
from previs.store import FolderStore, Store, keys

TAKE, OTHER_TAKE = "a" * 64, "b" * 64
NEVER = 1e9
INTERVAL, SILENCE = 5, 15
READINGS = 3
"""Number of readings, one per interval, after which a silent run counts as dead."""


class Clock:
    """Represent the monotonic clock of the leases; it moves only when a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def run(store: Store, name: str = "", *, interval: float = 0.05, silence: float = NEVER) -> AsyncIterator[Leases]:
    async with Leases(store, name or str(uuid.uuid4()), interval=interval, silence=silence) as leases:
        yield leases


def observer(store: Store) -> contextlib.AbstractAsyncContextManager[Leases]:
    """Open a run that counts other runs as dead after a few readings."""
    return run(store, interval=INTERVAL, silence=SILENCE)


async def write(store: Store, key: str, content: object) -> None:
    written = content if isinstance(content, bytes) else json.dumps(content).encode()
    await store.put(key, written, media_type="application/json")


async def write_heartbeat(store: Store, beat: int, *, name: str = "other", **more: object) -> None:
    await write(store, keys.heartbeat_key(name), {"schema": "previs.beat/1", "run": name, "beat": beat} | more)


async def write_lease(store: Store, number: int = 0, *, take: str = TAKE, name: str = "other", **more: object) -> None:
    await write(store, keys.lease_key(take, number), {"schema": "previs.claim/1", "run": name, "held": True} | more)


async def heartbeat_of(leases: Leases, store: Store | None = None) -> dict[str, object]:
    content = await (store or leases.store).get(keys.heartbeat_key(leases.run))
    read: dict[str, object] = json.loads(content or b"{}")
    return read


async def acquires(leases: Leases, take: str = TAKE) -> bool:
    """Acquire a take, and return whether no other run was in the way."""
    earlier = await leases.acquire(take)
    return earlier is None or not earlier.held


async def acquire_and_release(leases: Leases, take: str = TAKE) -> None:
    try:
        await leases.acquire(take)
    finally:
        await leases.release(take)


class FaultyFolder(FolderStore):
    """Represent a folder of which one call fails, counted from 0.

    Attributes:
        faulty_call: Number of the call that fails; None for no call.
        late: Whether the call fails after it has written.
        error: What the call raises; :exc:`asyncio.CancelledError` cancels the task that calls.
    """

    calls = 0
    faulty_call: int | None = None
    late = False
    error: type[BaseException] = StoreUnavailable

    def fail_next_call(self) -> None:
        self.faulty_call = self.calls

    @property
    def failed(self) -> bool:
        return self.faulty_call is not None and self.calls > self.faulty_call

    def _count(self) -> bool:
        self.calls += 1
        return self.calls - 1 == self.faulty_call

    async def _fail(self) -> None:
        if issubclass(self.error, StoreUnavailable | StoreRefused):
            raise self.error(self.name, "gone")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        faulty = self._count()
        if not faulty or self.late:
            await super().put(key, data, media_type=media_type)
        if faulty:
            await self._fail()

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:
        faulty = self._count()
        created = (not faulty or self.late) and await super().create(key, data, media_type=media_type)
        if faulty:
            await self._fail()
        return created

    async def get(self, key: str) -> bytes | None:
        if self._count():
            await self._fail()
        return await super().get(key)
