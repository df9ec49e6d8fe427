"""Check that boards and runs are listed from keys and manifests, also from damaged ones."""

import logging
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from previs.boards.nightly import nightly_boards
from previs.boards.prune import prune
from previs.boards.retention import Rule
from previs.boards.runs import boards, find_run, load_manifest, name_of, only_board, run_locations
from previs.errors import NotInStore, RecordUnreadable
from previs.store import FolderStore, S3Store, Store, keys, s3_requests
from tests.conftest import FOLDER_AND_S3
from tests.previs.records.published import manifest, put_run, run_name, shot, take


@FOLDER_AND_S3
async def test_an_empty_store_has_no_board(store: Store) -> None:
    assert await boards(store) == []


@FOLDER_AND_S3
async def test_boards_and_their_runs_are_listed_with_counts_and_bytes(store: Store) -> None:
    twice = take(1, b"one")
    first = manifest(shot("A", twice, take(2)), number=1)
    second = manifest(
        shot("A", twice.model_copy(update={"outcome": "cached"}), take(2, b"two", b"three")),
        shot("B", take(1, outcome="skipped")),
        shot("C", twice),
        number=2,
    )
    for each in (first, second, manifest(board="a/b: 100% #1")):
        await put_run(store, each)
    empty, found = await boards(store)
    assert (empty.name, len(empty.runs), empty.runs[0].shots, empty.runs[0].size) == ("a/b: 100% #1", 1, 0, 0)
    assert (found.name, found.latest, [run.run for run in found.runs]) == (
        "夜景 1", run_name(2), [run_name(2), run_name(1)],
    )  # fmt: skip
    latest, before = found.runs
    assert (latest.shots, latest.rendered, latest.cached, latest.failed, latest.skipped) == (3, 2, 1, 0, 1)
    assert latest.size == len(b"one" + b"two" + b"three")
    assert latest.finished == datetime(2026, 10, 31, 17, 40, 2, tzinfo=UTC)
    assert (before.rendered, before.failed) == (1, 1)
    assert latest.manifest == keys.run_key("夜景 1", run_name(2), "manifest.json")


async def test_the_latest_run_is_the_one_that_started_last(store: Store) -> None:
    for number in (1, 3, 2):
        await put_run(store, manifest(number=number))
    (found,) = await boards(store)
    assert found.latest == run_name(3)
    assert (await load_manifest(store, "夜景 1"))[0].run == run_name(3)
    assert (await load_manifest(store, "夜景 1", "latest"))[0].run == run_name(3)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"board": 3, "run": []}', b'{"board": "b", "run": "gone"}'])
async def test_without_a_usable_note_of_it_the_latest_run_is_the_last_by_name(store: Store, content: bytes) -> None:
    for number in (1, 3, 2):
        await put_run(store, manifest(number=number, board="b"))
    await store.put(keys.latest_key("b"), content, media_type="application/json")
    assert (await load_manifest(store, "b"))[0].run == run_name(3)
    (found,) = await boards(store)
    assert (found.name, found.latest) == ("b", run_name(3))


async def test_a_run_is_found_by_its_name(store: Store) -> None:
    for number in (1, 2):
        await put_run(store, manifest(number=number))
    found, key = await load_manifest(store, "夜景 1", run_name(1))
    assert found == manifest(number=1)
    assert key == keys.run_key("夜景 1", run_name(1), "manifest.json")


async def test_a_board_is_also_found_by_its_part_of_keys(store: Store) -> None:
    await put_run(store, manifest(board="a/b"))
    folder = keys.part("a/b")
    assert folder != "a/b"
    assert (await find_run(store, folder)).board == folder
    assert await name_of(store, folder) == await name_of(store, "a/b") == "a/b"


async def test_an_unknown_board_is_refused_with_the_known_ones_the_closest_first(store: Store) -> None:
    for name in ("Harbour", "a/b", "Night City"):
        await put_run(store, manifest(board=name))
    with pytest.raises(NotInStore) as caught:
        await load_manifest(store, "night city 2")
    assert str(caught.value) == f"{store.name} has no board 'night city 2': there are 'Night City', 'Harbour', 'a/b'"


async def test_an_unknown_run_is_refused_with_the_known_ones(store: Store) -> None:
    await put_run(store, manifest(board="b"))
    with pytest.raises(NotInStore) as caught:
        await load_manifest(store, "b", "20261031")
    assert str(caught.value) == f"{store.name} has no run '20261031' of board 'b': there is '{run_name(1)}'"


async def test_few_of_many_names_are_listed(folder_store: Store) -> None:
    for number in range(9):
        await put_run(folder_store, manifest(board=f"board {number}"))
    with pytest.raises(NotInStore, match=r"there are 'board 7', .* and 4 more$"):
        await load_manifest(folder_store, "Board 7x")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b'{"schema": "previs.manifest/9"}', "not a manifest"),
        (b"\xff", "Invalid JSON"),
    ],
)
async def test_a_damaged_manifest_is_listed_with_its_reason_and_affects_no_other(
    store: Store, content: bytes, reason: str
) -> None:
    for number in (1, 2):
        await put_run(store, manifest(number=number))
    await store.put(keys.run_key("夜景 1", run_name(2), "manifest.json"), content, media_type="application/json")
    (found,) = await boards(store)
    assert [(run.run, run.finished is None) for run in found.runs] == [(run_name(2), True), (run_name(1), False)]
    assert reason in (found.runs[0].fault or "")
    assert (found.name, found.latest) == ("夜景 1", run_name(2))
    with pytest.raises(RecordUnreadable, match=reason):
        await load_manifest(store, "夜景 1")
    assert (await load_manifest(store, "夜景 1", run_name(1)))[0].run == run_name(1)


async def test_a_copied_run_is_named_by_its_key(store: Store) -> None:
    content = manifest(board="b").model_dump_json(by_alias=True).encode()
    await store.put("boards/copy/again/manifest.json", content, media_type="application/json")
    (found,) = await boards(store)
    assert (found.name, found.latest) == ("copy", "again")
    assert (await find_run(store, "copy", "again")).manifest == "boards/copy/again/manifest.json"


async def test_the_pick_of_a_shot_named_manifest_is_no_run() -> None:
    listed = [keys.pick_key("b", "manifest"), keys.run_key("b", "r", "manifest.json"), keys.run_key("b", "r", "x.json")]
    assert [location.manifest for location in run_locations(listed)] == [keys.run_key("b", "r", "manifest.json")]


async def test_the_only_board_need_not_be_named(store: Store) -> None:
    with pytest.raises(NotInStore, match="nothing was published there yet"):
        await only_board(store)
    await put_run(store, manifest(board="a/b"))
    assert await only_board(store) == "a/b"
    await put_run(store, manifest(board="c"))
    with pytest.raises(NotInStore, match="say which with --board: there are 'a/b', 'c'"):
        await only_board(store)


async def test_one_board_can_be_listed_alone(store: Store) -> None:
    for name in ("b", "c"):
        await put_run(store, manifest(board=name))
    assert [each.name for each in await boards(store, "c")] == ["c"]
    with pytest.raises(NotInStore):
        await boards(store, "d")


UNUSABLE = ["nightly/a\\b.json", "boards/x\\y/r/manifest.json", "boards/b/picks/\x1b[2J.json"]


def write(folder: str, *names: str) -> None:
    for name in names:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")


async def put_raw(store: Store, *names: str) -> None:
    """Write files as whoever may write to the store can, whatever their names."""
    if isinstance(store, S3Store):
        prefix = keys.below(store.settings.prefix)
        for name in (*names, "boards//r/manifest.json", "boards/../r/manifest.json"):
            where = {"Bucket": store.settings.bucket, "Key": prefix + name, "Body": b"{}"}
            await store._connection.run(partial(s3_requests.put_new, wanted=where))
    elif isinstance(store, FolderStore):
        write(store.name, *names, "boards/c:/r/manifest.json")


@FOLDER_AND_S3
async def test_names_that_no_store_can_use_stop_nobody_and_are_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await put_run(store, manifest(board="b"))
    await put_raw(store, *UNUSABLE)
    with caplog.at_level(logging.WARNING, logger="previs.store"):
        assert [found.name for found in await boards(store)] == ["b"]
    assert "name" in caplog.text
    assert "\x1b" not in caplog.text
    assert await nightly_boards(store) == {}
    assert (await prune(store, Rule(keep=1))).obstacles == ()
