"""Check that whoever may write to a store does not decide how much of it is read into memory."""

import os
from pathlib import Path

import pytest

from previs.boards.nightly import NightlyBoard, add_nightly, nightly_boards
from previs.boards.picks import picks
from previs.boards.prune import prune
from previs.boards.retention import Rule
from previs.boards.runs import boards, load_manifest
from previs.errors import RecordUnreadable, StoreRefused
from previs.rendering.cache_lookup import recorded_takes
from previs.rendering.cancelled import is_marked_cancelled
from previs.store import FolderStore, Store, keys
from previs.store.bounds import MANIFEST_BYTES, RECORD_BYTES
from tests.previs.records.published import BEGAN, manifest, put_run, shot, take
from tests.previs.rendering.leasing import TAKE, run, write_lease

TERABYTE = 10**12
BOARD = "夜景 1"
RUN = manifest(shot("A", take(1, b"one")), board=BOARD)


async def put_terabyte(store: FolderStore, key: str) -> None:
    """Write a file of a terabyte, which takes no room on the disk."""
    await store.put(key, b"{}", media_type="application/json")
    os.truncate(store.uri(key), TERABYTE)


@pytest.mark.parametrize(("size", "limit"), [(0, 0), (5, 5), (5, 4), (1 << 20, 1 << 20), ((1 << 20) + 1, 1 << 20)])
async def test_no_more_is_read_than_the_limit(store: Store, tmp_path: Path, size: int, limit: int) -> None:
    content, path = b"x" * size, tmp_path / "copy"
    await store.put("takes/a.json", content, media_type="application/json")
    if size <= limit:
        assert await store.get("takes/a.json", limit=limit) == content
        assert await store.get_file("takes/a.json", path, limit=limit)
        assert path.read_bytes() == content
        return
    for attempt in (store.get("takes/a.json", limit=limit), store.get_file("takes/a.json", path, limit=limit)):
        with pytest.raises(RecordUnreadable, match=f"it has more than {limit:,} bytes") as caught:
            await attempt
        assert caught.value.place == store.uri("takes/a.json")


async def test_a_file_that_is_absent_is_not_copied(store: Store, tmp_path: Path) -> None:
    assert not await store.get_file("frames/none.png", tmp_path / "copy", limit=9)


async def test_a_key_taken_by_a_larger_file_is_not_created(store: Store) -> None:
    await store.put("claims/a", b"x" * 99, media_type="application/json")
    assert not await store.create("claims/a", b"mine", media_type="application/json")


async def test_a_record_of_a_terabyte_counts_as_damaged(folder_store: FolderStore) -> None:
    fingerprint, warnings = "a" * 64, list[str]()
    await put_terabyte(folder_store, keys.take_key(fingerprint))
    found = await recorded_takes(folder_store, [fingerprint], warn=warnings.append)
    assert found[fingerprint].usable is None
    assert warnings == [f"{keys.take_key(fingerprint)} is damaged: the take is rendered again"]


async def test_records_that_are_too_large_together_are_refused(folder_store: FolderStore) -> None:
    wanted = [f"{number:064x}" for number in range(7)]
    for each in wanted:
        await folder_store.put(keys.take_key(each), b"{}", media_type="application/json")
        os.truncate(folder_store.uri(keys.take_key(each)), RECORD_BYTES)
    with pytest.raises(StoreRefused, match="the records of 7 takes have 224,000,000 bytes, more than 200,448,000"):
        await recorded_takes(folder_store, wanted)


async def test_a_pick_of_a_terabyte_is_reported(folder_store: FolderStore) -> None:
    warnings: list[str] = []
    await put_terabyte(folder_store, keys.pick_key(BOARD, "A"))
    assert await picks(folder_store, BOARD, warn=warnings.append) == {}
    assert "it is not a pick of version 1: pick the take again" in warnings[0]


async def test_a_nightly_board_of_a_terabyte_is_reported_and_replaced(folder_store: FolderStore) -> None:
    key = keys.nightly_key(BOARD)
    await put_terabyte(folder_store, key)
    assert isinstance((await nightly_boards(folder_store))[key], RecordUnreadable)
    entry = NightlyBoard(board=BOARD, shots="a.yaml", added=BEGAN)
    assert await add_nightly(folder_store, entry)
    assert await nightly_boards(folder_store) == {key: entry}


async def test_a_manifest_and_a_latest_run_of_a_terabyte_are_reported(folder_store: FolderStore) -> None:
    await put_run(folder_store, RUN)
    await put_terabyte(folder_store, f"{keys.board_prefix(BOARD)}latest.json")
    assert (await boards(folder_store))[0].runs[0].fault is None
    await put_terabyte(folder_store, keys.run_key(BOARD, RUN.run, "manifest.json"))
    reason = f"it has more than {MANIFEST_BYTES:,} bytes"
    assert reason in str((await boards(folder_store))[0].runs[0].fault)
    with pytest.raises(RecordUnreadable, match=reason):
        await load_manifest(folder_store, BOARD)


async def test_a_manifest_larger_than_a_record_is_read(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.boards.runs._SEVERAL_BYTES", 10)
    await put_run(folder_store, RUN)
    assert (await boards(folder_store))[0].runs[0].shots == 1


async def test_a_heartbeat_of_a_terabyte_counts_as_a_run_at_work(folder_store: FolderStore) -> None:
    await put_terabyte(folder_store, keys.heartbeat_key("other"))
    assert "was at work" in (await prune(folder_store, Rule(), really=True)).obstacles[0]


async def test_a_mark_of_a_terabyte_is_a_mark(folder_store: FolderStore) -> None:
    await put_terabyte(folder_store, keys.cancelled_key("p"))
    assert await is_marked_cancelled(folder_store, "p")


@pytest.mark.parametrize("key", [keys.lease_key(TAKE, 0), keys.heartbeat_key("other")])
async def test_a_lease_or_heartbeat_of_a_terabyte_counts_as_damaged(folder_store: FolderStore, key: str) -> None:
    await write_lease(folder_store)
    await put_terabyte(folder_store, key)
    async with run(folder_store) as leases:
        earlier = await leases.acquire(TAKE)
    assert earlier is not None
    assert earlier.held
