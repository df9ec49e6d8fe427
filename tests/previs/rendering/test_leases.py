"""Of all runs that share a store one at a time holds a take, whatever becomes of it, of the others and of the store."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from previs.errors import StoreRefused, StoreUnavailable
from previs.rendering.leases import Lease, Leases
from previs.store import FolderStore, S3Settings, S3Store, Store, keys
from tests.previs.store.fault_schedule import faulty_proxy
from tests.previs.store.test_fault_schedule import conditions_are_honoured

TAKE = "a" * 64
NEVER = 1e9
JSON = "application/json"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


class Clock:
    """Time as the claims see it, which passes only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("previs.rendering.leases.time", SimpleNamespace(monotonic=made.monotonic))
    return made


@contextlib.asynccontextmanager
async def run(store: Store, name: str = "", *, interval: float = 0.02, silence: float = NEVER) -> AsyncIterator[Leases]:
    async with Leases(store, name or str(uuid.uuid4()), interval=interval, silence=silence) as leases:
        yield leases


async def write(store: Store, key: str, content: object) -> None:
    await store.put(key, content if isinstance(content, bytes) else json.dumps(content).encode(), media_type=JSON)


async def beat(store: Store, number: int, *, name: str = "other", **more: object) -> None:
    await write(store, keys.heartbeat_key(name), {"schema": "previs.beat/1", "run": name, "beat": number} | more)


async def claimed_by_other(store: Store, number: int = 0, *, name: str = "other", **more: object) -> None:
    await write(store, keys.lease_key(TAKE, number), {"schema": "previs.claim/1", "run": name, "held": True} | more)


async def is_ours(leases: Leases) -> bool:
    earlier = await leases.acquire(TAKE)
    return earlier is None or not earlier.held


async def happens(what: Callable[[], object], within: float = 30) -> None:
    async with asyncio.timeout(within):
        while not what():
            await asyncio.sleep(0.01)


# One at a time


async def test_a_take_that_was_never_claimed_is_ours(store: Store) -> None:
    async with run(store) as leases:
        assert not leases.holds(TAKE)
        assert await leases.acquire(TAKE) is None
        assert leases.holds(TAKE)


async def test_who_takes_over_is_told_whose_claim_went_before(store: Store) -> None:
    async with run(store, "A") as first, run(store, "B") as second:
        await first.acquire(TAKE, "salt")
        before = await second.acquire(TAKE)
        assert before is not None
        assert (before.run, before.render_nonce, before.held) == ("A", "salt", True)
        assert not second.holds(TAKE)
        await first.release(TAKE)
        before = await second.acquire(TAKE)
        assert before is not None
        assert (before.run, before.render_nonce, before.held) == ("A", "salt", False)
        assert second.holds(TAKE)


async def test_of_runs_that_claim_at_the_same_moment_one_gets_it(store: Store) -> None:
    async with contextlib.AsyncExitStack() as opened:
        runs = [await opened.enter_async_context(run(store)) for _ in range(6)]
        assert sum(await asyncio.gather(*(is_ours(each) for each in runs))) == 1
        [holder] = [each for each in runs if each.holds(TAKE)]
        await holder.release(TAKE)
        others = [each for each in runs if each is not holder]
        assert sum(await asyncio.gather(*(is_ours(each) for each in others))) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_three_runs_that_work_through_the_same_takes_do_each_once(store: Store, seed: int) -> None:
    takes = [f"{number:064x}" for number in range(12)]
    chance, made, at_it = random.Random(seed), list[str](), set[str]()

    async def work_through(leases: Leases, take: str) -> None:
        earlier = await leases.acquire(take)
        while earlier is not None and earlier.held:
            await leases.wait_until_free(take)
            if take in made:
                return
            earlier = await leases.acquire(take)
        if take not in made:
            assert take not in at_it
            at_it.add(take)
            await leases.store.put("x", b"", media_type=JSON)
            if chance.random() < 0.7:
                made.append(take)
            at_it.remove(take)
        await leases.release(take)
        if take not in made:
            await work_through(leases, take)

    async with contextlib.AsyncExitStack() as opened:
        runs = [await opened.enter_async_context(run(store)) for _ in range(3)]
        async with asyncio.timeout(60):
            await asyncio.gather(
                *(work_through(each, take) for each in runs for take in chance.sample(takes, len(takes)))
            )
    assert sorted(made) == takes


STEPS = st.lists(st.tuples(st.sampled_from(["claim", "release", "end"]), st.integers(0, 2), st.integers(0, 1)))


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_a_take_is_refused_exactly_while_another_run_that_is_not_over_holds_it(
    steps: list[tuple[str, int, int]],
) -> None:
    async def follow() -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = FolderStore(folder)
            runs = [Leases(store, str(uuid.uuid4()), interval=NEVER, silence=NEVER) for _ in range(3)]
            held: dict[str, Leases] = {}
            for step, which, number in steps:
                one, take = runs[which], str(number)
                if step == "claim" and held.get(take) is not one:
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


# Who waits


async def test_who_waits_gets_it_as_soon_as_it_is_given_back(store: Store) -> None:
    async with run(store) as first, run(store) as second:
        await first.acquire(TAKE)
        waiting = asyncio.create_task(second.wait_until_free(TAKE))
        await happens(lambda: second._waiting == 1 and first.run in second._observed)
        assert not waiting.done()
        await first.release(TAKE)
        async with asyncio.timeout(20):
            assert await waiting == (await second.acquire(TAKE))


async def test_who_waits_gets_it_when_the_other_run_is_over(store: Store) -> None:
    async with run(store) as second:
        async with run(store) as first:
            await first.acquire(TAKE)
            assert not await is_ours(second)
            waiting = asyncio.create_task(second.wait_until_free(TAKE))
            await happens(lambda: second._waiting == 1)
        async with asyncio.timeout(20):
            assert (await waiting).run == first.run
        assert await is_ours(second)


async def test_claims_that_are_pruned_meanwhile_are_free(store: Store) -> None:
    async with run(store) as first, run(store) as second:
        await first.acquire(TAKE)
        waiting = asyncio.create_task(second.wait_until_free(TAKE))
        await happens(lambda: first.run in second._observed)
        await store.delete([keys.lease_key(TAKE, 0)])
        async with asyncio.timeout(20):
            await waiting
        assert await second.acquire(TAKE) is None


async def test_hundreds_that_wait_do_not_keep_the_runs_own_beats_from_the_store(folder_store: FolderStore) -> None:
    busiest, at_once = 0, 0

    class Watched(FolderStore):
        async def get(self, key: str) -> bytes | None:
            nonlocal busiest, at_once
            at_once += 1
            busiest = max(busiest, at_once)
            try:
                return await super().get(key)
            finally:
                at_once -= 1

    watched = Watched(folder_store.name)
    async with run(folder_store) as first, run(watched) as second:
        await first.acquire(TAKE)
        await second.acquire("b" * 64)
        waiting = [asyncio.create_task(second.wait_until_free(TAKE)) for _ in range(300)]
        before = second._count
        await happens(lambda: second._count > before + 3 and second._waiting == 300)
        await first.release(TAKE)
        async with asyncio.timeout(120):
            await asyncio.gather(*waiting)
    assert 0 < busiest <= 4


# Whether another run lives


async def test_a_run_that_gives_signs_of_life_is_at_work_however_long(store: Store, clock: Clock) -> None:
    await claimed_by_other(store)
    async with run(store, interval=5, silence=25) as leases:
        for number in range(20):
            await beat(store, number)
            assert not await is_ours(leases)
            clock.now += 9


async def test_a_run_that_falls_silent_counts_as_dead_after_a_while(store: Store, clock: Clock) -> None:
    await claimed_by_other(store)
    await beat(store, 7)
    async with run(store, interval=5, silence=25) as leases:
        for _ in range(5):
            assert not await is_ours(leases)
            clock.now += 5
        assert await is_ours(leases)


async def test_a_run_that_left_no_sign_of_life_counts_as_dead_after_a_while(store: Store, clock: Clock) -> None:
    await claimed_by_other(store)
    async with run(store, interval=5, silence=25) as leases:
        for _ in range(5):
            assert not await is_ours(leases)
            clock.now += 5
        assert await is_ours(leases)


async def test_time_in_which_nobody_looked_does_not_count(store: Store, clock: Clock) -> None:
    await claimed_by_other(store)
    await beat(store, 7)
    async with run(store, interval=5, silence=25) as leases:
        for _ in range(4):
            assert not await is_ours(leases)
            clock.now += 5
        clock.now += 3600
        for _ in range(5):
            assert not await is_ours(leases)
            clock.now += 5
        assert await is_ours(leases)


async def test_a_dead_run_stays_dead_when_nobody_looked_for_long(store: Store, clock: Clock) -> None:
    await beat(store, 7)
    async with run(store, interval=5, silence=25) as leases:
        await claimed_by_other(store)
        while not await is_ours(leases):
            clock.now += 5
        await leases.release(TAKE)
        await claimed_by_other(store, 9)
        clock.now += 3600
        assert await is_ours(leases)


async def test_a_run_that_wakes_up_is_at_work_again(store: Store, clock: Clock) -> None:
    await beat(store, 7)
    async with run(store, interval=5, silence=25) as leases:
        await claimed_by_other(store)
        while not await is_ours(leases):
            clock.now += 5
        await leases.release(TAKE)
        await claimed_by_other(store, 9)
        await beat(store, 8)
        clock.now += 5
        assert not await is_ours(leases)


async def test_a_run_of_another_machine_is_not_dead_for_want_of_its_process_here(store: Store, clock: Clock) -> None:
    await claimed_by_other(store)
    await beat(store, 7, machine="elsewhere", process="4711 1")
    async with run(store, interval=5, silence=25) as leases:
        assert not await is_ours(leases)
        clock.now += 5
        assert not await is_ours(leases)


HOLDER = """
import asyncio, sys
from previs.rendering.leases import Leases
from previs.store import FolderStore, S3Settings, S3Store

async def main():
    place = sys.argv[1]
    store = S3Store(S3Settings.model_validate_json(place)) if place.startswith("{") else FolderStore(place)
    async with store, Leases(store, "killed", interval=1e9, silence=1e9) as leases:
        await leases.acquire(sys.argv[2])
        print("claimed", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def place_of(store: Store) -> str:
    if not isinstance(store, S3Store):
        return store.name
    revealed = store.settings.model_dump(mode="json")
    for secret in ("access_key_id", "secret_access_key"):
        revealed[secret] = getattr(store.settings, secret).get_secret_value()
    return json.dumps(revealed)


@pytest.fixture
def holder(store: Store) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has claimed the take and does nothing more."""
    command = [sys.executable, "-c", HOLDER, place_of(store), TAKE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as started:  # noqa: S603 - our own command
        assert started.stdout is not None
        yield started
        started.kill()


async def has_claimed(holder: subprocess.Popen[bytes]) -> None:
    assert holder.stdout is not None
    assert await asyncio.to_thread(holder.stdout.readline) == b"claimed\n"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised on Linux")
async def test_a_process_of_this_machine_that_was_killed_is_known_at_once(
    store: Store, holder: subprocess.Popen[bytes]
) -> None:
    await has_claimed(holder)
    async with run(store) as leases:
        assert not await is_ours(leases)
        waiting = asyncio.create_task(leases.wait_until_free(TAKE))
        holder.send_signal(signal.SIGKILL)
        await asyncio.to_thread(holder.wait)
        async with asyncio.timeout(20):
            assert (await waiting).run == "killed"
        assert await is_ours(leases)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised on Linux")
async def test_a_killed_process_that_its_parent_has_not_waited_for_is_dead_all_the_same(
    store: Store, holder: subprocess.Popen[bytes]
) -> None:
    await has_claimed(holder)
    holder.send_signal(signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    async with run(store) as leases:
        assert await is_ours(leases)


async def test_a_process_of_this_machine_that_is_held_up_is_not_dead_for_it(
    store: Store, holder: subprocess.Popen[bytes]
) -> None:
    await has_claimed(holder)
    holder.send_signal(signal.SIGSTOP)
    async with run(store) as leases:
        assert not await is_ours(leases)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are recognised on Linux")
async def test_another_process_of_the_same_number_is_another_one(store: Store) -> None:
    await claimed_by_other(store)
    async with run(store) as leases:
        await leases.acquire("b" * 64)
        ours = json.loads(await store.get(keys.heartbeat_key(leases.run)) or b"")
        await beat(store, 1, machine=ours["machine"], process=ours["process"])
        assert not await is_ours(leases)
        await beat(store, 2, machine=ours["machine"], process=f"{os.getpid()} 1")
        assert await is_ours(leases)


async def test_a_process_that_nobody_may_look_at_is_not_dead_for_it(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(number: int) -> str | None:
        raise FileNotFoundError(number)

    async with run(folder_store, interval=NEVER) as first, run(folder_store) as second:
        await first.acquire(TAKE)
        monkeypatch.setattr("previs.rendering.process_identity._process", hidden)
        assert not await is_ours(second)


# Whatever lies there

ODD = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"schema": "previs.claim/1"}',
    b'{"schema": "previs.claim/2", "run": "other"}',
    b'{"schema": "previs.claim/1", "run": 7, "held": true}',
    b'{"schema": "previs.claim/1", "run": "other", "held": "perhaps"}',
]


@pytest.mark.parametrize("content", ODD, ids=range(len(ODD)))
async def test_a_claim_that_cannot_be_read_is_waited_for_in_case_it_is_being_written(
    folder_store: FolderStore, clock: Clock, content: bytes
) -> None:
    await write(folder_store, keys.lease_key(TAKE, 3), content)
    await write(folder_store, keys.lease_key(TAKE, 0), content)
    async with run(folder_store, interval=5, silence=25) as leases:
        assert not await is_ours(leases)
        for _ in range(5):
            clock.now += 5
            assert not leases.holds(TAKE)
            await leases.acquire(TAKE)
        assert leases.holds(TAKE)
    assert keys.lease_key(TAKE, 4) in await folder_store.entries(keys.CLAIMS)


ODD_BEATS = [
    *ODD,
    b'{"schema": "previs.beat/1", "run": "other", "beat": "x"}',
    b'{"schema": "previs.beat/1", "run": "other", "beat": 1, "process": "1"}',
    b'{"schema": "previs.beat/9", "run": "other", "over": true}',
]


@pytest.mark.parametrize("content", ODD_BEATS, ids=range(len(ODD_BEATS)))
async def test_a_beat_that_cannot_be_read_is_a_beat_as_long_as_it_changes(
    folder_store: FolderStore, clock: Clock, content: bytes
) -> None:
    await claimed_by_other(folder_store)
    async with run(folder_store, interval=5, silence=25) as leases:
        for number in range(8):
            await write(folder_store, keys.heartbeat_key("other"), content + b" " * number)
            assert not await is_ours(leases)
            clock.now += 5
        for _ in range(5):
            await leases.acquire(TAKE)
            clock.now += 5
        assert leases.holds(TAKE)


@pytest.mark.parametrize("process", ["0 1", "-1 1", "99999999999999999999 1", "../1 1", "1", "١ 1", " 1 1"])
async def test_a_process_that_is_none_says_nothing(folder_store: FolderStore, process: str) -> None:
    await claimed_by_other(folder_store)
    async with run(folder_store, interval=5, silence=25) as leases:
        await leases.acquire("b" * 64)
        machine = json.loads(await folder_store.get(keys.heartbeat_key(leases.run)) or b"")["machine"]
        await beat(folder_store, 1, machine=machine, process=process)
        assert not await is_ours(leases)


@pytest.mark.parametrize("run_name", ["", "..", "a/b", "夜" * 500, "x\ny"])
async def test_a_claim_of_an_oddly_named_run_is_a_claim(store: Store, clock: Clock, run_name: str) -> None:
    await claimed_by_other(store, name=run_name)
    async with run(store, interval=5, silence=25) as leases:
        for _ in range(5):
            assert not await is_ours(leases)
            clock.now += 5
        assert await is_ours(leases)


@pytest.mark.parametrize(
    "name", ["notes.txt", "x.json", "more/000000.json", "٣.json", "7.json", "999999999999999.json"]
)
async def test_other_files_beside_claims_do_no_harm(store: Store, clock: Clock, name: str) -> None:
    await claimed_by_other(store, held=False)
    await write(store, keys.leases_prefix(TAKE) + name, b"x")
    async with run(store, interval=5, silence=25) as leases:
        for _ in range(6):
            if await is_ours(leases):
                break
            clock.now += 5
        assert leases.holds(TAKE)


async def test_a_folder_in_the_place_of_a_claim_is_passed_over(folder_store: FolderStore) -> None:
    await write(folder_store, keys.lease_key(TAKE, 0) + "/x", b"x")
    async with run(folder_store) as leases:
        async with asyncio.timeout(20):
            assert await is_ours(leases)


# A store that fails, and takes that are cancelled, at whatever moment


class Troubled(FolderStore):
    """A folder of which one call goes wrong, counted from 0; before or after it did as it was asked."""

    calls = 0
    wrong: int | None = None
    late = False
    cancels = False
    error: type[StoreUnavailable | StoreRefused] = StoreUnavailable

    async def _counted(self) -> bool:
        self.calls += 1
        return self.calls - 1 == self.wrong

    async def _go_wrong(self) -> None:
        if self.cancels:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        raise self.error(self.name, "gone")

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        wrong = await self._counted()
        if not wrong or self.late:
            await super().put(key, data, media_type=media_type)
        if wrong:
            await self._go_wrong()

    async def create(self, key: str, data: bytes, *, media_type: str) -> bool:
        wrong = await self._counted()
        created = False
        if not wrong or self.late:
            created = await super().create(key, data, media_type=media_type)
        if wrong:
            await self._go_wrong()
        return created

    async def get(self, key: str) -> bytes | None:
        if await self._counted():
            await self._go_wrong()
        return await super().get(key)


async def claim_and_release(leases: Leases) -> None:
    """As an assignment does it."""
    try:
        await leases.acquire(TAKE)
    finally:
        await leases.release(TAKE)


@pytest.mark.parametrize("error", [StoreUnavailable, StoreRefused])
@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("call", range(5))
@pytest.mark.parametrize("earlier", [False, True])
async def test_whatever_call_goes_wrong_the_claim_is_free_while_the_run_goes_on(
    folder_store: FolderStore,
    call: int,
    late: bool,  # noqa: FBT001
    cancels: bool,  # noqa: FBT001
    earlier: bool,  # noqa: FBT001
    error: type[StoreUnavailable | StoreRefused],
) -> None:
    if earlier:
        await claimed_by_other(folder_store, held=False)
    store = Troubled(folder_store.name)
    store.wrong, store.late, store.cancels, store.error = call, late, cancels, error
    async with run(store, interval=NEVER) as leases, run(folder_store) as other:
        await asyncio.gather(asyncio.create_task(claim_and_release(leases)), return_exceptions=True)
        store.wrong = None
        assert not leases.holds(TAKE)
        await leases._renew()
        assert await is_ours(other)
        await other.release(TAKE)
        assert await is_ours(leases)
        await leases._renew()
        assert not await is_ours(other)


async def test_what_may_be_claimed_by_another_run_meanwhile_is_not_given_back(folder_store: FolderStore) -> None:
    store = Troubled(folder_store.name)
    async with run(store, interval=NEVER) as leases, run(folder_store) as other, run(folder_store) as third:
        await leases.acquire("b" * 64)
        store.wrong = store.calls
        with pytest.raises(StoreUnavailable):
            await leases.acquire(TAKE)
        assert await is_ours(other)
        await leases._renew()
        assert not await is_ours(third)


@pytest.mark.parametrize("error", [StoreUnavailable, StoreRefused])
async def test_a_run_is_not_in_its_own_way(
    folder_store: FolderStore, error: type[StoreUnavailable | StoreRefused]
) -> None:
    store = Troubled(folder_store.name)
    store.error = error
    async with run(store, interval=NEVER) as leases, run(folder_store) as other:
        await leases.acquire(TAKE)
        store.wrong = store.calls
        await leases.release(TAKE)
        assert not await is_ours(other)
        assert await is_ours(leases)
        await leases._renew()
        assert not await is_ours(other)
        await leases.release(TAKE)
        assert await is_ours(other)


@pytest.mark.parametrize("error", [StoreUnavailable, StoreRefused])
async def test_a_run_whose_beats_fail_for_a_while_goes_on_beating(
    folder_store: FolderStore, error: type[StoreUnavailable | StoreRefused]
) -> None:
    store = Troubled(folder_store.name)
    store.error = error
    async with run(store) as leases:
        await leases.acquire(TAKE)
        store.wrong = store.calls
        await leases._renew()
        for _ in range(3):
            store.wrong = store.calls
            await happens(lambda: store.calls > (store.wrong or 0))
        failed = json.loads(await folder_store.get(keys.heartbeat_key(leases.run)) or b"")["beat"]
        after = b""
        async with asyncio.timeout(20):
            while not after or json.loads(after)["beat"] <= failed + 3:
                after = await folder_store.get(keys.heartbeat_key(leases.run)) or b""
    assert json.loads(await folder_store.get(keys.heartbeat_key(leases.run)) or b"")["over"] is True


async def test_a_wait_outlives_a_store_that_is_away_for_a_moment(folder_store: FolderStore) -> None:
    store = Troubled(folder_store.name)
    async with run(folder_store) as first, run(store, interval=0.02) as second:
        await first.acquire(TAKE)
        waiting = asyncio.create_task(second.wait_until_free(TAKE))
        for _ in range(5):
            store.wrong = store.calls
            await happens(lambda: store.calls > (store.wrong or 0))
        assert not waiting.done()
        await first.release(TAKE)
        async with asyncio.timeout(20):
            assert (await waiting).run == first.run


async def test_a_wait_for_a_store_that_stays_away_ends(folder_store: FolderStore, clock: Clock) -> None:
    class Away(FolderStore):
        async def get(self, key: str) -> bytes | None:
            clock.now += 60
            raise StoreUnavailable(self.name, key)

    await claimed_by_other(folder_store)
    async with run(Away(folder_store.name)) as leases:
        async with asyncio.timeout(20):
            with pytest.raises(StoreUnavailable):
                await leases.wait_until_free(TAKE)
        assert leases._waiting == 0


async def test_claims_that_end_with_the_store_away_raise_nothing(settings: S3Settings, s3_endpoint: str) -> None:
    async with faulty_proxy(s3_endpoint, share=0) as proxy:
        there = settings.model_copy(update={"endpoint_url": proxy.url})
        async with S3Store(there, patience=0.1) as store, run(store, interval=NEVER) as leases:
            await leases.acquire(TAKE)
            await proxy.stop()
            await leases.release(TAKE)


@pytest.mark.parametrize("seed", range(3))
async def test_runs_share_takes_through_bad_weather(settings: S3Settings, s3_endpoint: str, seed: int) -> None:
    takes = [f"{number:064x}" for number in range(6)]
    made: list[str] = []

    async def work_through(leases: Leases, take: str) -> None:
        while take not in made:
            earlier = await leases.acquire(take)
            if earlier is not None and earlier.held:
                await leases.wait_until_free(take)
                continue
            if take not in made:
                made.append(take)
            await leases.release(take)

    async with faulty_proxy(s3_endpoint, seed=seed, hang=0.1) as proxy, contextlib.AsyncExitStack() as opened:
        there = settings.model_copy(update={"endpoint_url": proxy.url})
        stores = [await opened.enter_async_context(S3Store(there)) for _ in range(2)]
        runs = [await opened.enter_async_context(run(each)) for each in stores]
        async with asyncio.timeout(120):
            await asyncio.gather(*(work_through(each, take) for take in takes for each in runs))
    assert sorted(made) == takes


async def test_a_take_costs_two_requests(settings: S3Settings, s3_endpoint: str) -> None:
    async with faulty_proxy(s3_endpoint, share=0) as proxy:
        there = settings.model_copy(update={"endpoint_url": proxy.url})
        async with S3Store(there) as store, run(store, interval=NEVER) as leases:
            await claim_and_release(leases)
            if not await conditions_are_honoured(store):
                pytest.skip("this S3 does not heed If-None-Match: a claim is looked for, written and read again")
            before = len(proxy.heads)
            for number in range(10):
                await leases.acquire(f"{number:064x}")
                await leases.release(f"{number:064x}")
            assert len(proxy.heads) == before + 20


async def test_no_claim_is_like_another(folder_store: FolderStore) -> None:
    async with run(folder_store, "A") as leases:
        await claim_and_release(leases)
        await claim_and_release(leases)
    written = [await folder_store.get(keys.lease_key(TAKE, number)) for number in range(2)]
    first, second = (Lease.model_validate_json(each or b"") for each in written)
    assert first.nonce != second.nonce
