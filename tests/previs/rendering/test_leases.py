"""Check that of all runs that share a store one at a time holds a take, and that the others wait for it."""

import asyncio
import contextlib
import random
import tempfile
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.rendering.leases import Lease, Leases
from previs.store import FolderStore, S3Settings, S3Store, Store, keys
from previs.store.bounds import RECORD_BYTES
from tests.conftest import FOLDER_AND_S3
from tests.previs.rendering.contexts import wait_until
from tests.previs.rendering.leasing import (
    INTERVAL,
    NEVER,
    OTHER_TAKE,
    READINGS,
    TAKE,
    Clock,
    acquire_and_release,
    acquires,
    observer,
    run,
    write,
    write_lease,
)
from tests.previs.store.fault_schedule import faulty_proxy
from tests.previs.store.test_fault_schedule import conditions_are_honoured

# Exclusion


async def test_a_run_acquires_a_take_that_was_never_leased(store: Store) -> None:
    async with run(store) as leases:
        assert not leases.holds(TAKE)
        assert await leases.acquire(TAKE) is None
        assert leases.holds(TAKE)


@FOLDER_AND_S3
async def test_acquire_returns_the_lease_before(store: Store) -> None:
    async with run(store, "A") as first, run(store, "B") as second:
        await first.acquire(TAKE, "nonce")
        before = await second.acquire(TAKE)
        assert before is not None
        assert (before.run, before.render_nonce, before.held) == ("A", "nonce", True)
        assert not second.holds(TAKE)
        await first.release(TAKE)
        before = await second.acquire(TAKE)
        assert before is not None
        assert (before.run, before.render_nonce, before.held) == ("A", "nonce", False)
        assert second.holds(TAKE)


@FOLDER_AND_S3
async def test_one_of_six_runs_acquires_a_take_at_the_same_moment(store: Store) -> None:
    async with contextlib.AsyncExitStack() as opened:
        runs = [await opened.enter_async_context(run(store, interval=NEVER)) for _ in range(6)]
        assert sum(await asyncio.gather(*(acquires(each) for each in runs))) == 1
        [holder] = [each for each in runs if each.holds(TAKE)]
        await holder.release(TAKE)
        others = [each for each in runs if each is not holder]
        assert sum(await asyncio.gather(*(acquires(each) for each in others))) == 1


@pytest.mark.parametrize(
    ("empty", "count", "seed"),
    [("folder", 8, 0), ("folder", 8, 1), ("folder", 8, 2), ("s3", 4, 0)],
    indirect=["empty"],
)
async def test_three_runs_with_the_same_takes_make_each_once(store: Store, count: int, seed: int) -> None:
    takes = [f"{number:064x}" for number in range(count)]
    chance, made, being_made = random.Random(seed), list[str](), set[str]()

    async def make(leases: Leases, take: str) -> None:
        while take not in made:
            if not await acquires(leases, take):
                await leases.wait_until_free(take)
                continue
            if take not in made:
                assert take not in being_made
                being_made.add(take)
                await leases.store.put("x", b"", media_type="application/json")
                if chance.random() < 0.7:
                    made.append(take)
                being_made.remove(take)
            await leases.release(take)

    async with contextlib.AsyncExitStack() as opened:
        runs = [await opened.enter_async_context(run(store, interval=0.1)) for _ in range(3)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(make(each, take) for each in runs for take in chance.sample(takes, len(takes))))
    assert sorted(made) == takes


STEPS = st.lists(st.tuples(st.sampled_from(["acquire", "release", "end"]), st.integers(0, 2), st.integers(0, 1)))


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_a_take_is_refused_exactly_while_another_run_that_has_not_ended_holds_it(
    steps: list[tuple[str, int, int]],
) -> None:
    async def follow() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = FolderStore(folder)
            runs = [Leases(store, str(uuid.uuid4()), interval=NEVER, silence=NEVER) for _ in range(3)]
            held: dict[str, Leases] = {}
            for step, which, number in steps:
                one, take = runs[which], str(number)
                if step == "acquire" and held.get(take) is not one:
                    earlier = await one.acquire(take)
                    refused = earlier is not None and earlier.held
                    assert refused == (take in held)
                    assert earlier is None or not refused or earlier.run == held[take].run
                    held.setdefault(take, one)
                elif step == "release":
                    await one.release(take)
                    if held.get(take) is one:
                        del held[take]
                elif step == "end":
                    await one.__aexit__(None, None, None)
                    held = {take: by for take, by in held.items() if by is not one}
                    runs[which] = Leases(store, str(uuid.uuid4()), interval=NEVER, silence=NEVER)
                assert all(one.holds(take) == (held.get(take) is one) for one in runs)
            for each in runs:
                await each.__aexit__(None, None, None)

    asyncio.run(follow())


async def test_every_lease_has_another_nonce(folder_store: FolderStore) -> None:
    async with run(folder_store) as leases:
        await acquire_and_release(leases)
        await acquire_and_release(leases)
    written = [await folder_store.get(keys.lease_key(TAKE, number)) for number in range(2)]
    first, second = (Lease.model_validate_json(each or b"") for each in written)
    assert first.nonce != second.nonce


async def test_a_take_costs_two_requests(settings: S3Settings, s3_endpoint: str) -> None:
    async with faulty_proxy(s3_endpoint, share=0) as proxy:
        proxied = settings.model_copy(update={"endpoint_url": proxy.url})
        async with S3Store(proxied) as store, run(store, interval=NEVER) as leases:
            await acquire_and_release(leases)
            if not await conditions_are_honoured(store):
                pytest.skip("this S3 ignores If-None-Match: previs looks for a lease, writes it and reads it again")
            before = len(proxy.heads)
            for number in range(5):
                await acquire_and_release(leases, f"{number:064x}")
            assert len(proxy.heads) == before + 10


# Waiting


async def test_a_waiting_run_gets_the_take_when_it_is_released(store: Store) -> None:
    async with run(store) as first, run(store) as second:
        await first.acquire(TAKE)
        waiting = asyncio.create_task(second.wait_until_free(TAKE))
        await wait_until(lambda: second._waiting == 1 and first.run in second._observed)
        assert not waiting.done()
        await first.release(TAKE)
        async with asyncio.timeout(20):
            assert await waiting == (await second.acquire(TAKE))


async def test_a_waiting_run_gets_the_take_when_the_other_run_ends(store: Store) -> None:
    async with run(store) as second:
        async with run(store) as first:
            await first.acquire(TAKE)
            assert not await acquires(second)
            waiting = asyncio.create_task(second.wait_until_free(TAKE))
            await wait_until(lambda: second._waiting == 1)
        async with asyncio.timeout(20):
            assert (await waiting).run == first.run
        assert await acquires(second)


@FOLDER_AND_S3
async def test_a_waiting_run_gets_the_take_when_its_lease_is_pruned(store: Store) -> None:
    async with run(store) as first, run(store) as second:
        await first.acquire(TAKE)
        waiting = asyncio.create_task(second.wait_until_free(TAKE))
        await wait_until(lambda: first.run in second._observed)
        await store.delete([keys.lease_key(TAKE, 0)])
        async with asyncio.timeout(20):
            await waiting
        assert await second.acquire(TAKE) is None


async def test_hundreds_of_waiting_takes_do_not_block_the_heartbeats(folder_store: FolderStore) -> None:
    most, reads = 0, 0

    class CountingFolder(FolderStore):
        async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:
            nonlocal most, reads
            reads += 1
            most = max(most, reads)
            try:
                return await super().get(key, limit=limit)
            finally:
                reads -= 1

    async with run(folder_store) as first, run(CountingFolder(folder_store.name), interval=0.02) as second:
        await first.acquire(TAKE)
        await second.acquire(OTHER_TAKE)
        waiting = [asyncio.create_task(second.wait_until_free(TAKE)) for _ in range(300)]
        before = second._count
        await wait_until(lambda: second._count > before + 3 and second._waiting == 300)
        await first.release(TAKE)
        async with asyncio.timeout(120):
            await asyncio.gather(*waiting)
    assert 0 < most <= 4


# Other objects among the leases


async def test_other_files_among_leases_do_no_harm(store: Store, clock: Clock) -> None:
    names = ["notes.txt", "x.json", "more/000000.json", "٣.json", "7.json", "999999999999999.json"]
    takes = [f"{number:064x}" for number in range(len(names))]
    for take, name in zip(takes, names, strict=True):
        await write_lease(store, take=take, held=False)
        await write(store, keys.leases_prefix(take) + name, b"x")
    async with observer(store) as leases:
        for _ in range(READINGS + 1):
            missing = [take for take in takes if not leases.holds(take)]
            await asyncio.gather(*(leases.acquire(take) for take in missing))
            clock.now += INTERVAL
        assert all(leases.holds(take) for take in takes)


async def test_a_folder_with_the_key_of_a_lease_is_skipped(folder_store: FolderStore) -> None:
    await write(folder_store, keys.lease_key(TAKE, 0) + "/x", b"x")
    async with run(folder_store) as leases, asyncio.timeout(20):
        assert await acquires(leases)
