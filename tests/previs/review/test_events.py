"""No event is lost or overwritten, whoever writes at the same time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from previs.errors import ReviewRefused
from previs.records.reviews import ReviewEvent
from previs.review import events as module
from previs.review.events import ReviewEvents
from previs.store import FolderStore, Store, keys
from tests.conftest import FOLDER_AND_S3


def said(text: str, shot: str = "镜头 1") -> ReviewEvent:
    return ReviewEvent(shot_id=shot, number=1, kind="comment", at=datetime.now(UTC), by="Anna", run="r", text=text)


@FOLDER_AND_S3
async def test_all_events_of_writers_at_the_same_time_are_kept_in_one_order(store: Store) -> None:
    writers = [ReviewEvents(store) for _ in range(3)]
    written = await asyncio.gather(
        *(
            each.append("夜", "镜头 1", lambda _, number=number: said(str(number)))
            for number in range(9)
            for each in [writers[number % 3]]
        )
    )
    assert sorted(event.number for event in written) == list(range(1, 10))
    orders = [[event.text for event in (await each.of_board("夜"))["镜头 1"]] for each in writers]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(map(str, range(9)))


async def test_an_event_sees_those_before_it_also_if_another_came_in_between(store: Store) -> None:
    mine, other = ReviewEvents(store), ReviewEvents(store)
    seen: list[int] = []

    def make(before: Sequence[ReviewEvent]) -> ReviewEvent:
        seen.append(len(before))
        if len(seen) == 1:
            path = FolderStore(store.name)
            other_event = said("first").model_copy(update={"number": 1, "nonce": "x"})
            path._create(keys.review_key("b", "镜头 1", 1), other_event.model_dump_json(by_alias=True).encode())  # type: ignore[arg-type]
        return said("second")

    event = await mine.append("b", "镜头 1", make)
    assert (event.number, seen) == (2, [0, 1])
    assert [each.text for each in (await other.of_board("b"))["镜头 1"]] == ["first", "second"]


async def test_records_that_are_damaged_of_a_later_version_or_of_another_shot_are_left_out(store: Store) -> None:
    kept = ReviewEvents(store)
    await kept.append("b", "1", lambda _: said("kept", "1"))
    content = await store.get(keys.review_key("b", "1", 1))
    assert content
    for key, damaged in {
        keys.review_key("b", "1", 2): b"{",
        keys.review_key("b", "1", 3): content.replace(b"review/1", b"review/2"),
        keys.review_key("b", "2", 1): content,
        keys.reviews_prefix("b", "1") + "notes.txt": content,
    }.items():
        await store.put(key, damaged, media_type="application/json")
    for reader in (kept, ReviewEvents(store)):
        assert {shot: [event.text for event in found] for shot, found in (await reader.of_board("b")).items()} == {
            "1": ["kept"]
        }
    # Its number stays taken.
    assert (await kept.append("b", "1", lambda _: said("next", "1"))).number == 4


async def test_a_shot_has_so_many_events_at_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_SHOT", 2)
    written = ReviewEvents(store)
    for _ in range(2):
        await written.append("b", "1", lambda _: said("again", "1"))
    with pytest.raises(ReviewRefused, match="shot 1 has 2 comments and decisions, the most kept"):
        await written.append("b", "1", lambda _: said("one more", "1"))


async def test_the_first_key_of_a_record_is_its_schema(store: Store) -> None:
    await ReviewEvents(store).append("b", "1", lambda _: said("x", "1"))
    assert (await store.get(keys.review_key("b", "1", 1)) or b"").startswith(b'{\n "schema": "previs.review/1"')
