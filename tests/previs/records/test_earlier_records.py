"""Check that records of an earlier version are found, read and written back with every key and value."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from previs.boards.nightly import NightlyBoard, nightly_boards
from previs.boards.picks import picks
from previs.boards.run_numbers import next_number
from previs.boards.runs import boards, load_manifest, name_of, runs_of
from previs.publishing.publish import publish
from previs.records.manifest import Manifest
from previs.records.takes import Pick, TakeRecord
from previs.rendering.cache_lookup import recorded_takes
from previs.rendering.leases import Heartbeat, Lease
from previs.store import FolderStore, keys

GOLDEN = Path(__file__).parent / "golden"
# Written by the demo's simulators and one run with --refresh-only, without frames and with short thumbnails.
STORE = GOLDEN / "before-rooms"
BOARD = "夜城 Night City"
MODELS: dict[str, type[BaseModel]] = {
    "previs.take/1": TakeRecord,
    "previs.manifest/1": Manifest,
    "previs.manifest/2": Manifest,
    "previs.pick/1": Pick,
    "previs.nightly/1": NightlyBoard,
    "previs.claim/1": Lease,
    "previs.beat/1": Heartbeat,
}
FILES = sorted([*STORE.rglob("*.json"), GOLDEN / "manifest-1.json"])


def content_of(path: Path) -> Any:
    return json.loads(path.read_bytes())


MODELLED = [path for path in FILES if content_of(path)["schema"] in MODELS]


def missing(then: Any, now: Any, where: str = "") -> list[str]:
    """Return the paths at which a value of ``then`` is missing from ``now`` or differs there."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [each for key in then for each in missing(then[key], now.get(key, "absent"), f"{where}.{key}")]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [each for n, pair in enumerate(zip(then, now, strict=True)) for each in missing(*pair, f"{where}.{n}")]
    return [] if then == now and type(then) is type(now) else [where]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(shutil.copytree(STORE, tmp_path / "store"))


def test_every_kind_of_record_is_there() -> None:
    kinds = {content_of(path)["schema"] for path in FILES}
    assert kinds == {*MODELS, "previs.latest/1", "previs.number/1"}
    takes = [content_of(path) for path in FILES if content_of(path)["schema"] == "previs.take/1"]
    assert {bool(each["salt"]) for each in takes} == {True, False}
    outcomes = {
        take["outcome"]
        for path in FILES
        for shot in content_of(path).get("shots", [])
        if isinstance(shot, dict)
        for take in shot["takes"]
    }
    assert outcomes == {"rendered", "cached", "failed", "skipped"}


@pytest.mark.parametrize("path", MODELLED, ids=lambda path: str(path.relative_to(GOLDEN)).replace("/", "-"))
def test_a_record_is_read_and_written_back_with_every_key_and_value(path: Path) -> None:
    then = content_of(path)
    model = MODELS[then["schema"]]
    now = json.loads(model.model_validate_json(path.read_bytes()).model_dump_json(by_alias=True))
    if model is Manifest:
        then["schema"] = "previs.manifest/2"
    assert missing(then, now) == []


def test_the_render_nonce_is_kept_as_salt_and_may_be_absent() -> None:
    [again] = [path for path in FILES if content_of(path).get("salt") and content_of(path).get("frames")]
    then = content_of(again)
    assert TakeRecord.model_validate(then).render_nonce == then.pop("salt")
    assert TakeRecord.model_validate(then).render_nonce == ""


async def test_runs_and_their_manifests_are_found(store: FolderStore) -> None:
    [board] = await boards(store)
    assert (board.name, len(board.runs), [run.fault for run in board.runs]) == (BOARD, 2, [None, None])
    latest, key = await load_manifest(store, BOARD)
    assert (board.latest, latest.number) == (latest.run, 2)
    assert key == content_of(STORE / keys.latest_key(BOARD))["manifest"]
    assert await name_of(store, keys.part(BOARD)) == BOARD
    first = (await runs_of(store, BOARD))[-1]
    assert len((await load_manifest(store, BOARD, first.run))[0].failed) == 2


async def test_takes_are_found_by_their_fingerprints(store: FolderStore) -> None:
    manifest, _ = await load_manifest(store, BOARD)
    fingerprints = [take.fingerprint for shot in manifest.shots for take in shot.takes]
    found = await recorded_takes(store, fingerprints)
    assert set(found) == set(fingerprints)
    assert all(each.record is not None for each in found.values())


async def test_picks_nightly_boards_and_numbers_are_found(store: FolderStore) -> None:
    assert {shot: each.take for shot, each in (await picks(store, BOARD)).items()} == {"SQ010_SH020": 2}
    [(key, entry)] = (await nightly_boards(store)).items()
    assert isinstance(entry, NightlyBoard)
    assert (key, entry.board, entry.takes) == (keys.nightly_key(BOARD), BOARD, 2)
    assert await next_number(store, BOARD, "run") == 3


async def test_latest_and_number_are_written_with_the_same_keys(store: FolderStore) -> None:
    manifest, _ = await load_manifest(store, BOARD)
    assert await next_number(store, BOARD, manifest.run) == 3
    await publish(manifest, {}, store)
    for then, now in ((keys.latest_key(BOARD),) * 2, (keys.number_key(BOARD, 2), keys.number_key(BOARD, 3))):
        assert missing(content_of(STORE / then), json.loads(await store.get(now) or b"")) == []
