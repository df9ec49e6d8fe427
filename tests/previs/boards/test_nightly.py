"""Check that the store keeps nightly boards, and that an unreadable entry affects no other."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from previs.boards.nightly import NightlyBoard, add_nightly, nightly_boards, remove_nightly
from previs.errors import NotInStore, RecordUnreadable
from previs.store import Store, keys
from tests.conftest import FOLDER_AND_S3
from tests.previs.records.published import contents

BOARD = "夜景/1"
ADDED = datetime(2026, 11, 24, 1, tzinfo=UTC)


def entry(board: str = BOARD, **fields: Any) -> NightlyBoard:
    return NightlyBoard(**({"board": board, "shots": "s3://film/镜头.csv", "added": ADDED} | fields))


@FOLDER_AND_S3
async def test_added_boards_are_found(store: Store) -> None:
    first = entry("a", workflow={"checkpoint": "模型", "steps": 4}, takes=3, overrides={"4.ckpt_name": "x"})
    second = entry(workflow="/films/graph.json")
    assert not await add_nightly(store, second)
    assert not await add_nightly(store, first)
    assert await nightly_boards(store) == {keys.nightly_key("a"): first, keys.nightly_key(BOARD): second}
    assert first.input_uris == ("s3://film/镜头.csv",)
    assert second.input_uris == ("s3://film/镜头.csv", "/films/graph.json")


async def test_a_nightly_board_is_written_with_its_schema_in_readable_text(store: Store) -> None:
    await add_nightly(store, entry())
    content = await store.get(keys.nightly_key(BOARD))
    assert content is not None
    assert "镜头" in content.decode()
    assert json.loads(content) == {
        "schema": "previs.nightly/1", "board": BOARD, "shots": "s3://film/镜头.csv", "workflow": None, "takes": 1,
        "overrides": {}, "added": "2026-11-24T01:00:00Z",
        "render_seconds": None,
    }  # fmt: skip


async def test_a_board_that_is_added_again_is_changed(store: Store) -> None:
    await add_nightly(store, entry())
    assert await add_nightly(store, entry(takes=2))
    assert await nightly_boards(store) == {keys.nightly_key(BOARD): entry(takes=2)}


async def test_a_store_without_nightly_boards_has_none(store: Store) -> None:
    assert await nightly_boards(store) == {}


@FOLDER_AND_S3
@pytest.mark.parametrize("name", [BOARD, keys.part(BOARD)])
async def test_a_board_is_removed_by_name_or_part_of_keys_and_no_other_is(store: Store, name: str) -> None:
    await add_nightly(store, entry("a"))
    before = await contents(store)
    await add_nightly(store, entry())
    await remove_nightly(store, name)
    assert await contents(store) == before


async def test_an_unknown_nightly_board_is_refused_with_the_known_ones(store: Store) -> None:
    for name in ("harbour", "night city"):
        await add_nightly(store, entry(name))
    with pytest.raises(NotInStore) as caught:
        await remove_nightly(store, "night-city")
    assert str(caught.value) == f"{store.name} has no nightly board 'night-city': there are 'night city', 'harbour'"
    await remove_nightly(store, "harbour")
    await remove_nightly(store, "night city")
    with pytest.raises(NotInStore, match="has no nightly board 'harbour': there is none"):
        await remove_nightly(store, "harbour")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"schema": "previs.nightly/2", "board": "b", "shots": "s", "added": "2026-11-24T01:00:00Z"}',
        b'{"schema": "previs.nightly/1", "board": "b", "shots": "s", "takes": 0, "added": "2026-11-24T01:00:00Z"}',
        b'{"schema": "previs.nightly/1", "board": "b", "shots": "", "added": "2026-11-24T01:00:00Z"}',
        b'{"schema": "previs.nightly/1", "board": "c", "shots": "s", "added": "2026-11-24T01:00:00Z"}',
    ],
    ids=["empty", "list", "later", "no takes", "no list", "another board's"],
)
async def test_an_unreadable_entry_is_reported_affects_no_other_and_can_be_removed(
    store: Store, content: bytes
) -> None:
    await add_nightly(store, entry())
    await store.put(keys.nightly_key("b"), content, media_type="application/json")
    found = await nightly_boards(store)
    assert found[keys.nightly_key(BOARD)] == entry()
    fault = found[keys.nightly_key("b")]
    assert isinstance(fault, RecordUnreadable)
    assert str(fault).startswith("nightly/b.json cannot be used: ")
    assert "remove" in str(fault)
    await remove_nightly(store, "b")
    assert await nightly_boards(store) == {keys.nightly_key(BOARD): entry()}


async def test_other_files_are_no_boards(store: Store) -> None:
    for key in ("nightly/notes.txt", "nightly/old/a.json"):
        await store.put(key, b"{}", media_type="text/plain")
    assert await nightly_boards(store) == {}
