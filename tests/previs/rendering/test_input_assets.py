"""The pictures that takes are made from: each is in the store once, whole, and as a server got it."""

import asyncio
import hashlib
import io

import pytest
from PIL import Image

from previs.comfyui.client.uploads import Upload
from previs.errors import NotAPicture, SourceUnavailable
from previs.planning.plan import PlannedTake, ReferenceImage, TakeFrame
from previs.records.takes import Frame, InputPicture
from previs.rendering.dispatch import TakeDispatcher
from previs.rendering.input_assets import InputAssets
from previs.store import FolderStore, S3Settings, S3Store, Store, keys
from tests.conftest import Serve
from tests.previs.comfyui.graphs import graph
from tests.previs.rendering.contexts import context_of, take, take_of
from tests.previs.store.fault_schedule import faulty_proxy


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


def packed(colour: str, kind: str = "PNG", **more: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (16, 8), colour).save(written, kind, **more)  # type: ignore[arg-type]
    return written.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def picture(colour: str = "red", kind: str = "PNG") -> ReferenceImage:
    content = packed(colour, kind)
    return ReferenceImage(content, ".jpg" if kind == "JPEG" else ".png", sha256(content))


async def frame(store: Store, content: bytes, media_type: str = "image/png") -> Frame:
    key = keys.frame_key(sha256(content), ".png")
    await store.put(key, content, media_type=media_type)
    return Frame(key=key, sha256=sha256(content), size=len(content), media_type=media_type, width=16, height=8)


def with_sources(made: Frame) -> PlannedTake:
    """A take that is made from another shot's frame."""
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
async def test_a_picture_is_kept_under_the_hash_of_what_a_server_gets(store: Store, kind: str) -> None:
    given = picture("red", kind)
    turned = ReferenceImage(given.content, given.suffix, sha256(b"as it was before it was turned upright"))
    made = take_of(graph(), turned)
    [upload] = await InputAssets(store).uploads(made)
    [kept] = await InputAssets(store).keep(made)
    assert upload == Upload(turned.name, turned.file_name, "previs", given.content)
    assert kept == InputPicture(
        name=turned.name,
        key=keys.input_key(sha256(given.content), given.suffix),
        sha256=sha256(given.content),
        size=len(given.content),
    )
    assert await store.get(kept.key) == given.content


async def test_a_picture_of_many_takes_is_sent_once(settings: S3Settings, s3_endpoint: str) -> None:
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


async def test_runs_that_keep_the_same_picture_at_once_agree(store: Store) -> None:
    runs = [InputAssets(store) for _ in range(4)]
    made = take_of(graph(), picture("red"), picture("blue"))
    kept = await asyncio.gather(*(each.keep(made) for each in runs for _ in range(2)))
    assert len(set(kept)) == 1
    assert {key: entry.size for key, entry in (await store.entries(keys.INPUTS)).items()} == {
        each.key: each.size for each in kept[0]
    }


@pytest.mark.parametrize("damage", [b"", b"half"])
async def test_a_kept_picture_that_is_damaged_is_mended(store: Store, damage: bytes) -> None:
    given = picture()
    key = keys.input_key(sha256(given.content), ".png")
    await store.put(key, damage, media_type="image/png")
    await InputAssets(store).keep(take_of(graph(), given))
    assert await store.get(key) == given.content


async def test_a_frame_of_another_shot_is_given_to_servers_and_not_kept_twice(store: Store) -> None:
    content = packed("green")
    made = await frame(store, content)
    planned = with_sources(made)
    [upload] = await InputAssets(store).uploads(planned)
    [kept] = await InputAssets(store).keep(planned)
    assert (upload.subfolder, upload.file_name) == ("previs", f"{sha256(content)}.png")
    assert planned.graph["20"]["inputs"]["image"] == upload.name == kept.name
    assert (kept.key, kept.sha256, kept.size) == (made.key, made.sha256, made.size)
    assert await store.entries(keys.INPUTS) == {}


async def test_a_frame_that_is_neither_png_nor_jpeg_is_made_one(store: Store) -> None:
    made = await frame(store, packed("green", "WEBP", lossless=True), "image/webp")
    [upload] = await InputAssets(store).uploads(with_sources(made))
    with Image.open(io.BytesIO(upload.content)) as opened:
        assert (opened.format, opened.size) == ("PNG", (16, 8))
    assert upload.name.endswith(".png")


@pytest.mark.parametrize("there", [None, b"", b"another file"])
async def test_a_frame_that_is_gone_or_another_is_told(store: Store, there: bytes | None) -> None:
    made = await frame(store, packed("green"))
    await store.delete([made.key])
    if there is not None:
        await store.put(made.key, there, media_type="image/png")
    with pytest.raises(SourceUnavailable, match=made.sha256):
        await InputAssets(store).uploads(with_sources(made))


async def test_a_frame_that_is_no_picture_is_told(folder_store: FolderStore) -> None:
    made = await frame(folder_store, b"no picture")
    with pytest.raises(NotAPicture, match=made.sha256):
        await InputAssets(folder_store).uploads(with_sources(made))


async def test_a_record_names_what_its_take_was_made_from(simulate: Serve, folder_store: FolderStore) -> None:
    _, url = await simulate()
    given = picture()
    loading = {"class_type": "LoadImage", "inputs": {"image": given.name}}
    async with context_of(folder_store, url) as context:
        record = await TakeDispatcher(take_of(graph() | {"20": loading}, given), context).render()
    assert [each.name for each in record.inputs] == [given.name]
    assert await folder_store.get(record.inputs[0].key) == given.content
