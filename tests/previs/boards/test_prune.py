"""Check that a prune removes what no kept run refers to, stops at obstacles, and never breaks what is visible."""

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from previs.boards.nightly import NightlyBoard, add_nightly
from previs.boards.picks import pick
from previs.boards.prune import prune
from previs.boards.retention import Rule
from previs.boards.runs import boards, load_manifest
from previs.errors import StoreUnavailable
from previs.records.manifest import Manifest
from previs.rendering.cache_lookup import recorded_takes
from previs.store import FolderStore, Store, keys
from tests.conftest import FOLDER_AND_S3
from tests.previs.records.published import (
    contents,
    frame,
    manifest,
    picture,
    put_beat,
    put_files,
    put_record,
    put_run,
    record,
    run_name,
    shot,
    take,
)

CONTENTS = tuple(f"content {number}".encode() for number in range(9))
SAME = take(1, CONTENTS[0], inputs=(picture(CONTENTS[7]),))
FIRST = manifest(shot("A", SAME), shot("B", take(1, CONTENTS[1], inputs=(picture(CONTENTS[8]),))), number=1)
SECOND = manifest(shot("A", SAME), shot("B", take(1, CONTENTS[2])), number=2)
THIRD = manifest(shot("A", SAME), shot("B", take(1, CONTENTS[3]), take(2)), number=3)
REFERENCE = "references/face.png"
KEEP_ONE = Rule(keep=1)


def later(days: float = 30) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


async def fill(store: Store) -> Store:
    """Put three runs of a board, a user's reference, a lease and a shot list in a store."""
    for run in (FIRST, SECOND, THIRD):
        await put_run(store, run, CONTENTS)
    claim = keys.lease_key(SAME.fingerprint, 0)
    await put_files(store, {REFERENCE: b"mine", claim: b"{}", keys.shot_list_key("a" * 64): b"[]"})
    await put_beat(store, "over", over=True)
    return store


@pytest.fixture
async def store(empty: Store) -> Store:
    return await fill(empty)


def take_keys(made: Manifest) -> set[str]:
    return {keys.take_key(each.fingerprint) for entry in made.shots for each in entry.takes if each.frames}


def file_keys(made: Manifest) -> set[str]:
    return {one.key for entry in made.shots for each in entry.takes for one in (*each.frames, *each.inputs)}


def run_keys(made: Manifest) -> set[str]:
    return {keys.run_key(made.board, made.run, name) for name in ("manifest.json", "index.html")}


def all_keys(made: Manifest) -> set[str]:
    return take_keys(made) | file_keys(made) | run_keys(made)


async def hits(store: Store, made: Manifest) -> set[str]:
    """Return the fingerprints of a run that need no render."""
    marks = [each.fingerprint for entry in made.shots for each in entry.takes if each.frames]
    return {mark for mark, found in (await recorded_takes(store, marks)).items() if found.usable}


async def test_a_dry_run_reports_what_would_be_removed_and_changes_nothing(store: Store) -> None:
    before = await contents(store)
    found = await prune(store, KEEP_ONE, now=later())
    assert (found.done, found.obstacles, found.kept, found.removal.runs) == (False, (), 1, 2)
    assert await contents(store) == before
    assert set(found.removal.frames) == {frame(CONTENTS[1]).key, frame(CONTENTS[2]).key}
    assert set(found.removal.inputs) == {picture(CONTENTS[8]).key}
    assert set(found.removal.records) == take_keys(FIRST) ^ take_keys(SECOND)
    assert set(found.removal.claims) == {keys.lease_key(SAME.fingerprint, 0), keys.heartbeat_key("over")}
    assert set(found.removal.lists) == {keys.shot_list_key("a" * 64)}
    gone = {key for stage in found.removal.stages for key in stage}
    assert found.removal.size == sum(len(before[key]) for key in gone)


@FOLDER_AND_S3
async def test_files_that_no_kept_run_refers_to_are_removed_and_no_others(store: Store) -> None:
    before = await contents(store)
    found = await prune(store, KEEP_ONE, really=True, now=later())
    assert found.done
    after = await contents(store)
    assert set(after) == all_keys(THIRD) | {keys.latest_key(THIRD.board), REFERENCE}
    assert after == {key: before[key] for key in after}
    assert await hits(store, THIRD) == {
        each.fingerprint for entry in THIRD.shots for each in entry.takes if each.frames
    }
    again = await prune(store, KEEP_ONE, really=True, now=later())
    assert (again.done, again.removal.runs, any(again.removal.stages)) == (True, 0, False)


async def test_abandoned_unfinished_files_are_removed_and_young_ones_stay(folder_store: FolderStore) -> None:
    await fill(folder_store)
    root, month = Path(folder_store.name), 30 * 24 * 3600
    old = [root / kind / ".0123456789abcdef.part" for kind in ("", "frames", "takes", "boards/night", "claims/x")]
    kept = [root / "frames" / ".fedcba9876543210.part", root / "references" / ".0123456789abcdef.part"]
    kept += [root / "frames" / ".mine.part", root / "frames" / "0123456789abcdef.part"]
    for path in (*old, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    for path in (*old, *kept[1:]):
        os.utime(path, times=(path.stat().st_atime - month, path.stat().st_mtime - month))
    found = await prune(folder_store, Rule())
    assert sum(found.removal.unfinished.values()) == 4 * len(old) == found.removal.size
    assert all(path.exists() for path in old)
    assert (await prune(folder_store, Rule(), really=True)).done
    assert not [path for path in old if path.exists()]
    assert all(path.exists() for path in kept)


@FOLDER_AND_S3
async def test_by_the_stores_own_clock_no_file_of_a_removed_run_is_too_young(store: Store) -> None:
    """Frames of a removed run are removed at once; leases and lists, which no run names, stay."""
    found = await prune(store, KEEP_ONE, really=True)
    assert found.done
    expected = all_keys(THIRD) | {keys.latest_key(THIRD.board), REFERENCE}
    spared = {keys.lease_key(SAME.fingerprint, 0), keys.heartbeat_key("over"), keys.shot_list_key("a" * 64)}
    assert set(await contents(store)) == expected | spared


async def test_by_default_all_runs_stay(store: Store) -> None:
    found = await prune(store, Rule(), really=True)
    assert (found.done, found.kept, any(found.removal.stages)) == (True, 3, False)


@FOLDER_AND_S3
async def test_an_empty_store_stays_empty(empty: Store) -> None:
    assert (await prune(empty, KEEP_ONE)).removal.runs == 0
    assert (await prune(empty, KEEP_ONE, really=True)).done
    assert await contents(empty) == {}


async def test_old_runs_are_removed_but_the_latest_stays(store: Store) -> None:
    found = await prune(store, Rule(newer_than=timedelta(days=1)), really=True, now=later(60))
    assert (found.kept, found.removal.runs) == (1, 2)
    assert [run.run for each in await boards(store) for run in each.runs] == [THIRD.run]


async def test_the_run_that_the_board_points_at_stays_with_all_it_shows(store: Store) -> None:
    """Earlier versions wrote the run that was published last."""
    latest = json.loads(await store.get(keys.latest_key(FIRST.board)) or b"")
    earlier = latest | {"run": FIRST.run, "manifest": keys.run_key(FIRST.board, FIRST.run, "manifest.json")}
    await store.put(keys.latest_key(FIRST.board), json.dumps(earlier).encode(), media_type="application/json")
    await prune(store, KEEP_ONE, really=True, now=later())
    assert set(await contents(store)) >= all_keys(FIRST) | all_keys(THIRD)
    assert (await load_manifest(store, FIRST.board))[0] == FIRST


async def test_a_picked_take_stays_with_its_record_and_its_frames(store: Store) -> None:
    both = manifest(shot("B", take(1, CONTENTS[1], inputs=(picture(CONTENTS[8]),)), take(2, CONTENTS[4])), number=0)
    await put_run(store, both, CONTENTS)
    await put_run(store, THIRD, CONTENTS)
    chosen = await pick(store, THIRD.board, "B", 2)
    await prune(store, KEEP_ONE, really=True, now=later())
    left = set(await contents(store))
    assert chosen.fingerprint == take(2, CONTENTS[4]).fingerprint
    assert {keys.take_key(take(2, CONTENTS[4]).fingerprint), frame(CONTENTS[4]).key} <= left
    assert frame(CONTENTS[1]).key not in left


async def test_nightly_boards_stay_and_so_do_the_files_that_they_are_made_from(store: Store) -> None:
    shots, graph = keys.shot_list_key("a" * 64), frame(CONTENTS[5]).key
    await put_files(store, {keys.shot_list_key("b" * 64): b"[]", graph: CONTENTS[5], frame(CONTENTS[6]).key: b""})
    inputs = {"shots": store.uri(shots), "workflow": store.uri(graph)}
    await add_nightly(store, NightlyBoard(board="b", added=datetime.now(UTC), **inputs))
    assert (await prune(store, KEEP_ONE, really=True, now=later())).done
    kept = {keys.nightly_key("b"), shots, graph}
    assert set(await contents(store)) == all_keys(THIRD) | {keys.latest_key(THIRD.board), REFERENCE} | kept


async def test_a_take_of_a_run_that_was_killed_stays_while_it_is_young(store: Store) -> None:
    orphan = take(1, CONTENTS[5])
    await put_record(store, record(orphan))
    await put_files(store, {frame(CONTENTS[5]).key: CONTENTS[5], frame(CONTENTS[6]).key: CONTENTS[6]})
    whole = manifest(shot("X", orphan))
    await prune(store, KEEP_ONE, really=True)
    assert await hits(store, whole) == {orphan.fingerprint}
    assert frame(CONTENTS[6]).key in await contents(store)
    await prune(store, KEEP_ONE, really=True, now=later(6))
    assert await hits(store, whole) == {orphan.fingerprint}
    await prune(store, KEEP_ONE, really=True, now=later(8))
    assert not {frame(CONTENTS[5]).key, frame(CONTENTS[6]).key} & set(await contents(store))


async def test_an_old_frame_of_a_young_record_stays(folder_store: FolderStore) -> None:
    orphan = take(1, CONTENTS[5])
    await put_files(folder_store, {frame(CONTENTS[5]).key: CONTENTS[5]})
    year_ago = (datetime.now(UTC) - timedelta(days=365)).timestamp()
    os.utime(folder_store.uri(frame(CONTENTS[5]).key), (year_ago, year_ago))
    await put_record(folder_store, record(orphan))
    await prune(folder_store, KEEP_ONE, really=True)
    assert await hits(folder_store, manifest(shot("X", orphan))) == {orphan.fingerprint}


async def test_a_kept_takes_record_that_was_replaced_keeps_its_new_frames_and_the_runs_old_ones(store: Store) -> None:
    """After a refresh the record names other frames than the board."""
    await put_files(store, {frame(CONTENTS[5]).key: CONTENTS[5]})
    await put_record(store, record(SAME, frames=(frame(CONTENTS[5]),)))
    await prune(store, KEEP_ONE, really=True, now=later())
    assert {frame(CONTENTS[5]).key, frame(CONTENTS[0]).key} <= set(await contents(store))


async def put_damaged(store: Store, key: str, content: bytes = b"{") -> None:
    await store.put(key, content, media_type="application/json")


@pytest.mark.parametrize(
    ("key", "content"),
    [
        (keys.run_key(FIRST.board, FIRST.run, "manifest.json"), b"{"),
        (keys.run_key(FIRST.board, FIRST.run, "manifest.json"), b'{"schema": "previs.manifest/3"}'),
        (keys.pick_key(FIRST.board, "A"), b"{"),
        (keys.nightly_key(FIRST.board), b"{"),
        (keys.take_key(SAME.fingerprint), b'{"schema": "previs.take/2"}'),
    ],
    ids=["damaged manifest", "later manifest", "damaged pick", "damaged nightly board", "later record"],
)
async def test_nothing_is_removed_while_a_record_cannot_be_read(store: Store, key: str, content: bytes) -> None:
    await store.put(key, content, media_type="application/json")
    before = await contents(store)
    for really in (False, True):
        found = await prune(store, KEEP_ONE, really=really, now=later())
        assert not found.done
        assert not any(found.removal.stages)
        (sentence,) = found.obstacles
        assert key in sentence.replace(os.sep, "/")
    assert await contents(store) == before


async def test_a_damaged_record_does_not_stop_a_prune(store: Store) -> None:
    await put_damaged(store, keys.take_key(SAME.fingerprint))
    await put_damaged(store, keys.take_key("b" * 64))
    assert (await prune(store, KEEP_ONE, really=True, now=later())).done
    left = set(await contents(store))
    assert keys.take_key(SAME.fingerprint) in left
    assert keys.take_key("b" * 64) not in left


@FOLDER_AND_S3
@pytest.mark.parametrize("really", [False, True])
async def test_nothing_is_removed_while_a_run_is_at_work(store: Store, really: bool) -> None:  # noqa: FBT001 - a case
    await put_beat(store, run_name(9), over=False)
    before = await contents(store)
    found = await prune(store, KEEP_ONE, really=really)
    assert not found.done
    assert len(found.obstacles) == 1
    assert found.obstacles[0].startswith(f"run '{run_name(9)}' was at work ")
    assert await contents(store) == before


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b'{"over": "yes"}', b'{"over": 1}'])
async def test_a_sign_of_life_that_cannot_be_read_counts_as_one(folder_store: FolderStore, content: bytes) -> None:
    await fill(folder_store)
    await put_damaged(folder_store, keys.heartbeat_key("r"), content)
    assert keys.heartbeat_key("r") in (await prune(folder_store, KEEP_ONE)).obstacles[0]


async def test_a_run_killed_some_time_ago_does_not_stop_a_prune(store: Store) -> None:
    await put_beat(store, run_name(9), over=False)
    assert (await prune(store, KEEP_ONE, now=later(days=1 / 24))).obstacles == ()
    assert (await prune(store, KEEP_ONE, really=True, now=later(days=1 / 24))).done


class _Interrupted(FolderStore):
    """Call a function in the middle of one of the deletions."""

    def __init__(self, folder: Path, at: int, what: Callable[[], None]) -> None:
        super().__init__(folder)
        self._left, self._what = at, what

    async def delete(self, names: Iterable[str]) -> None:
        gone = list(names)
        if gone and not gone[0].startswith("claims/prune"):
            self._left -= 1
            if self._left < 0:
                # Half of a batch is gone.
                await super().delete(gone[::2])
                self._what()
        await super().delete(gone)


def _trouble() -> None:
    raise StoreUnavailable("the store", "it is gone")


@pytest.mark.parametrize("at", range(5))
async def test_an_interrupted_prune_breaks_nothing_and_the_next_one_completes_it(
    folder_store: FolderStore, at: int
) -> None:
    await fill(folder_store)
    with pytest.raises(StoreUnavailable):
        await prune(_Interrupted(Path(folder_store.name), at, _trouble), KEEP_ONE, really=True, now=later())
    left = set(await contents(folder_store))
    for each in (FIRST, SECOND, THIRD):
        page, record_of_run = sorted(run_keys(each))
        assert page not in left or record_of_run in left
        assert record_of_run not in left or file_keys(each) <= left
        assert {keys.take_key(mark) for mark in await hits(folder_store, each)} == take_keys(each) & left
    for board in await boards(folder_store):
        assert board.latest == THIRD.run
        assert not [run.fault for run in board.runs if run.fault]
    assert (await prune(folder_store, KEEP_ONE, really=True, now=later())).done
    assert set(await contents(folder_store)) == all_keys(THIRD) | {keys.latest_key(THIRD.board), REFERENCE}


@pytest.mark.parametrize("at", range(4))
async def test_a_run_that_begins_meanwhile_stops_it(folder_store: FolderStore, at: int) -> None:
    await fill(folder_store)
    beat = Path(folder_store.uri(keys.heartbeat_key("new")))

    def begin() -> None:
        beat.write_bytes(b'{"schema": "previs.beat/1", "run": "new", "beat": 1, "over": true}')

    found = await prune(_Interrupted(Path(folder_store.name), at, begin), KEEP_ONE, really=True, now=later())
    assert (found.done, found.obstacles) == (False, ("a run began meanwhile: prune again when it is over",))
    left = set(await contents(folder_store))
    assert left >= {key for stage in found.removal.stages[at + 1 :] for key in stage}
    assert not left & {key for stage in found.removal.stages[: at + 1] for key in stage}


async def test_several_batches_are_removed_without_mistaking_them_for_a_new_run(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("previs.boards.prune._BATCH", 100)
    await asyncio.gather(*(put_beat(folder_store, f"run {number}", over=True) for number in range(110)))
    found = await prune(folder_store, KEEP_ONE, really=True, now=later())
    assert (found.done, len(found.removal.claims)) == (True, 110)
    assert await contents(folder_store) == {}
