"""Check the store with an S3 that fails a third of all requests, or is unreachable for a while."""

import asyncio
import hashlib
import random
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from previs.errors import StoreUnavailable
from previs.store import S3Settings, S3Store
from tests.previs.store.fault_schedule import FAULTS, Fault, FaultyProxy, faulty_proxy

MB = 1 << 20


@asynccontextmanager
async def store_behind(
    settings: S3Settings,
    endpoint: str,
    *,
    patience: float = 120,
    share: float = 1 / 3,
    faults: Sequence[Fault] = FAULTS,
) -> AsyncIterator[tuple[S3Store, FaultyProxy]]:
    async with (
        faulty_proxy(endpoint, share=share, seed=7, faults=faults, hang=0.1) as proxy,
        S3Store(settings.model_copy(update={"endpoint_url": proxy.url}), patience=patience) as store,
    ):
        yield store, proxy


async def frame(store: S3Store, folder: Path, number: int) -> tuple[str, bytes]:
    content = random.Random(number).randbytes(20_000)
    key = f"frames/{hashlib.sha256(content).hexdigest()}.png"
    path = folder / f"{number}.png"
    path.write_bytes(content)
    await store.put_file(key, path, media_type="image/png", if_absent=True)
    await store.put(f"takes/{number}.json", key.encode(), media_type="application/json")
    return key, content


async def test_with_a_third_of_all_requests_failing_everything_is_kept_whole(
    settings: S3Settings, s3_endpoint: str, s3_store: S3Store, tmp_path: Path
) -> None:
    async with store_behind(settings, s3_endpoint) as (store, proxy):
        frames = dict(await asyncio.gather(*(frame(store, tmp_path, number) for number in range(24))))
        listed = await store.entries("")
        read = dict(zip(frames, await asyncio.gather(*(store.get(key) for key in frames)), strict=True))
    assert set(listed) - {".previs-check"} == {*frames, *(f"takes/{number}.json" for number in range(24))}
    assert read == frames
    assert {key: await s3_store.get(key) for key in frames} == frames
    assert {fault for fault in FAULTS if proxy.counts[fault]} == set(FAULTS)


async def test_a_large_file_arrives_complete(settings: S3Settings, s3_endpoint: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(random.Random(1).randbytes(33 * MB))
    async with store_behind(settings, s3_endpoint) as (store, _):
        await store.put_file("a.mp4", path, media_type="video/mp4", if_absent=True)
        assert await store.get_file("a.mp4", tmp_path / "back.mp4", limit=33 * MB)
    assert (tmp_path / "back.mp4").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("faults", [("lost",), ("cut",), FAULTS])
async def test_exactly_one_of_many_creates_a_key_although_responses_are_lost(
    settings: S3Settings, s3_endpoint: str, faults: Sequence[Fault]
) -> None:
    async with store_behind(settings, s3_endpoint, share=0.5, faults=faults) as (store, proxy):
        values = [b"token %d" % number for number in range(8)]
        if not await conditions_are_honoured(store):
            pytest.skip("this S3 ignores If-None-Match, so a writer that pauses may also get true")
        created = await asyncio.gather(*(store.create("lock", value, media_type="text/plain") for value in values))
        assert await store.get("lock") == values[created.index(True)]
    assert created.count(True) == 1
    assert proxy.counts.total() > proxy.counts["none"]


async def conditions_are_honoured(store: S3Store) -> bool:
    await store.create("another", b"to find it out", media_type="text/plain")
    return bool(store._honours_conditions)


async def test_a_response_that_is_cut_anywhere_never_counts_as_complete(
    settings: S3Settings, s3_endpoint: str, s3_store: S3Store
) -> None:
    sizes = [0, 1, 300, 2000]
    for size in sizes:
        await s3_store.put(f"takes/{size}", b"x" * size, media_type="text/plain")
    async with store_behind(settings, s3_endpoint, share=0.5, faults=["cut"]) as (store, proxy):
        for _ in range(4):
            read = await asyncio.gather(*(store.get(f"takes/{size}") for size in sizes))
            assert [len(content or b"") for content in read] == sizes
            assert {entry.size for entry in (await store.entries("takes")).values()} == set(sizes)
    assert proxy.counts["cut"] > 10


async def test_an_s3_that_is_unreachable_for_a_while_only_costs_time(
    settings: S3Settings, s3_endpoint: str, tmp_path: Path
) -> None:
    async with store_behind(settings, s3_endpoint, share=0) as (store, proxy):
        await frame(store, tmp_path, 0)
        await proxy.stop()
        writing = [asyncio.create_task(frame(store, tmp_path, number)) for number in range(1, 6)]
        listing = asyncio.create_task(store.entries("frames"))
        done, _ = await asyncio.wait([*writing, listing], timeout=1)
        assert not done
        await proxy.start()
        await listing
        frames = dict(await asyncio.gather(*writing))
        assert {key: await store.get(key) for key in frames} == frames


async def test_patience_ends_and_the_error_gives_the_reason(settings: S3Settings, s3_endpoint: str) -> None:
    async with store_behind(settings, s3_endpoint, patience=0.2) as (store, proxy):
        await proxy.stop()
        with pytest.raises(StoreUnavailable, match="no connection to its endpoint"):
            await store.get("a")


async def test_a_request_that_waits_for_s3_can_be_cancelled_at_once(
    scripted: Callable[..., Any], answer: Callable[..., Any], settings: S3Settings
) -> None:
    loop, asked, go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def silent(*_: str) -> object:
        loop.call_soon_threadsafe(asked.set)
        assert go_on.wait(30)
        return answer(body=b"late")

    async with S3Store(settings.model_copy(update={"endpoint_url": scripted(silent).url})) as store:
        reading = asyncio.create_task(store.get("a"))
        await asyncio.wait_for(asked.wait(), 30)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert not go_on.is_set()
        go_on.set()


async def test_the_same_seed_makes_the_same_faults(s3_endpoint: str) -> None:
    async def met(seed: int) -> list[Fault | None]:
        proxy = FaultyProxy(s3_endpoint, share=1 / 3, seed=seed)
        return [proxy.next_fault() for _ in range(200)]

    assert await met(1) == await met(1) != await met(2)
