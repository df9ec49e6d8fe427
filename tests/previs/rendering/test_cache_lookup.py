"""Check that a take is found only with its record and all its frames; anything else is a miss with a warning."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from previs.planning.cache import Found, usable
from previs.records.takes import Frame, TakeRecord
from previs.rendering.cache_lookup import recorded_takes
from previs.store import FolderStore, Store, StoredFile, keys
from previs.store.bounds import RECORD_BYTES
from tests.conftest import FOLDER_AND_S3
from tests.previs.planning.test_explain import planned

FINGERPRINT, OTHER = "a" * 64, "b" * 64
CONTENT = "帧".encode() * 100


def frame(content: bytes = CONTENT, **changes: Any) -> Frame:
    sha256 = hashlib.sha256(content).hexdigest()
    known = {"key": keys.frame_key(sha256, ".png"), "sha256": sha256, "size": len(content), "media_type": "image/png"}
    return Frame(**(known | changes))


def record(fingerprint: str = FINGERPRINT, *frames: Frame, **changes: Any) -> TakeRecord:
    known = {
        "fingerprint": fingerprint,
        "seed": 7,
        "prompt_id": "00000000-0000-5000-8000-000000000000",
        "server": "http://render-01:8188",
        "seconds": 1.5,
        "finished": datetime(2026, 10, 31, tzinfo=UTC),
        "frames": frames,
    }
    return TakeRecord(**(known | changes))


async def write(store: Store, made: TakeRecord, *contents: bytes, at: str = "") -> None:
    for content in contents:
        await store.put(frame(content).key, content, media_type="image/png")
    written = made.model_dump_json(by_alias=True).encode()
    await store.put(keys.take_key(at or made.fingerprint), written, media_type="application/json")


async def look_up(store: Store, *fingerprints: str) -> tuple[dict[str, TakeRecord], list[str]]:
    warnings: list[str] = []
    found = await recorded_takes(store, fingerprints or (FINGERPRINT,), warn=warnings.append)
    return {fingerprint: one.usable for fingerprint, one in found.items() if one.usable}, warnings


@FOLDER_AND_S3
async def test_a_take_with_its_record_and_all_frames_is_found(store: Store) -> None:
    made = record(FINGERPRINT, frame(b"one"), frame(b"two"))
    await write(store, made, b"one", b"two")
    assert await look_up(store, OTHER, FINGERPRINT, FINGERPRINT) == ({FINGERPRINT: made}, [])


async def test_an_empty_store_has_no_take_and_causes_no_warning(folder_store: FolderStore) -> None:
    assert await look_up(folder_store, FINGERPRINT, OTHER) == ({}, [])
    assert await look_up(folder_store) == ({}, [])


async def test_a_missing_frame_is_a_miss(store: Store) -> None:
    await write(store, record(FINGERPRINT, frame(b"one"), frame(b"two")), b"one")
    takes, [sentence] = await look_up(store)
    assert takes == {}
    assert sentence == f"{frame(b'two').key} is missing or has another size: the take is rendered again"


async def test_a_frame_of_another_size_is_a_miss(folder_store: FolderStore) -> None:
    await write(folder_store, record(FINGERPRINT, frame()), CONTENT)
    await folder_store.put(frame().key, CONTENT[:-1], media_type="image/png")
    takes, [sentence] = await look_up(folder_store)
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


async def test_a_damaged_record_is_a_miss(folder_store: FolderStore) -> None:
    fingerprints = [f"{number:064x}" for number in range(len(DAMAGED))]
    for fingerprint, content in zip(fingerprints, DAMAGED, strict=True):
        await folder_store.put(keys.take_key(fingerprint), content, media_type="application/json")
    sentences = [f"{keys.take_key(fingerprint)} is damaged: the take is rendered again" for fingerprint in fingerprints]
    takes, warnings = await look_up(folder_store, *fingerprints)
    assert (takes, sorted(warnings)) == ({}, sentences)


async def test_a_record_of_another_schema_is_a_miss(folder_store: FolderStore) -> None:
    written = record(FINGERPRINT, frame()).model_dump_json(by_alias=True).replace("previs.take/1", "previs.take/9")
    await folder_store.put(frame().key, CONTENT, media_type="image/png")
    await folder_store.put(keys.take_key(FINGERPRINT), written.encode(), media_type="application/json")
    takes, [sentence] = await look_up(folder_store)
    assert (takes, keys.take_key(FINGERPRINT) in sentence) == ({}, True)


async def test_a_record_of_another_take_is_a_miss(folder_store: FolderStore) -> None:
    await write(folder_store, record(OTHER, frame()), CONTENT, at=FINGERPRINT)
    sentence = f"{keys.take_key(FINGERPRINT)} is the record of another take: the take is rendered again"
    assert await look_up(folder_store) == ({}, [sentence])


async def test_a_record_without_frames_is_a_miss(folder_store: FolderStore) -> None:
    await write(folder_store, record(FINGERPRINT))
    takes, [sentence] = await look_up(folder_store)
    assert (takes, keys.take_key(FINGERPRINT) in sentence) == ({}, True)


async def test_a_record_with_other_keys_than_frames_is_a_miss(folder_store: FolderStore) -> None:
    others = ["../../etc/passwd", keys.take_key(FINGERPRINT), "", "frames/\x00"]
    fingerprints = [f"{number:064x}" for number in range(len(others))]
    for fingerprint, key in zip(fingerprints, others, strict=True):
        await write(folder_store, record(fingerprint, frame(key=key)))
    takes, warnings = await look_up(folder_store, *fingerprints)
    assert takes == {}
    assert len([sentence for sentence in warnings if "is missing" in sentence]) == len(others)


async def test_a_damaged_record_costs_no_other_take(folder_store: FolderStore) -> None:
    fingerprints = [f"{number:064x}" for number in range(20)]
    await folder_store.put(frame().key, CONTENT, media_type="image/png")
    for fingerprint in fingerprints[1:]:
        await write(folder_store, record(fingerprint, frame()))
    await folder_store.put(keys.take_key(fingerprints[0]), b"half of", media_type="application/json")
    takes, warnings = await look_up(folder_store, *fingerprints)
    assert sorted(takes) == fingerprints[1:]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("render_nonce", "usable_by_nonce"),
    [("", {"": True, "run 0": True, "run 1": True}), ("run 1", {"": False, "run 0": False, "run 1": True})],
)
def test_a_refreshed_take_is_usable_once_its_own_run_has_rendered_it(
    render_nonce: str, usable_by_nonce: dict[str, bool]
) -> None:
    [take] = planned({"shot_id": "A", "prompt": "雨", "duration": 1})
    for earlier, expected in usable_by_nonce.items():
        made = record(take.fingerprint, frame(), render_nonce=earlier)
        found = {take.fingerprint: Found(made)}
        assert usable(replace(take, render_nonce=render_nonce), found) == (made if expected else None)


class CountingStore(FolderStore):
    """Represent a folder that lists what is read."""

    reads: list[str]

    async def entries(self, prefix: str) -> dict[str, StoredFile]:
        self.reads.append(prefix)
        return await super().entries(prefix)

    async def get(self, key: str, *, limit: int = RECORD_BYTES) -> bytes | None:
        self.reads.append(key)
        return await super().get(key, limit=limit)


async def test_any_number_of_takes_costs_two_listings_and_one_read_per_record(
    folder_store: FolderStore,
) -> None:
    counting = CountingStore(folder_store._root)
    counting.reads = []
    assert await recorded_takes(counting, (f"{number:064x}" for number in range(500))) == {}
    assert counting.reads == [keys.TAKES]
    for fingerprint in (FINGERPRINT, OTHER):
        await write(counting, record(fingerprint, frame()), CONTENT)
    counting.reads = []
    assert len(await recorded_takes(counting, [FINGERPRINT, OTHER, FINGERPRINT, "c" * 64])) == 2
    assert sorted(counting.reads) == sorted([keys.TAKES, keys.FRAMES, keys.take_key(FINGERPRINT), keys.take_key(OTHER)])
