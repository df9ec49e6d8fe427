"""A list goes to a flow inline while it is small, and through the store when it is not."""

import hashlib
import json
from typing import Any

import pytest

from previs.ingest.offload import INLINE_BYTES, shots_parameter
from previs.store import FolderStore, S3Store, Store

PREFECT_TAKES = 524_288


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


def shots(size: int, letter: str = "a") -> list[dict[str, Any]]:
    """A list that is so many characters of JSON."""
    made = [{"shot_id": 1, "prompt": "", "duration": 1.0, "mood": "cold"}]
    made[0]["prompt"] = letter * (size - len(json.dumps(made)))
    return made


async def test_a_small_list_stays_as_it_is_and_the_store_empty(folder_store: FolderStore) -> None:
    given = shots(INLINE_BYTES)
    assert await shots_parameter(given, folder_store) is given
    assert await folder_store.entries("") == {}


async def test_a_large_list_is_put_into_the_store_whole_and_named_by_its_content(store: Store) -> None:
    given = shots(600_000, "夜")
    place = await shots_parameter(given, store)
    [(key, entry)] = (await store.entries("")).items()
    content = await store.get(key) or b""
    assert place == store.uri(key)
    assert entry.size == len(content)
    assert key == f"lists/{hashlib.sha256(content).hexdigest()}.json"
    assert json.loads(content) == given


@pytest.mark.parametrize("letter", ["a", "夜", "🎬", '"', "\x00"])
@pytest.mark.parametrize("size", [80_000, 130_000, 200_000, 300_000, 390_000, 600_000])
async def test_what_goes_inline_is_never_more_than_prefect_takes(
    folder_store: FolderStore, size: int, letter: str
) -> None:
    handed = await shots_parameter(shots(size, letter), folder_store)
    # As Prefect measures it, with all that is not ASCII escaped; the other parameters want some room too.
    assert len(json.dumps(handed, separators=(",", ":")).encode()) < PREFECT_TAKES - 50_000


async def test_a_list_in_s3_is_told_by_its_s3_address(s3_store: S3Store) -> None:
    place = await shots_parameter(shots(600_000), s3_store)
    assert place.startswith(f"{s3_store.name}/lists/")


async def test_an_equal_list_is_kept_once_and_another_one_beside_it(folder_store: FolderStore) -> None:
    places = [await shots_parameter(shots(size), folder_store) for size in (600_000, 600_000, 600_001)]
    assert places[0] == places[1] != places[2]
    assert len(await folder_store.entries("lists")) == 2


@pytest.mark.parametrize("given", [None, "shots", {}, [], 7, {"shots": "no list"}])
async def test_what_is_no_list_is_handed_on_for_the_flow_to_judge(given: Any, folder_store: FolderStore) -> None:
    assert await shots_parameter(given, folder_store) == given
