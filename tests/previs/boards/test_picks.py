"""Check that picks are kept with their board, and that only a take with a frame can be picked."""

import json
from datetime import UTC, datetime

import pytest

from previs.boards.picks import pick, picks, unpick
from previs.errors import NotInStore
from previs.records.manifest import TakeEntry
from previs.records.takes import Pick
from previs.store import Store, keys
from tests.conftest import FOLDER_AND_S3
from tests.previs.records.published import manifest, put_run, run_name, shot, take

BOARD = "夜景/1"
FIRST, SECOND = take(1, b"one"), take(2, b"two")


@pytest.fixture
async def store(empty: Store) -> Store:
    """Return a store of a board with two runs: shot 10 has three takes, one of which failed, and shot 镜头 one."""
    await put_run(empty, manifest(shot(10, FIRST, SECOND), shot("gone", FIRST), board=BOARD, number=1))
    await put_run(empty, manifest(shot(10, FIRST, take(3)), shot("镜头", SECOND), board=BOARD, number=2))
    return empty


async def test_a_picked_take_is_found_under_its_shot(store: Store) -> None:
    before = datetime.now(UTC)
    chosen = await pick(store, BOARD, "10", 1)
    assert (chosen.shot_id, chosen.take, chosen.fingerprint) == ("10", 1, FIRST.fingerprint)
    assert before <= chosen.picked <= datetime.now(UTC)
    other = await pick(store, BOARD, "镜头", 2)
    assert await picks(store, BOARD) == {"10": chosen, "镜头": other}


async def test_a_pick_is_written_with_its_schema_under_its_key(store: Store) -> None:
    await pick(store, BOARD, "镜头", 2)
    content = await store.get(keys.pick_key(BOARD, "镜头"))
    assert content is not None
    assert json.loads(content) | {"picked": ""} == {
        "schema": "previs.pick/1", "shot_id": "镜头", "take": 2, "fingerprint": SECOND.fingerprint, "picked": "",
    }  # fmt: skip


async def test_another_pick_replaces_the_first(store: Store) -> None:
    await pick(store, BOARD, "10", 1)
    chosen = await pick(store, BOARD, "10", 2)
    assert await picks(store, BOARD) == {"10": chosen}


@pytest.mark.parametrize(("name", "wanted"), [("10", SECOND), ("gone", FIRST)])
async def test_a_take_that_only_an_earlier_run_has_can_be_picked(store: Store, name: str, wanted: TakeEntry) -> None:
    assert (await pick(store, BOARD, name, wanted.take)).fingerprint == wanted.fingerprint


async def test_an_earlier_run_that_cannot_be_read_is_passed_over(store: Store) -> None:
    await put_run(store, manifest(board=BOARD, number=0))
    await put_run(store, manifest(shot(10, FIRST, take(3)), board=BOARD, number=2))
    await store.put(keys.run_key(BOARD, run_name(0), "manifest.json"), b"{", media_type="application/json")
    assert (await pick(store, BOARD, "10", 2)).take == 2
    with pytest.raises(NotInStore):
        await pick(store, BOARD, "10", 4)


@pytest.mark.parametrize(
    ("board", "name", "number", "sentence"),
    [
        ("夜景", "10", 1, "has no board '夜景': there is '夜景/1'"),
        (BOARD, "11", 1, "has no shot '11' in board '夜景/1': there are '10', '镜头'"),
        (BOARD, "10", 4, "has no take 4 of shot '10' in board '夜景/1': there are: 1"),
        (BOARD, "10", 3, "has no frame of take 3 of shot '10' in board '夜景/1': takes with frames: 1"),
    ],
)
async def test_an_absent_take_is_refused_with_the_existing_ones(
    store: Store, board: str, name: str, number: int, sentence: str
) -> None:
    with pytest.raises(NotInStore) as caught:
        await pick(store, board, name, number)
    assert str(caught.value) == f"{store.name} {sentence}"
    assert await picks(store, BOARD) == {}


@FOLDER_AND_S3
async def test_a_withdrawn_pick_is_gone(store: Store) -> None:
    chosen = await pick(store, BOARD, "10", 1)
    kept = await pick(store, BOARD, "镜头", 2)
    assert await unpick(store, BOARD, "10") == chosen
    assert await picks(store, BOARD) == {"镜头": kept}
    with pytest.raises(NotInStore, match="has no picked take of shot '10' in board '夜景/1': there is '镜头'"):
        await unpick(store, BOARD, "10")


async def test_a_board_named_as_in_keys_is_the_same_board(store: Store) -> None:
    chosen = await pick(store, keys.part(BOARD), "10", 1)
    assert await picks(store, BOARD) == {"10": chosen}
    assert await unpick(store, keys.part(BOARD), "10") == chosen
    assert await picks(store, BOARD) == {}


async def test_names_that_differ_only_in_normalisation_are_one_shot(folder_store: Store) -> None:
    await put_run(folder_store, manifest(shot("é", FIRST), board="b"))
    await pick(folder_store, "b", "e\u0301", 1)
    assert list(await picks(folder_store, "b")) == ["é"]
    assert (await unpick(folder_store, "b", "e\u0301")).take == 1


async def test_a_board_without_picks_and_an_absent_board_have_no_picks(store: Store) -> None:
    assert await picks(store, BOARD) == await picks(store, "nowhere") == {}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"schema": "previs.pick/2", "shot_id": "10", "take": 1, "fingerprint": "f", "picked": "2026-10-31"}',
        Pick(shot_id="11", take=1, fingerprint="f", picked=datetime(2026, 10, 31, tzinfo=UTC))
        .model_dump_json(by_alias=True)
        .encode(),
    ],
    ids=["empty", "list", "later", "another shot's"],
)
async def test_a_damaged_pick_is_ignored_with_a_sentence(store: Store, content: bytes) -> None:
    kept = await pick(store, BOARD, "镜头", 2)
    await store.put(keys.pick_key(BOARD, "10"), content, media_type="application/json")
    warnings: list[str] = []
    assert await picks(store, BOARD, warn=warnings.append) == {"镜头": kept}
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{keys.pick_key(BOARD, '10')} cannot be used: ")
    assert warnings[0].endswith(": pick the take again")
