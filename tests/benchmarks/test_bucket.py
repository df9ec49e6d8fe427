"""The S3 of the benchmarks counts what it is asked, and can be gone and come back."""

import pytest

from benchmarks.bucket import bucket
from previs.errors import StoreUnavailable
from previs.store import S3Store


async def test_requests_are_counted_by_kind_since_they_were_asked_for() -> None:
    async with bucket() as s3, s3.store("a") as store:
        await s3.counts()
        await store.put("frames/x", b"1", media_type="image/png")
        await store.get("frames/x")
        await store.get("frames/x")
        await store.entries("frames")
        counted = await s3.counts()
        assert (counted["PUT"], counted["GET"], counted["LIST"]) == (1, 2, 1)
        assert not await s3.counts()


async def test_it_is_gone_and_comes_back_with_all_that_there_was() -> None:
    async with bucket() as s3, s3.store("a") as store, S3Store(store.settings, patience=0) as hasty:
        await store.put("frames/x", b"1", media_type="image/png")
        assert await hasty.get("frames/x") == b"1"
        await s3.gone()
        with pytest.raises(StoreUnavailable):
            await hasty.get("frames/x")
        await s3.back()
        assert await hasty.get("frames/x") == b"1"
