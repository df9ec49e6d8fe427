"""Check that a small list is sent inline and a large one through the store."""

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
    """Return a list of about ``size`` characters of JSON."""
    made = [{"shot_id": 1, "prompt": "", "duration": 1.0, "mood": "cold"}]
    made[0]["prompt"] = letter * (size - len(json.dumps(made)))
    return made


async def test_a_small_list_is_sent_inline_and_not_stored(folder_store: FolderStore) -> None:
    given = shots(INLINE_BYTES)
    assert await shots_parameter(given, folder_store) is given
    assert await folder_store.entries("") == {}


async def test_a_large_list_is_stored_under_the_hash_of_its_content(store: Store) -> None:
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
async def test_an_inline_list_never_exceeds_prefects_limit(folder_store: FolderStore, size: int, letter: str) -> None:
    handed = await shots_parameter(shots(size, letter), folder_store)
    # Prefect measures JSON with non-ASCII characters escaped; the other parameters need room as well.
    assert len(json.dumps(handed, separators=(",", ":")).encode()) < PREFECT_TAKES - 50_000


async def test_a_list_stored_in_s3_has_an_s3_uri(s3_store: S3Store) -> None:
    place = await shots_parameter(shots(600_000), s3_store)
    assert place.startswith(f"{s3_store.name}/lists/")


async def test_equal_lists_are_stored_once(folder_store: FolderStore) -> None:
    places = [await shots_parameter(shots(size), folder_store) for size in (600_000, 600_000, 600_001)]
    assert places[0] == places[1] != places[2]
    assert len(await folder_store.entries("lists")) == 2


@pytest.mark.parametrize("given", [None, "shots", {}, [], 7, {"shots": "no list"}])
async def test_input_that_is_no_list_is_sent_unchanged(given: Any, folder_store: FolderStore) -> None:
    assert await shots_parameter(given, folder_store) == given
