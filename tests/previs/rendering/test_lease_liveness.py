"""Check that a run counts as dead when its process has ended here or its heartbeat stops, and not otherwise."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from previs.rendering.leases import Leases
from previs.rendering.process_identity import _process
from previs.store import FolderStore, Store, keys
from tests.previs.rendering.leasing import (
    INTERVAL,
    NEVER,
    OTHER_TAKE,
    READINGS,
    TAKE,
    Clock,
    acquires,
    heartbeat_of,
    observer,
    run,
    write,
    write_heartbeat,
    write_lease,
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when another process started")

# Heartbeats


async def test_a_run_whose_heartbeat_changes_lives_however_long(folder_store: FolderStore, clock: Clock) -> None:
    await write_lease(folder_store)
    async with observer(folder_store) as leases:
        for beat in range(20):
            await write_heartbeat(folder_store, beat)
            assert not await acquires(leases)
            clock.now += 2 * INTERVAL - 1


@pytest.mark.parametrize("beat", [7, None], ids=["stopped", "none"])
async def test_a_run_without_heartbeats_counts_as_dead_after_a_while(
    store: Store, clock: Clock, beat: int | None
) -> None:
    await write_lease(store)
    if beat is not None:
        await write_heartbeat(store, beat)
    async with observer(store) as leases:
        for _ in range(READINGS):
            assert not await acquires(leases)
            clock.now += INTERVAL
        assert await acquires(leases)


async def test_time_without_readings_does_not_count_as_silence(folder_store: FolderStore, clock: Clock) -> None:
    await write_lease(folder_store)
    await write_heartbeat(folder_store, 7)
    async with observer(folder_store) as leases:
        for _ in range(READINGS - 1):
            assert not await acquires(leases)
            clock.now += INTERVAL
        clock.now += 3600
        for _ in range(READINGS):
            assert not await acquires(leases)
            clock.now += INTERVAL
        assert await acquires(leases)


async def test_a_dead_run_stays_dead_after_time_without_readings(folder_store: FolderStore, clock: Clock) -> None:
    await write_heartbeat(folder_store, 7)
    async with observer(folder_store) as leases:
        await write_lease(folder_store)
        while not await acquires(leases):
            clock.now += INTERVAL
        await leases.release(TAKE)
        await write_lease(folder_store, 9)
        clock.now += 3600
        assert await acquires(leases)


async def test_a_dead_run_whose_heartbeat_changes_lives_again(folder_store: FolderStore, clock: Clock) -> None:
    await write_heartbeat(folder_store, 7)
    async with observer(folder_store) as leases:
        await write_lease(folder_store)
        while not await acquires(leases):
            clock.now += INTERVAL
        await leases.release(TAKE)
        await write_lease(folder_store, 9)
        await write_heartbeat(folder_store, 8)
        clock.now += INTERVAL
        assert not await acquires(leases)


async def test_a_run_with_an_odd_name_counts_as_dead_after_a_while(store: Store, clock: Clock) -> None:
    names = ["", "..", "a/b", "夜" * 500, "x\ny"]
    takes = [f"{number:064x}" for number in range(len(names))]
    for take, name in zip(takes, names, strict=True):
        await write_lease(store, take=take, name=name)
    async with observer(store) as leases:
        for _ in range(READINGS):
            assert not any([await acquires(leases, take) for take in takes])
            clock.now += INTERVAL
        assert all([await acquires(leases, take) for take in takes])


# Processes

HOLDER = """
import asyncio, sys
from previs.rendering.leases import Leases
from previs.store import FolderStore

async def main():
    folder, take = sys.argv[1:]
    async with Leases(FolderStore(folder), "killed", interval=1e9, silence=1e9) as leases:
        await leases.acquire(take)
        print("acquired", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@on_linux
async def test_a_killed_process_of_this_machine_is_dead_at_once(folder_store: FolderStore) -> None:
    command = [sys.executable, "-c", HOLDER, folder_store.name, TAKE]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:  # noqa: S603, ASYNC220 - our own command
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == b"acquired\n"
        async with run(folder_store) as leases:
            assert not await acquires(leases)
            waiting = asyncio.create_task(leases.wait_until_free(TAKE))
            holder.send_signal(signal.SIGKILL)
            await asyncio.to_thread(holder.wait)
            async with asyncio.timeout(20):
                assert (await waiting).run == "killed"
            assert await acquires(leases)


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that does nothing."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


async def write_lease_of_process(leases: Leases, process: str | None) -> None:
    """Write the lease and the heartbeat of a run in a process of this machine."""
    await leases.acquire(OTHER_TAKE)
    machine = (await heartbeat_of(leases))["machine"]
    await write_lease(leases.store)
    await write_heartbeat(leases.store, 1, machine=machine, process=process)


@on_linux
async def test_a_killed_process_is_dead_before_its_parent_waits_for_it(
    folder_store: FolderStore, process: subprocess.Popen[bytes]
) -> None:
    async with run(folder_store) as leases:
        await write_lease_of_process(leases, _process(process.pid))
        assert not await acquires(leases)
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert await acquires(leases)


@on_linux
async def test_a_stopped_process_is_not_dead(folder_store: FolderStore, process: subprocess.Popen[bytes]) -> None:
    async with run(folder_store) as leases:
        await write_lease_of_process(leases, _process(process.pid))
        process.send_signal(signal.SIGSTOP)
        await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert not await acquires(leases)


@on_linux
async def test_another_process_with_the_same_number_is_not_the_run(folder_store: FolderStore) -> None:
    async with run(folder_store) as leases:
        await write_lease_of_process(leases, _process(os.getpid()))
        assert not await acquires(leases)
        await write_lease_of_process(leases, f"{os.getpid()} 1")
        assert await acquires(leases)


async def test_a_process_of_another_machine_is_not_dead(folder_store: FolderStore, clock: Clock) -> None:
    await write_lease(folder_store)
    await write_heartbeat(folder_store, 7, machine="elsewhere", process="4711 1")
    async with observer(folder_store) as leases:
        assert not await acquires(leases)
        clock.now += INTERVAL
        assert not await acquires(leases)


async def test_a_process_that_cannot_be_seen_is_not_dead(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(number: int) -> str | None:
        raise FileNotFoundError(number)

    async with run(folder_store, interval=NEVER) as first, run(folder_store) as second:
        await first.acquire(TAKE)
        monkeypatch.setattr("previs.rendering.process_identity._process", hidden)
        assert not await acquires(second)


@pytest.mark.parametrize("process", ["0 1", "-1 1", "99999999999999999999 1", "../1 1", "1", "١ 1", " 1 1"])
async def test_an_invalid_process_is_not_dead(folder_store: FolderStore, process: str) -> None:
    async with observer(folder_store) as leases:
        await write_lease_of_process(leases, process)
        assert not await acquires(leases)


# Damaged objects

DAMAGED = [
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
DAMAGED_HEARTBEATS = [
    *DAMAGED,
    b'{"schema": "previs.beat/1", "run": "other", "beat": "x"}',
    b'{"schema": "previs.beat/1", "run": "other", "beat": 1, "process": "1"}',
    b'{"schema": "previs.beat/9", "run": "other", "over": true}',
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
async def test_a_damaged_lease_is_waited_for_as_it_may_be_half_written(
    folder_store: FolderStore, clock: Clock, content: bytes
) -> None:
    await write(folder_store, keys.lease_key(TAKE, 3), content)
    await write(folder_store, keys.lease_key(TAKE, 0), content)
    async with observer(folder_store) as leases:
        for _ in range(READINGS):
            assert not await acquires(leases)
            clock.now += INTERVAL
        assert await acquires(leases)
    assert keys.lease_key(TAKE, 4) in await folder_store.entries(keys.CLAIMS)


@pytest.mark.parametrize("content", DAMAGED_HEARTBEATS, ids=range(len(DAMAGED_HEARTBEATS)))
async def test_a_damaged_heartbeat_counts_as_long_as_it_changes(
    folder_store: FolderStore, clock: Clock, content: bytes
) -> None:
    await write_lease(folder_store)
    async with observer(folder_store) as leases:
        for number in range(2 * READINGS):
            await write(folder_store, keys.heartbeat_key("other"), content + b" " * number)
            assert not await acquires(leases)
            clock.now += INTERVAL
        for _ in range(READINGS):
            await leases.acquire(TAKE)
            clock.now += INTERVAL
        assert leases.holds(TAKE)
