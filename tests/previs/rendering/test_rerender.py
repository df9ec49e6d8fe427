"""Check that a take is rendered again from its manifest alone."""

import asyncio
import shutil
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
from previs.simulator import Simulator, serve
from previs.store import FolderStore, Store, keys
from tests.conftest import Serve
from tests.previs.rendering.contexts import context_of
from tests.previs.rendering.rendered import Rendered, board_of, from_picture, picture, shot

NAME = "manifest.json"


def entry(manifest: Manifest, shot_id: str, number: int | None = None) -> tuple[ShotEntry, TakeEntry]:
    return find_take(manifest, shot_id, number, name=NAME)


async def plan(board: Rendered, shot_id: str, number: int | None = None) -> PlannedTake:
    return await plan_again(board.manifest, *entry(board.manifest, shot_id, number), board.store, name=NAME)


async def again(board: Rendered, shot_id: str, number: int | None = None) -> tuple[PlannedTake, TakeRecord]:
    take = await plan(board, shot_id, number)
    async with context_of(board.store, board.url) as context:
        return take, await rerender(take, context)


def changed(board: Rendered, change: Callable[[Any], None], shot_number: int = 0) -> Rendered:
    """Return the board with a changed manifest.

    Args:
        board: The board.
        change: Changes the first take of the shot.
        shot_number: Index of the shot.
    """
    content = board.manifest.model_dump(mode="json", by_alias=True)
    change(content["shots"][shot_number]["takes"][0])
    return Rendered(board.store, Manifest.model_validate(content), board.uri, board.url)


@pytest.fixture(scope="module")
def rendered_once(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Render a shot from a picture, and another from the first one's frame."""
    folder = tmp_path_factory.mktemp("board")
    (folder / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")

    async def make() -> Rendered:
        async with serve(Simulator(seconds=0, draw=False, previews=False)) as url:
            return await board_of(FolderStore(folder / "store"), url, folder, *shots, workflow=from_picture())

    return asyncio.run(make())


@pytest.fixture
def board(rendered_once: Rendered, tmp_path: Path) -> Rendered:
    """Copy the board that is rendered once, without its server."""
    store = FolderStore(shutil.copytree(rendered_once.store.name, tmp_path / "copy"))
    uri = rendered_once.uri.replace(rendered_once.store.name, store.name)
    return Rendered(store, rendered_once.manifest, uri, rendered_once.url)


async def test_the_same_graph_is_posted_again_though_the_server_remembers_it(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    simulator, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"), shot("SH02"))
    _, before = entry(board.manifest, "SH02")
    take, record = await again(board, "SH02")
    assert take.graph == before.graph
    assert len(simulator.posted) == len(simulator.started) == 3
    assert record.prompt_id != before.prompt_id
    assert (record.fingerprint, record.seed) == (before.fingerprint, before.seed)


async def test_a_rerender_replaces_the_record_and_keeps_the_old_frames(
    simulate: Serve, store: Store, tmp_path: Path
) -> None:
    _, url = await simulate(draw=True)
    board = await board_of(store, url, tmp_path, shot("SH01"))
    _, before = entry(board.manifest, "SH01")
    _, record = await again(board, "SH01")
    assert await read_record(store, before.fingerprint) == record
    stored = await store.entries(keys.FRAMES)
    assert {frame.key for frame in (*before.frames, *record.frames)} <= stored.keys()


async def test_pruning_keeps_the_old_frames_and_the_new_ones(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate(draw=True)
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    records = [(await again(board, shot_id))[1] for shot_id in ("SH01", "SH02")]
    pruned = await prune(folder_store, Rule(spare=timedelta()), really=True)
    assert pruned.done
    stored = await folder_store.entries("")
    takes = [entry(board.manifest, shot_id)[1] for shot_id in ("SH01", "SH02")]
    named = {file.key for one in (*takes, *records) for file in (*one.frames, *one.inputs)}
    assert named <= stored.keys()


@pytest.mark.parametrize(("empty", "turned"), [("folder", False), ("folder", True), ("s3", False)], indirect=["empty"])
async def test_the_pictures_of_a_take_come_from_the_store(
    simulate: Serve, store: Store, tmp_path: Path, *, turned: bool
) -> None:
    _, url = await simulate()
    source = tmp_path / "ref.jpg"
    source.write_bytes(picture(turned=turned))
    board = await board_of(store, url, tmp_path, shot(1, "ref.jpg"), workflow=from_picture())
    source.unlink()
    empty, other = await simulate()
    assert not empty.posted
    _, before = entry(board.manifest, "1")
    take, record = await again(Rendered(store, board.manifest, board.uri, other), "1")
    assert list(take.pictures) == [before.inputs[0].name]
    assert record.inputs == before.inputs
    assert record.fingerprint == before.fingerprint
    assert record.server == other


async def test_a_take_that_builds_on_another_is_rendered_from_the_same_frame(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "shot:SH01")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    _, source = entry(board.manifest, "SH01")
    _, before = entry(board.manifest, "SH02")
    earlier = await read_record(folder_store, before.fingerprint)
    assert isinstance(earlier, TakeRecord)
    _, record = await again(board, "SH02")
    assert record.fingerprint == before.fingerprint
    assert record.sources == earlier.sources == {source.fingerprint: source.frames[0].sha256}
    assert record.inputs == before.inputs


async def test_of_takes_with_equal_frames_the_fingerprint_decides_the_source(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    (tmp_path / "ref.jpg").write_bytes(picture())
    shots = shot("SH01", "ref.jpg"), shot("SH02", "ref.jpg"), shot("SH03", "shot:SH02")
    board = await board_of(folder_store, url, tmp_path, *shots, workflow=from_picture())
    _, source = entry(board.manifest, "SH02")
    same = [frame.model_dump() for frame in source.frames]
    board = changed(board, lambda take: take.update(frames=same))
    take = await plan(board, "SH03")
    assert take.fingerprint == entry(board.manifest, "SH03")[1].fingerprint
    assert set(take.sources) == {source.fingerprint}


async def test_a_frame_of_no_take_in_the_manifest_is_an_ordinary_picture(
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


async def test_a_wrong_fingerprint_replaces_no_record(
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


async def test_without_a_number_the_shown_take_is_found(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot(1), takes=3)
    picked = board.manifest.shots[0].model_copy(update={"picked": 2})
    manifest = board.manifest.model_copy(update={"shots": (picked,)})
    assert entry(manifest, "1")[1].take == 2
    assert entry(manifest, "1", 3)[1].take == 3


@pytest.mark.parametrize(
    ("shot_id", "number", "message"),
    [
        ("SH1", None, "has no shot 'SH1': there are 'SH01', '夜景 2'"),
        ("SH01", 3, "has no take 3 of shot 'SH01': there is take 1, take 2"),
    ],
)
async def test_a_missing_shot_or_take_is_reported_with_those_that_exist(
    simulate: Serve, folder_store: FolderStore, tmp_path: Path, shot_id: str, number: int | None, message: str
) -> None:
    _, url = await simulate()
    board = await board_of(folder_store, url, tmp_path, shot("SH01"), shot("夜景 2"), takes=2)
    with pytest.raises(NotInStore, match=message):
        entry(board.manifest, shot_id, number)


async def test_a_picture_missing_from_the_store_is_reported_with_its_key(board: Rendered) -> None:
    [kept] = await board.store.entries(keys.INPUTS)
    await board.store.delete([kept])
    with pytest.raises(NotInStore, match=f"has no {kept}, from which SH01 · take 1 was made: run the shot list again"):
        await plan(board, "SH01")


async def test_a_picture_with_other_bytes_is_refused(board: Rendered) -> None:
    [kept] = await board.store.entries(keys.INPUTS)
    await board.store.put(kept, picture(turned=True), media_type="image/jpeg")
    with pytest.raises(FrameDamaged, match=kept):
        await plan(board, "SH01")


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
async def test_a_picture_whose_key_is_not_its_hash_is_refused(board: Rendered, wrong: dict[str, str]) -> None:

    def spoil(take: dict[str, Any]) -> None:
        take["inputs"][0] |= wrong
        take["graph"]["10"]["inputs"]["image"] = take["inputs"][0]["name"]

    with pytest.raises(RecordUnreadable, match="cannot be the key of picture"):
        await plan(changed(board, spoil), "SH01")


async def test_a_picture_that_the_manifest_does_not_locate_is_reported_with_its_node(board: Rendered) -> None:
    with pytest.raises(WorkflowFaults) as caught:
        await plan(changed(board, lambda take: take.update(inputs=[])), "SH01")
    [fault] = caught.value.faults
    assert caught.value.source == f"SH01 · take 1 in {NAME}"
    assert (fault.place, fault.field) == ("node 10 (LoadImage)", "image")
    assert "only version 2 and later do: run the shot list again" in fault.remedy


async def test_a_failed_take_has_no_pictures_to_render_from(board: Rendered) -> None:
    failed = {"inputs": [], "frames": [], "outcome": "failed", "error": "node 3 failed"}
    with pytest.raises(WorkflowFaults, match=r"the take failed \(node 3 failed\), and its pictures were not kept"):
        await plan(changed(board, lambda take: take.update(failed)), "SH01")


async def test_a_skipped_take_is_refused_with_the_shot_that_it_builds_on(board: Rendered) -> None:
    source = entry(board.manifest, "SH01")[1].fingerprint

    def skip(take: dict[str, Any]) -> None:
        take |= {"outcome": "skipped", "frames": [], "inputs": [], "error": "SH01 · take 1 has no picture"}
        take["graph"]["10"]["inputs"]["image"] = f"previs/shot-{source}.png"

    with pytest.raises(WorkflowFaults) as caught:
        await plan(changed(board, skip, 1), "SH02")
    assert (
        "this input takes the frame of SH01 · take 1, and the take was skipped (SH01 · take 1 has no picture): "
        "run the shot list again"
    ) in str(caught.value)


@pytest.mark.parametrize(
    ("graph", "error", "message"),
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
async def test_an_invalid_graph_is_refused(board: Rendered, graph: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        await plan(changed(board, lambda take: take.update(graph=graph)), "SH01")


async def test_a_take_without_a_seed_is_refused(board: Rendered) -> None:
    with pytest.raises(RecordUnreadable, match="SH01 · take 1 has no seed"):
        await plan(changed(board, lambda take: take.update(seed=None)), "SH01")


async def test_an_invalid_shot_is_refused(board: Rendered) -> None:
    wrong = board.manifest.shots[0].model_copy(update={"duration": -1.0})
    with pytest.raises(RecordUnreadable, match="shot 'SH01': duration"):
        await plan_again(board.manifest, wrong, wrong.takes[0], board.store, name=NAME)


async def test_a_model_that_no_server_has_is_reported_before_anything_is_posted(
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


async def test_a_failed_render_leaves_the_record_unchanged(
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


async def test_a_manifest_is_read_from_its_file_and_from_its_folder(board: Rendered) -> None:
    file = Path(board.uri)
    async with SourceReader() as reader:
        read = [await read_manifest_at(each, reader) for each in (str(file), str(file.parent), file.as_uri())]
    assert [manifest for manifest, _ in read] == [board.manifest] * 3
    root = board.store.uri("x").removesuffix("/x")
    assert [store_of_manifest(uri) for _, uri in read] == [root] * 3


@pytest.mark.parametrize("uri", ["gone", "gone/manifest.json", "\0", "x" * 5000, "file://elsewhere/manifest.json"])
async def test_a_missing_manifest_is_reported(uri: str) -> None:
    async with SourceReader() as reader:
        with pytest.raises(SourceNotFound):
            await read_manifest_at(uri, reader)


@pytest.mark.parametrize(
    ("uri", "root"),
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
def test_the_store_follows_from_the_uri_of_the_manifest(uri: str, root: str | None) -> None:
    assert store_of_manifest(uri) == root
