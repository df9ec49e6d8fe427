"""Options name servers and stores by path or URL, or by a block that is saved in Prefect."""

import json
from unittest.mock import AsyncMock

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks import ComfyUIFarm, FolderFrameStore, S3FrameStore
from blocks.__main__ import _store
from previs.command.farm_and_store import farm_addresses, option_store
from previs.errors import FarmRefused, StoreRefused
from previs.store import FolderStore, S3Store
from previs.store.opening import s3_settings

pytestmark = pytest.mark.usefixtures("no_threads_left")


async def test_addresses_stay_what_they_are() -> None:
    assert [each.url for each in await farm_addresses(["http://a:8188/", "http://b:8188", "http://a:8188"])] == [
        "http://a:8188",
        "http://b:8188",
    ]
    assert [each.url for each in await farm_addresses([])] == ["http://127.0.0.1:8188"]


async def test_without_a_name_the_store_is_the_folder_storyboards() -> None:
    store = await option_store(None)
    assert isinstance(store, FolderStore)
    assert store.name.endswith("storyboards")
    assert (await option_store("s3://boards/film")).name == "s3://boards/film"


async def test_a_block_and_urls_do_not_go_together() -> None:
    with pytest.raises(FarmRefused, match="one block, or URLs, not both"):
        await farm_addresses(["block:a", "http://a:8188"])
    with pytest.raises(FarmRefused, match="http://render-01:8188"):
        await farm_addresses(["render-01"])


async def test_saved_blocks_are_used_with_their_secrets(
    prefect_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not above: it takes a fifth of the time to collect all tests, in each process.
    from prefect_aws import AwsCredentials, S3Bucket  # noqa: PLC0415

    for name, value in prefect_environment.items():
        monkeypatch.setenv(name, value)
    keys = {"access_key_id": SecretStr("key-0815"), "secret_access_key": SecretStr("sec-0815")}
    with temporary_settings({PREFECT_API_URL: prefect_environment["PREFECT_API_URL"]}):
        farm = ComfyUIFarm(servers=["http://render-01:8188", "https://render-02"], token=SecretStr("tok-4711"))
        await farm.asave("places")
        await S3FrameStore(bucket="boards", prefix="film", **keys).asave("places")
        await FolderFrameStore(folder="/mnt/boards").asave("places-folder")
        assert json.loads(await _store("places-folder") or "") == {"folder": "/mnt/boards", "page_assets": False}
        assert await _store("nobody") is None
        credentials = AwsCredentials(aws_access_key_id="key-0815", aws_secret_access_key=SecretStr("sec-0815"))
        await S3Bucket(bucket_name="film", credentials=credentials).asave("places")
        bucket = s3_settings(json.loads(await _store("s3-bucket/places") or ""))
        assert (bucket.bucket, bucket.secret_access_key) == ("film", SecretStr("sec-0815"))
    first, second = await farm_addresses(["block:places"])
    assert (first.url, second.url) == ("http://render-01:8188", "https://render-02")
    assert first.headers == second.headers == {"Authorization": "Bearer tok-4711"}
    store = await option_store("block:places")
    assert isinstance(store, S3Store)
    assert store.name == "s3://boards/film"
    assert store.settings.secret_access_key is not None
    assert store.settings.secret_access_key.get_secret_value() == "sec-0815"
    assert "0815" not in repr(store)
    with pytest.raises(StoreRefused, match="no frame store block named 'nobody'"):
        await option_store("block:nobody")


async def test_a_farm_that_is_not_saved_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("previs.command.farm_and_store.saved_block", AsyncMock(return_value=None))
    with pytest.raises(FarmRefused, match="no ComfyUI farm block named 'nobody'"):
        await farm_addresses(["block:nobody"])
