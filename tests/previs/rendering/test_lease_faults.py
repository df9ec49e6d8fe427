"""Check that leases survive a store that fails and tasks that are cancelled at any moment."""

import asyncio
import contextlib

import pytest

from previs.errors import StoreRefused, StoreUnavailable
from previs.rendering.leases import Leases
from previs.store import FolderStore, S3Settings, S3Store
from previs.store.bounds import RECORD_BYTES
from tests.previs.rendering.contexts import wait_until
from tests.previs.rendering.leasing import (
    NEVER,
    OTHER_TAKE,
    TAKE,
    Clock,
    FaultyFolder,
    acquire_and_release,
    acquires,
    heartbeat_of,
    run,
    write_lease,
)
from tests.previs.store.fault_schedule import faulty_proxy

STORE_ERRORS = [StoreUnavailable, StoreRefused]


# A first lease costs a heartbeat, its creation and its release; after an earlier one, a reading and another creation.
@pytest.mark.parametrize("error", [*STORE_ERRORS, asyncio.CancelledError])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("earlier", "call"), [*((False, call) for call in range(3)), *((True, call) for call in range(5))]
)
async def test_a_lease_is_released_whichever_call_fails(
    folder_store: FolderStore,
    call: int,
    late: bool,  # noqa: FBT001
    earlier: bool,  # noqa: FBT001
    error: type[BaseException],
) -> None:
    if earlier:
        await write_lease(folder_store, held=False)
    store = FaultyFolder(folder_store.name)
    store.faulty_call, store.late, store.error = call, late, error
    async with run(store, interval=NEVER) as leases, run(folder_store) as other:
        await asyncio.gather(asyncio.create_task(acquire_and_release(leases)), return_exceptions=True)
        assert store.failed
        store.faulty_call = None
        assert not leases.holds(TAKE)
        await leases._renew()
        assert await acquires(other)
        await other.release(TAKE)
        assert await acquires(leases)
        await leases._renew()
        assert not await acquires(other)


async def test_a_late_release_leaves_the_lease_of_another_run(folder_store: FolderStore) -> None:
    store = FaultyFolder(folder_store.name)
    async with run(store, interval=NEVER) as leases, run(folder_store) as other, run(folder_store) as third:
        await leases.acquire(OTHER_TAKE)
        store.fail_next_call()
        with pytest.raises(StoreUnavailable):
            await leases.acquire(TAKE)
        assert await acquires(other)
        await leases._renew()
        assert not await acquires(third)


@pytest.mark.parametrize("error", STORE_ERRORS)
async def test_a_run_acquires_again_what_it_failed_to_release(
    folder_store: FolderStore, error: type[BaseException]
) -> None:
    store = FaultyFolder(folder_store.name)
    store.error = error
    async with run(store, interval=NEVER) as leases, run(folder_store) as other:
        await leases.acquire(TAKE)
        store.fail_next_call()
        await leases.release(TAKE)
        assert not await acquires(other)
        assert await acquires(leases)
        await leases._renew()
        assert not await acquires(other)
        await leases.release(TAKE)
        assert await acquires(other)


@pytest.mark.parametrize("error", STORE_ERRORS)
async def test_heartbeats_continue_after_some_failed(folder_store: FolderStore, error: type[BaseException]) -> None:
    store = FaultyFolder(folder_store.name)
    store.error = error
    async with run(store) as leases:
        await leases.acquire(TAKE)
        for _ in range(4):
            store.fail_next_call()
            await wait_until(lambda: store.failed)
        failed, beat = leases._count, 0
        async with asyncio.timeout(20):
            while beat <= failed + 3:
                beat = int(str((await heartbeat_of(leases, folder_store)).get("beat", 0)))
                await asyncio.sleep(0.01)
    assert (await heartbeat_of(leases, folder_store))["over"] is True


async def test_waiting_continues_after_a_short_outage(folder_store: FolderStore) -> None:
    store = FaultyFolder(folder_store.name)
    async with run(folder_store) as first, run(store, interval=0.02) as second:
        await first.acquire(TAKE)
        waiting = asyncio.create_task(second.wait_until_free(TAKE))
        for _ in range(5):
            store.fail_next_call()
            await wait_until(lambda: store.failed)
        assert not waiting.done()
        await first.release(TAKE)
        async with asyncio.timeout(20):
            assert (await waiting).run == first.run


async def test_waiting_ends_after_a_long_outage(folder_store: FolderStore, clock: Clock) -> None:
    class UnavailableFolder(FolderStore):
        async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:  # noqa: ARG002
            clock.now += 60
            raise StoreUnavailable(self.name, key)

    await write_lease(folder_store)
    async with run(UnavailableFolder(folder_store.name)) as leases:
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable):
                await leases.wait_until_free(TAKE)
        assert leases._waiting == 0


async def test_leases_that_end_during_an_outage_raise_nothing(settings: S3Settings, s3_endpoint: str) -> None:
    async with faulty_proxy(s3_endpoint, share=0) as proxy:
        proxied = settings.model_copy(update={"endpoint_url": proxy.url})
        async with S3Store(proxied, patience=0.1) as store, run(store, interval=NEVER) as leases:
            await leases.acquire(TAKE)
            await proxy.stop()
            await leases.release(TAKE)


async def test_two_runs_make_each_take_once_though_a_third_of_all_requests_fail(
    settings: S3Settings, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.store.retry._FIRST_PAUSE", 0.02)
    takes = [f"{number:064x}" for number in range(8)]
    made: list[str] = []

    async def make(leases: Leases, take: str) -> None:
        while take not in made:
            if not await acquires(leases, take):
                await leases.wait_until_free(take)
                continue
            if take not in made:
                made.append(take)
            await leases.release(take)

    async with faulty_proxy(s3_endpoint, hang=0.1) as proxy, contextlib.AsyncExitStack() as opened:
        proxied = settings.model_copy(update={"endpoint_url": proxy.url})
        stores = [await opened.enter_async_context(S3Store(proxied)) for _ in range(2)]
        runs = [await opened.enter_async_context(run(each, interval=0.2)) for each in stores]
        async with asyncio.timeout(120):
            await asyncio.gather(*(make(each, take) for take in takes for each in runs))
    assert sorted(made) == takes
    assert sum(proxy.counts.values()) - proxy.counts["none"] >= 10
