"""A take counts as made only if its record and all its frames are there; anything else is a miss with a sentence."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from previs.planning.cache import Found, usable
from previs.records.takes import Frame, TakeRecord
from previs.rendering.cache_lookup import recorded_takes
from previs.store import FolderStore, Store, StoredFile, keys
from tests.previs.planning.test_explain import planned

MARK, OTHER = "a" * 64, "b" * 64
CONTENT = "帧".encode() * 100


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


def frame(content: bytes = CONTENT, **changes: Any) -> Frame:
    mark = hashlib.sha256(content).hexdigest()
    known = {"key": keys.frame_key(mark, ".png"), "sha256": mark, "size": len(content), "media_type": "image/png"}
    return Frame(**(known | changes))


def record(mark: str = MARK, *frames: Frame, **changes: Any) -> TakeRecord:
    known = {
        "fingerprint": mark,
        "seed": 7,
        "prompt_id": "00000000-0000-5000-8000-000000000000",
        "server": "http://render-01:8188",
        "seconds": 1.5,
        "finished": datetime(2026, 10, 31, tzinfo=UTC),
        "frames": frames,
    }
    return TakeRecord(**(known | changes))


async def keep(store: Store, made: TakeRecord, *contents: bytes, at: str = "") -> None:
    for content in contents:
        await store.put(frame(content).key, content, media_type="image/png")
    written = made.model_dump_json(by_alias=True).encode()
    await store.put(keys.take_key(at or made.fingerprint), written, media_type="application/json")


async def found(store: Store, *marks: str) -> tuple[dict[str, TakeRecord], list[str]]:
    said: list[str] = []
    looked = await recorded_takes(store, marks or (MARK,), warn=said.append)
    return {mark: one.usable for mark, one in looked.items() if one.usable}, said


async def test_a_take_with_its_record_and_all_its_frames_is_found_as_it_was_kept(store: Store) -> None:
    made = record(MARK, frame(b"one"), frame(b"two"))
    await keep(store, made, b"one", b"two")
    assert await found(store, OTHER, MARK, MARK) == ({MARK: made}, [])


async def test_in_an_empty_store_there_is_nothing_and_nothing_to_say(store: Store) -> None:
    assert await found(store, MARK, OTHER) == ({}, [])
    assert await found(store) == ({}, [])


async def test_a_missing_frame_is_a_miss(store: Store) -> None:
    await keep(store, record(MARK, frame(b"one"), frame(b"two")), b"one")
    takes, [sentence] = await found(store)
    assert takes == {}
    assert sentence == f"{frame(b'two').key} is missing or has another size: the take is rendered again"


async def test_a_frame_of_another_size_is_a_miss(store: Store) -> None:
    await keep(store, record(MARK, frame()), CONTENT)
    await store.put(frame().key, CONTENT[:-1], media_type="image/png")
    takes, [sentence] = await found(store)
    assert takes == {}
    assert sentence.startswith(f"{frame().key} is missing or has another size")


DAMAGED = [
    b"",
    b"\x89PNG\r\n\x1a\n\x00",
    b"null",
    b"[]",
    b"{}",
    b'{"schema": "previs.take/1", "fingerprint": "',
    b"[" * 100_000,
    b"9" * 10_000,
    "记录".encode("gb18030"),
]


async def test_a_damaged_record_is_a_miss(store: Store) -> None:
    marks = [f"{number:064x}" for number in range(len(DAMAGED))]
    for mark, content in zip(marks, DAMAGED, strict=True):
        await store.put(keys.take_key(mark), content, media_type="application/json")
    sentences = [f"{keys.take_key(mark)} is damaged: the take is rendered again" for mark in marks]
    takes, said = await found(store, *marks)
    assert (takes, sorted(said)) == ({}, sentences)


async def test_a_record_of_another_schema_is_a_miss(store: Store) -> None:
    written = record(MARK, frame()).model_dump_json(by_alias=True).replace("previs.take/1", "previs.take/9")
    await store.put(frame().key, CONTENT, media_type="image/png")
    await store.put(keys.take_key(MARK), written.encode(), media_type="application/json")
    takes, [sentence] = await found(store)
    assert (takes, keys.take_key(MARK) in sentence) == ({}, True)


async def test_a_record_of_another_take_is_a_miss(store: Store) -> None:
    await keep(store, record(OTHER, frame()), CONTENT, at=MARK)
    sentence = f"{keys.take_key(MARK)} is the record of another take: the take is rendered again"
    assert await found(store) == ({}, [sentence])


async def test_a_record_of_no_frames_is_a_miss(store: Store) -> None:
    await keep(store, record(MARK))
    takes, [sentence] = await found(store)
    assert (takes, keys.take_key(MARK) in sentence) == ({}, True)


async def test_a_record_that_leads_elsewhere_is_a_miss(store: Store) -> None:
    places = ["../../etc/passwd", keys.take_key(MARK), "", "frames/\x00"]
    marks = [f"{number:064x}" for number in range(len(places))]
    for mark, place in zip(marks, places, strict=True):
        await keep(store, record(mark, frame(key=place)))
    takes, said = await found(store, *marks)
    assert takes == {}
    assert len([sentence for sentence in said if "is missing" in sentence]) == len(places)


async def test_one_bad_record_costs_no_other(store: Store) -> None:
    marks = [f"{number:064x}" for number in range(20)]
    await store.put(frame().key, CONTENT, media_type="image/png")
    for mark in marks[1:]:
        await keep(store, record(mark, frame()))
    await store.put(keys.take_key(marks[0]), b"half of", media_type="application/json")
    takes, said = await found(store, *marks)
    assert sorted(takes) == marks[1:]
    assert len(said) == 1


@pytest.mark.parametrize(
    ("wanted_by", "will_do"),
    [("", {"": True, "run 0": True, "run 1": True}), ("run 1", {"": False, "run 0": False, "run 1": True})],
)
def test_what_is_rendered_again_needs_no_render_once_its_own_run_has_made_it(
    wanted_by: str, will_do: dict[str, bool]
) -> None:
    [take] = planned({"shot_id": "A", "prompt": "雨", "duration": 1})
    for rendered_for, needs_none in will_do.items():
        made = record(take.fingerprint, frame(), render_nonce=rendered_for)
        there = {take.fingerprint: Found(made)}
        assert usable(replace(take, render_nonce=wanted_by), there) == (made if needs_none else None)


class CountingStore(FolderStore):
    """A folder that counts what is asked of it."""

    asked: list[str]

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        self.asked.append(prefix)
        return await super().entries(prefix)

    async def get(self, key: str) -> bytes | None:
        self.asked.append(key)
        return await super().get(key)


async def test_any_number_of_takes_costs_two_listings_and_a_read_for_each_that_is_there(
    folder_store: FolderStore,
) -> None:
    counting = CountingStore(folder_store._root)
    counting.asked = []
    assert await recorded_takes(counting, (f"{number:064x}" for number in range(500))) == {}
    assert counting.asked == [keys.TAKES]
    for mark in (MARK, OTHER):
        await keep(counting, record(mark, frame()), CONTENT)
    counting.asked = []
    assert len(await recorded_takes(counting, [MARK, OTHER, MARK, "c" * 64])) == 2
    assert sorted(counting.asked) == sorted([keys.TAKES, keys.FRAMES, keys.take_key(MARK), keys.take_key(OTHER)])
