"""A take is rendered again from what a manifest says of it, and from nothing else."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from previs.boards.prune import prune
from previs.boards.retention import Rule
from previs.errors import (
    FrameDamaged,
    NodeFailed,
    NotInStore,
    PlanRefused,
    RecordUnreadable,
    SourceNotFound,
    WorkflowFaults,
)
from previs.ingest.reader import SourceReader
from previs.planning.plan import PlannedTake
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import TakeRecord
from previs.rendering.cache_lookup import read_record
from previs.rendering.rerender import find_take, plan_again, read_manifest_at, rerender, store_of_manifest
from previs.store import FolderStore, S3Store, keys
from tests.conftest import Serve
from tests.previs.rendering.contexts import context_of
from tests.previs.rendering.rendered import Rendered, board_of, from_picture, picture, shot

NAME = "manifest.json"


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> FolderStore | S3Store:
    made: FolderStore | S3Store = request.getfixturevalue(f"{request.param}_store")
    return made


def entry(manifest: Manifest, shot_id: str, number: int | None = None) -> tuple[ShotEntry, TakeEntry]:
    return find_take(manifest, shot_id, number, name=NAME)


async def planned(board: Rendered, shot_id: str, number: int | None = None) -> PlannedTake:
    return await plan_again(board.manifest, *entry(board.manifest, shot_id, number), board.store, name=NAME)


async def again(board: Rendered, shot_id: str, number: int | None = None) -> tuple[PlannedTake, TakeRecord]:
    take = await planned(board, shot_id, number)
    async with context_of(board.store, board.url) as context:
        return take, await rerender(take, context)


def changed(board: Rendered, change: Callable[[Any], None], shot_number: int = 0) -> Rendered:
    """The board with another manifest, in which the first take of a shot was changed."""
    content = board.manifest.model_dump(mode="json", by_alias=True)
    change(content["shots"][shot_number]["takes"][0])
    return Rendered(board.store, Manifest.model_validate(content), board.place, board.url)


async def test_the_same_graph_is_posted_once_more_though_a_server_remembers_it(
    simulate: Serve, store: FolderStore | S3Store, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    board = await board_of(store, url, tmp_path, shot("SH01"), shot("SH02"))
    _, before = entry(board.manifest, "SH02")
    take, record = await again(board, "SH02")
    assert take.graph == before.graph
    assert len(simulator.posted) == len(simulator.started) == 3
    assert record.prompt_id != before.prompt_id
    assert (record.fingerprint, record.seed) == (before.fingerprint, before.seed)


async def test_its_record_is_replaced_and_the_old_frames_stay(
    simulate: Serve, store: FolderStore | S3Store, tmp_path: Path
) -> None:
    _, url = await simulate(draw=True)
    board = await board_of(store, url, tmp_path, shot("SH01"))
    _, before = entry(board.manifest, "SH01")
    _, record = await again(board, "SH01")
    assert await read_record(store, before.fingerprint) == record
    there = await store.entries(keys.FRAMES)
    assert {frame.key for frame in (*before.frames, *record.frames)} <= there.keys()


async def test_pruning_leaves_the_old_frames_and_the_new_ones(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate(draw=True)
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    records = [(await again(board, shot_id))[1] for shot_id in ("SH01", "SH02")]
    pruned = await prune(folder_store, Rule(spare=timedelta()), really=True)
    assert pruned.done
    there = await folder_store.entries("")
    takes = [entry(board.manifest, shot_id)[1] for shot_id in ("SH01", "SH02")]
    named = {file.key for one in (*takes, *records) for file in (*one.frames, *one.inputs)}
    assert named <= there.keys()


@pytest.mark.parametrize("turned", [False, True])
async def test_a_picture_that_the_take_was_made_from_comes_from_the_store(
    simulate: Serve, store: FolderStore | S3Store, tmp_path: Path, *, turned: bool
) -> None:
    _, url = await simulate()
    source = tmp_path / "ref.jpg"
    source.write_bytes(picture(turned=turned))
    board = await board_of(store, url, tmp_path, shot(1, "ref.jpg"), workflow=from_picture())
    source.unlink()
    empty, other = await simulate()
    assert not empty.posted
    _, before = entry(board.manifest, "1")
    take, record = await again(Rendered(store, board.manifest, board.place, other), "1")
    assert list(take.pictures) == [before.inputs[0].name]
    assert record.inputs == before.inputs
    assert record.fingerprint == before.fingerprint
    assert record.server == other


async def test_a_take_that_builds_on_another_is_made_from_the_same_frame_and_stays_that_take(
    simulate: Serve, store: FolderStore | S3Store, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")
    board = await board_of(store, url, tmp_path, *shots, workflow=from_picture())
    _, source = entry(board.manifest, "SH01")
    _, before = entry(board.manifest, "SH02")
    earlier = await read_record(store, before.fingerprint)
    assert isinstance(earlier, TakeRecord)
    _, record = await again(board, "SH02")
    assert record.fingerprint == before.fingerprint
    assert record.sources == earlier.sources == {source.fingerprint: source.frames[0].sha256}
    assert record.inputs == before.inputs


async def test_of_takes_with_equal_frames_the_one_that_was_meant_is_the_source(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "ref.jpg"), shot("SH03", "shot:SH02")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    _, meant = entry(board.manifest, "SH02")
    same = [frame.model_dump() for frame in meant.frames]
    board = changed(board, lambda take: take.update(frames=same))
    take = await planned(board, "SH03")
    assert take.fingerprint == entry(board.manifest, "SH03")[1].fingerprint
    assert set(take.sources) == {meant.fingerprint}


async def test_a_frame_of_no_take_in_the_manifest_is_a_picture_like_any_other(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    board = changed(board, lambda take: take.update(frames=[]))
    take, record = await again(board, "SH02")
    assert (take.sources, record.sources) == ({}, {})
    assert record.fingerprint != entry(board.manifest, "SH02")[1].fingerprint


async def test_a_wrong_fingerprint_in_a_manifest_replaces_no_record(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"), shot("SH02"))
    _, victim = entry(board.manifest, "SH02")
    victims = await folder_store.get(keys.take_key(victim.fingerprint))
    board = changed(board, lambda take: take.update(fingerprint=victim.fingerprint))
    _, record = await again(board, "SH01")
    assert record.fingerprint != victim.fingerprint
    assert await folder_store.get(keys.take_key(victim.fingerprint)) == victims


async def test_without_a_number_the_take_is_meant_that_stands_for_the_shot(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot(1), takes=3)
    picked = board.manifest.shots[0].model_copy(update={"picked": 2})
    manifest = board.manifest.model_copy(update={"shots": (picked,)})
    assert entry(manifest, "1")[1].take == 2
    assert entry(manifest, "1", 3)[1].take == 3


@pytest.mark.parametrize(
    ("shot_id", "number", "told"),
    [
        ("SH1", None, "has no shot 'SH1': there are 'SH01', '夜景 2'"),
        ("SH01", 3, "has no take 3 of shot 'SH01': there is take 1, take 2"),
    ],
)
async def test_what_is_not_in_the_manifest_is_told_with_what_there_is(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, shot_id: str, number: int | None, told: str
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"), shot("夜景 2"), takes=2)
    with pytest.raises(NotInStore, match=told):
        entry(board.manifest, shot_id, number)


async def board_with_picture(simulate: Serve, store: FolderStore, folder: Path) -> Rendered:
    _, url = await simulate()
    (folder / "ref.jpg").write_bytes(picture())
    return await board_of(store, url, folder, shot("SH01", "ref.jpg"), workflow=from_picture())


async def test_a_picture_that_is_gone_from_the_store_is_told_with_its_key(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    board = await board_with_picture(simulate, folder_store, tmp_path)
    [kept] = await folder_store.entries(keys.INPUTS)
    await folder_store.delete([kept])
    with pytest.raises(NotInStore, match=f"has no {kept}, from which SH01 · take 1 was made: run the shot list again"):
        await planned(board, "SH01")


async def test_a_picture_of_other_bytes_is_not_taken(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    board = await board_with_picture(simulate, folder_store, tmp_path)
    [kept] = await folder_store.entries(keys.INPUTS)
    await folder_store.put(kept, picture(turned=True), media_type="image/jpeg")
    with pytest.raises(FrameDamaged, match=kept):
        await planned(board, "SH01")


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "inputs/../../secret.png"},
        {"key": "/etc/passwd"},
        {"key": "takes/abc.json"},
        {"key": ""},
        {"sha256": ""},
        {"sha256": "../" * 21 + "a"},
        {"name": "../../models/evil.png"},
        {"name": "previs/evil.png"},
        {"name": f"previs/shot-{'a' * 64}.png"},
    ],
    ids=str,
)
async def test_a_picture_lies_nowhere_but_where_its_hash_says(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, wrong: dict[str, str]
) -> None:
    board = await board_with_picture(simulate, folder_store, tmp_path)

    def discard_result(take: dict[str, Any]) -> None:
        take["inputs"][0] |= wrong
        take["graph"]["10"]["inputs"]["image"] = take["inputs"][0]["name"]

    with pytest.raises(RecordUnreadable, match="cannot be the key of picture"):
        await planned(changed(board, discard_result), "SH01")


async def test_a_picture_that_the_manifest_has_no_place_for_is_told_with_its_node(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    board = await board_with_picture(simulate, folder_store, tmp_path)
    with pytest.raises(WorkflowFaults) as caught:
        await planned(changed(board, lambda take: take.update(inputs=[])), "SH01")
    [fault] = caught.value.faults
    assert caught.value.source == f"SH01 · take 1 in {NAME}"
    assert (fault.place, fault.field) == ("node 10 (LoadImage)", "image")
    assert "only version 2 and later do: run the shot list again" in fault.remedy


async def test_a_take_that_failed_did_not_keep_its_pictures(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    board = await board_with_picture(simulate, folder_store, tmp_path)
    failed = {"inputs": [], "frames": [], "outcome": "failed", "error": "node 3 failed"}
    with pytest.raises(WorkflowFaults, match=r"the take failed \(node 3 failed\), and its pictures were not kept"):
        await planned(changed(board, lambda take: take.update(failed)), "SH01")


async def test_a_skipped_take_is_refused_with_the_shot_that_it_waits_for(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    source = entry(board.manifest, "SH01")[1].fingerprint

    def skip(take: dict[str, Any]) -> None:
        take |= {"outcome": "skipped", "frames": [], "inputs": [], "error": "SH01 · take 1 has no picture"}
        take["graph"]["10"]["inputs"]["image"] = f"previs/shot-{source}.png"

    with pytest.raises(WorkflowFaults) as caught:
        await planned(changed(board, skip, 1), "SH02")
    assert (
        "this input takes the frame of SH01 · take 1, and the take was skipped (SH01 · take 1 has no picture): "
        "run the shot list again"
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("graph", "error", "told"),
    [
        ({}, RecordUnreadable, "it holds no graph"),
        ({"1": 5}, WorkflowFaults, "not a node"),
        ({"1": {"class_type": "SaveImage"}}, WorkflowFaults, "add the node's inputs"),
        ({"1": {"class_type": 7, "inputs": {"a": ["1", 0]}}}, WorkflowFaults, "class_type"),
        (
            {
                "1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "a", "images": ["2", 0]}},
                "2": {"class_type": "Other", "inputs": {"scale": float("nan")}},
            },
            WorkflowFaults,
            "NaN",
        ),
    ],
)
async def test_a_graph_that_no_server_runs_is_refused(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, graph: Any, error: type[Exception], told: str
) -> None:
    simulator, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    posted = len(simulator.posted)
    with pytest.raises(error, match=told):
        await again(changed(board, lambda take: take.update(graph=graph)), "SH01")
    assert len(simulator.posted) == posted


async def test_a_take_without_a_seed_is_refused(simulate: Serve, folder_store: FolderStore, tmp_path: Path) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    with pytest.raises(RecordUnreadable, match="SH01 · take 1 has no seed"):
        await planned(changed(board, lambda take: take.update(seed=None)), "SH01")


async def test_a_shot_that_no_list_could_have_is_refused(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    wrong = board.manifest.shots[0].model_copy(update={"duration": -1.0})
    with pytest.raises(RecordUnreadable, match="shot 'SH01': duration"):
        await plan_again(board.manifest, wrong, wrong.takes[0], folder_store, name=NAME)


async def test_what_no_server_has_is_told_before_anything_is_posted(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    posted = len(simulator.posted)

    def other_model(take: dict[str, Any]) -> None:
        take["graph"]["4"]["inputs"]["ckpt_name"] = "gone.safetensors"

    with pytest.raises(PlanRefused, match=r"gone\.safetensors"):
        await again(changed(board, other_model), "SH01")
    assert len(simulator.posted) == posted


async def test_a_render_that_fails_leaves_the_record_as_it_was(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    key = keys.take_key(entry(board.manifest, "SH01")[1].fingerprint)
    before = await folder_store.get(key)
    simulator.faults.fail_on = "镜头"
    with pytest.raises(NodeFailed):
        await again(board, "SH01")
    assert await folder_store.get(key) == before


async def test_a_manifest_is_read_from_its_file_and_from_its_folder(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"))
    file = Path(board.place)
    async with SourceReader() as sources:
        read = [await read_manifest_at(each, sources) for each in (str(file), str(file.parent), file.as_uri())]
    assert [manifest for manifest, _ in read] == [board.manifest] * 3
    root = folder_store.uri("x").removesuffix("/x")
    assert [store_of_manifest(place) for _, place in read] == [root] * 3


@pytest.mark.parametrize("given", ["gone", "gone/manifest.json", "\0", "x" * 5000, "file://elsewhere/manifest.json"])
async def test_a_manifest_that_is_not_there_is_told(given: str) -> None:
    async with SourceReader() as sources:
        with pytest.raises(SourceNotFound):
            await read_manifest_at(given, sources)


@pytest.mark.parametrize(
    ("place", "root"),
    [
        ("s3://bucket/boards/夜景/run/manifest.json", "s3://bucket"),
        ("s3://bucket/a/b/boards/夜景/run/manifest.json", "s3://bucket/a/b"),
        ("s3://bucket/a/boards/boards/run/manifest.json", "s3://bucket/a"),
        ("s3://boards/夜景/run/manifest.json", None),
        ("s3://bucket/a/manifest.json", None),
        ("s3://bucket/boards/夜景/run/other.json", None),
        ("/store/boards/夜景/run/manifest.json", "/store"),
        ("/boards/夜景/run/manifest.json", "/"),
        ("/store/boards/夜景/run/x/../manifest.json", "/store"),
        ("/pulled/manifest.json", None),
        ("https://example.com/boards/夜景/run/manifest.json", None),
    ],
)
def test_the_store_is_told_by_the_place_of_the_manifest(place: str, root: str | None) -> None:
    assert store_of_manifest(place) == root
