"""The store in bad weather: S3 that fails on a third of all requests, or is gone for a while."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from previs.store import S3Settings, S3Store
from tests.previs.store.weather import FAULTS, Weather, troubled

MB = 1 << 20


@asynccontextmanager
async def store_behind(
    settings: S3Settings, endpoint: str, *, patience: float = 60, share: float = 1 / 3, seed: int = 7
) -> AsyncIterator[tuple[S3Store, Weather]]:
    async with troubled(endpoint, share=share, seed=seed, hang=0.2) as weather:
        async with S3Store(settings.model_copy(update={"endpoint_url": weather.url}), patience=patience) as store:
            yield store, weather


async def frame(store: S3Store, folder: Path, number: int) -> tuple[str, bytes]:
    content = random.Random(number).randbytes(20_000)
    key = f"frames/{hashlib.sha256(content).hexdigest()}.png"
    path = folder / f"{number}.png"
    path.write_bytes(content)
    await store.put_file(key, path, media_type="image/png", if_absent=True)
    await store.put(f"takes/{number}.json", key.encode(), media_type="application/json")
    return key, content


async def test_with_a_third_of_all_requests_failing_everything_is_kept_once_and_whole(
    settings: S3Settings, s3_endpoint: str, s3_store: S3Store, tmp_path: Path
) -> None:
    async with store_behind(settings, s3_endpoint) as (store, weather):
        frames = dict(await asyncio.gather(*(frame(store, tmp_path, number) for number in range(24))))
        listed = await store.entries("")
    assert {key for key in listed if key.startswith("frames/")} == set(frames)
    assert {key for key in listed if key.startswith("takes/")} == {f"takes/{number}.json" for number in range(24)}
    for key, content in frames.items():
        assert await s3_store.get(key) == content
    assert {fault for fault in FAULTS if weather.met[fault]} == set(FAULTS)
