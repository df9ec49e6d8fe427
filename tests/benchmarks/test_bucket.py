"""The S3 server of the benchmarks counts requests, stops, and starts with the same content."""

import pytest

from benchmarks.bucket import bucket
from previs.errors import StoreUnavailable
from previs.store import S3Store


async def test_requests_are_counted_by_kind_and_it_stops_and_starts_with_the_same_content() -> None:
    async with bucket() as s3, s3.store("a") as store, S3Store(store.settings, patience=0) as hasty:
        await s3.counts()
        await store.put("frames/x", b"1", media_type="image/png")
        await store.get("frames/x")
        await store.get("frames/x")
        await store.entries("frames")
        counted = await s3.counts()
        assert (counted["PUT"], counted["GET"], counted["LIST"]) == (1, 2, 1)
        assert not await s3.counts()
        assert await hasty.get("frames/x") == b"1"
        await s3.stop()
        with pytest.raises(StoreUnavailable):
            await hasty.get("frames/x")
        await s3.start()
        assert await hasty.get("frames/x") == b"1"
