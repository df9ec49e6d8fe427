"""Check that runs of a board are numbered from 1, and that no two have the same number."""

import asyncio
import json

from previs.boards.run_numbers import next_number
from previs.store import FolderStore, S3Store, Store, keys


async def test_runs_are_numbered_board_by_board_and_the_record_names_the_run(folder_store: FolderStore) -> None:
    numbers = [await next_number(folder_store, board, f"run {n}") for n, board in enumerate("abaab")]
    assert numbers == [1, 1, 2, 3, 2]
    kept = json.loads(await folder_store.get(keys.number_key("a", 3)) or b"")
    assert kept == {"schema": "previs.number/1", "run": "run 3"}


async def together(store: Store) -> list[int]:
    return sorted(await asyncio.gather(*(next_number(store, "夜景", f"run {n}") for n in range(12))))


async def test_runs_that_start_at_once_get_different_numbers_in_a_folder(folder_store: FolderStore) -> None:
    assert await together(folder_store) == list(range(1, 13))


async def test_runs_that_start_at_once_get_different_numbers_in_s3(s3_store: S3Store) -> None:
    assert await together(s3_store) == list(range(1, 13))


async def test_numbers_continue_after_the_highest_whatever_other_files_exist(folder_store: FolderStore) -> None:
    for name in ("7", "x", "-3", "2.5", "9" * 200):
        await folder_store.put(f"{keys.numbers_prefix('a')}{name}.json", b"{}", media_type="application/json")
    assert await next_number(folder_store, "a", "run") == 8
