"""Check that each picture that takes are made from is in the store once, with the bytes that servers got."""

import asyncio
import hashlib
import io

import pytest
from PIL import Image

from previs.comfyui.client.uploads import Upload
from previs.errors import NotAPicture, RecordUnreadable, SourceUnavailable
from previs.pictures.spill import SpillFolder
from previs.planning.plan import PlannedTake, ReferenceImage, TakeFrame
from previs.records.takes import Frame, InputPicture
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.input_assets import InputAssets
from previs.store import FolderStore, S3Settings, S3Store, Store, keys
from tests.conftest import FOLDER_AND_S3, Serve
from tests.previs.comfyui.graphs import graph
from tests.previs.rendering.contexts import context_of, take, take_of
from tests.previs.store.fault_schedule import faulty_proxy


def encoded(colour: str, kind: str = "PNG", **more: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (16, 8), colour).save(written, kind, **more)  # type: ignore[arg-type]
    return written.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def picture(colour: str = "red", kind: str = "PNG") -> ReferenceImage:
    content = encoded(colour, kind)
    return ReferenceImage(SpillFolder().keep(content), ".jpg" if kind == "JPEG" else ".png", sha256(content))


async def frame(store: Store, content: bytes, media_type: str = "image/png") -> Frame:
    key = keys.frame_key(sha256(content), ".png")
    await store.put(key, content, media_type=media_type)
    return Frame(key=key, sha256=sha256(content), size=len(content), media_type=media_type, width=16, height=8)


def with_sources(made: Frame) -> PlannedTake:
    """Return a take that is made from another shot's frame."""
    source = TakeFrame("SH00", 1, "f" * 64)
    loading = {"class_type": "LoadImage", "inputs": {"image": source.name}}
    planned = take_of(graph() | {"20": loading})
    return PlannedTake(
        planned.shot, 1, planned.graph, 5, planned.fingerprint, {}, None, builds_on=(source,)
    ).with_sources({source: made})


async def test_a_take_without_pictures_keeps_none(folder_store: FolderStore) -> None:
    inputs = InputAssets(folder_store)
    assert (await inputs.uploads(take()), await inputs.keep(take())) == ([], ())
    assert await folder_store.entries("") == {}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_a_picture_is_stored_under_the_hash_of_the_uploaded_bytes(store: Store, kind: str) -> None:
    given = picture("red", kind)
    content = given.file.path.read_bytes()
    turned = ReferenceImage(given.file, given.suffix, sha256(b"the bytes before the picture was turned upright"))
    made = take_of(graph(), turned)
    [upload] = await InputAssets(store).uploads(made)
    [kept] = await InputAssets(store).keep(made)
    assert upload == Upload(turned.name, turned.file_name, "previs", given.file.path)
    assert kept == InputPicture(
        name=turned.name,
        key=keys.input_key(sha256(content), given.suffix),
        sha256=sha256(content),
        size=len(content),
    )
    assert await store.get(kept.key) == content


async def test_a_picture_of_many_takes_is_stored_once(settings: S3Settings, s3_endpoint: str) -> None:
    made = [take_of(graph(seed), picture("red")) for seed in range(5)]
    async with (
        faulty_proxy(s3_endpoint, share=0) as proxy,
        S3Store(settings.model_copy(update={"endpoint_url": proxy.url})) as store,
    ):
        inputs = InputAssets(store)
        first = await inputs.keep(made[0])
        before = len(proxy.heads)
        assert [await inputs.keep(each) for each in made] == [first] * 5
        assert len(proxy.heads) == before


@FOLDER_AND_S3
async def test_runs_that_store_the_same_picture_at_once_agree(store: Store) -> None:
    runs = [InputAssets(store) for _ in range(4)]
    made = take_of(graph(), picture("red"), picture("blue"))
    kept = await asyncio.gather(*(each.keep(made) for each in runs for _ in range(2)))
    assert len(set(kept)) == 1
    assert {key: entry.size for key, entry in (await store.entries(keys.INPUTS)).items()} == {
        each.key: each.size for each in kept[0]
    }


@pytest.mark.parametrize("damage", [b"", b"half"])
async def test_a_damaged_picture_in_the_store_is_replaced(store: Store, damage: bytes) -> None:
    given = picture()
    key = keys.input_key(sha256(given.file.path.read_bytes()), ".png")
    await store.put(key, damage, media_type="image/png")
    await InputAssets(store).keep(take_of(graph(), given))
    assert await store.get(key) == given.file.path.read_bytes()


async def test_a_frame_of_another_shot_is_uploaded_and_not_stored_again(folder_store: FolderStore) -> None:
    content = encoded("green")
    made = await frame(folder_store, content)
    planned = with_sources(made)
    [upload] = await InputAssets(folder_store).uploads(planned)
    [kept] = await InputAssets(folder_store).keep(planned)
    assert (upload.subfolder, upload.file_name) == ("previs", f"{sha256(content)}.png")
    assert planned.graph["20"]["inputs"]["image"] == upload.name == kept.name
    assert (kept.key, kept.sha256, kept.size) == (made.key, made.sha256, made.size)
    assert await folder_store.entries(keys.INPUTS) == {}


async def test_a_frame_that_is_neither_png_nor_jpeg_is_uploaded_as_png(folder_store: FolderStore) -> None:
    made = await frame(folder_store, encoded("green", "WEBP", lossless=True), "image/webp")
    inputs = InputAssets(folder_store)
    [upload] = await inputs.uploads(with_sources(made))
    with Image.open(upload.path) as opened:
        assert (opened.format, opened.size) == ("PNG", (16, 8))
    assert upload.name.endswith(".png")


@pytest.mark.parametrize("stored", [None, b"", b"another file", b"longer" * 1000])
async def test_a_missing_or_replaced_frame_is_reported(folder_store: FolderStore, stored: bytes | None) -> None:
    made = await frame(folder_store, encoded("green"))
    await folder_store.delete([made.key])
    if stored is not None:
        await folder_store.put(made.key, stored, media_type="image/png")
    with pytest.raises(SourceUnavailable, match=made.sha256):
        await InputAssets(folder_store).uploads(with_sources(made))


async def test_frames_of_other_shots_stay_within_a_limit_together(folder_store: FolderStore) -> None:
    one, other = [await frame(folder_store, encoded(colour)) for colour in ("green", "blue")]
    inputs = InputAssets(folder_store, _spill=SpillFolder(most=one.size + 1))
    await inputs.uploads(with_sources(one))
    with pytest.raises(SourceUnavailable, match=f"frames of other shots have over {one.size + 1} bytes"):
        await inputs.uploads(with_sources(other))
    with pytest.raises(RecordUnreadable, match="it has more than 9 bytes"):
        await InputAssets(folder_store, _spill=SpillFolder(most=9)).uploads(with_sources(one))


async def test_a_frame_that_is_no_picture_is_reported(folder_store: FolderStore) -> None:
    made = await frame(folder_store, b"no picture")
    with pytest.raises(NotAPicture, match=made.sha256):
        await InputAssets(folder_store).uploads(with_sources(made))


async def test_a_record_names_the_pictures_of_its_take(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    given = picture()
    loading = {"class_type": "LoadImage", "inputs": {"image": given.name}}
    async with context_of(folder_store, url) as context:
        record = await TakeDispatcher(take_of(graph() | {"20": loading}, given), context).render()
    assert [each.name for each in record.inputs] == [given.name]
    assert await folder_store.get(record.inputs[0].key) == given.file.path.read_bytes()
