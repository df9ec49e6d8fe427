"""The boards of a store are read once for each publication, and few of them are kept."""

import asyncio
from pathlib import Path

import pytest

from previs.boards.picks import pick
from previs.errors import NotInStore, RecordUnreadable
from previs.review import catalog as module
from previs.review import file_cache
from previs.review.catalog import Catalog
from previs.review.file_cache import FileCache, stored_file
from previs.store import FolderStore, Store, keys
from tests.conftest import FOLDER_AND_S3
from tests.previs.records.published import manifest, put_run, run_name, shot, take
from tests.previs.review.conftest import BOARD, PICTURES, first_run


class Counting(FolderStore):
    """Count the manifests that are read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.manifests = 0

    async def get(self, key: str, **more: int) -> bytes | None:
        self.manifests += key.endswith("manifest.json")
        return await super().get(key, **more)


@pytest.fixture
async def counting(tmp_path: Path) -> Counting:
    made = Counting(tmp_path / "store")
    await put_run(made, first_run(), PICTURES)
    made.manifests = 0
    return made


async def test_a_manifest_is_read_once_however_many_ask(counting: Counting) -> None:
    catalog = Catalog(counting)
    await asyncio.gather(*(catalog.outline(keys.part(BOARD)) for _ in range(10)))
    assert counting.manifests == 1
    await asyncio.gather(*(catalog.boards() for _ in range(10)))
    assert counting.manifests == 2


@FOLDER_AND_S3
async def test_a_publication_and_a_pick_are_seen_within_a_second(store: Store) -> None:
    now = [0.0]
    await put_run(store, first_run(), PICTURES)
    catalog, part = Catalog(store, clock=lambda: now[0]), keys.part(BOARD)
    before = await catalog.outline(part)
    for take_number in (1, 2, 1):
        await pick(store, BOARD, "SH010", take_number)
        now[0] += 1.1
        assert await catalog.picks(part) == {"SH010": take_number}
    await put_run(store, first_run(number=2, title="later"), PICTURES)
    assert (await catalog.outline(part)).version == before.version
    now[0] += 1.1
    after = await catalog.outline(part)
    assert (after.location.run, after.manifest.title) == (run_name(2), "later")
    assert (await catalog.outline(part, run_name(1))).version == before.version


async def test_what_a_look_began_to_read_before_a_change_is_not_shown_after_it(counting: Counting) -> None:
    now = [0.0]
    catalog, part = Catalog(counting, clock=lambda: now[0]), keys.part(BOARD)
    began = now[0]
    assert await catalog.picks(part) == {}
    now[0] += 0.2
    await pick(counting, BOARD, "SH010", 2)
    catalog.forget(part)
    assert not catalog.is_current(part, began)
    assert await catalog.picks(part) == {"SH010": 2}


async def test_few_outlines_are_kept(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_TAKES", 5)
    for number in range(2, 6):
        takes = [take(each, bytes([number, each])) for each in range(1, 4)]
        await put_run(counting, manifest(shot(1, *takes), board=f"b{number}", number=number))
    catalog = Catalog(counting)
    for number in range(2, 6):
        await catalog.outline(f"b{number}")
    assert len(catalog._outlines) == 1


async def test_what_is_not_there_or_damaged_is_said(counting: Counting) -> None:
    catalog = Catalog(counting)
    with pytest.raises(NotInStore):
        await catalog.outline("nothing")
    with pytest.raises(NotInStore):
        await catalog.outline(keys.part(BOARD), "20000101")
    await counting.put(f"boards/bad/{run_name(1)}/manifest.json", b"{", media_type="application/json")
    with pytest.raises(RecordUnreadable):
        await catalog.outline("bad")
    assert {each.part: bool(each.fault) for each in await catalog.boards()} == {keys.part(BOARD): False, "bad": True}


async def test_the_least_recently_used_files_go_when_all_are_too_large() -> None:
    now = [0.0]
    files = FileCache(most=10, clock=lambda: now[0])

    async def write(path: Path) -> bool:
        path.write_bytes(b"12345678")  # noqa: ASYNC240 - a small file
        return True

    one = await files.get("one", write)
    now[0] += file_cache._IN_USE_SECONDS - 1
    two = await files.get("two", write)
    # The first was used within the last minute.
    assert one is not None
    assert one.exists()
    now[0] += 2
    await files.get("two", write)
    assert not one.exists()
    assert two is not None
    assert two.exists()
    files.close()
    assert not two.exists()


async def test_a_file_that_cannot_be_written_is_not_kept() -> None:
    files = FileCache()

    async def fail(path: Path) -> bool:
        path.write_bytes(b"half")  # noqa: ASYNC240 - a small file
        raise RecordUnreadable("x", "too large")

    async def absent(_: Path) -> bool:
        return False

    with pytest.raises(RecordUnreadable):
        await files.get("x", fail)
    assert await files.get("x", absent) is None
    files.close()


async def test_a_frame_that_is_larger_than_its_manifest_says_is_not_sent(s3_store: Store) -> None:
    await s3_store.put("frames/aa/x.png", b"12345", media_type="image/png")
    files = FileCache()
    with pytest.raises(RecordUnreadable):
        await stored_file(s3_store, files, "frames/aa/x.png", limit=4)
    files.close()
