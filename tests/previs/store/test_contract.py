"""Check what every store does, in a folder and in S3."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import httpx
import pytest

from previs.errors import SourceNotFound, StoreRefused
from previs.store import Store
from previs.store.addresses import resolve

CLIMBING = ["", "/", "/etc/passwd", "../up", "a/../../up", "a//b", "a/./b", "..", "a/", "a\\..\\b", "a\nb", "a\x00b"]


def file_at(address: str) -> bytes:
    return Path(url2pathname(urlsplit(address).path)).read_bytes()


async def sizes(store: Store, prefix: str) -> dict[str, int]:
    return {key: entry.size for key, entry in (await store.entries(prefix)).items()}


async def put_text(store: Store, *names: str) -> None:
    for name in names:
        await store.put(name, name.encode(), media_type="text/plain")


@pytest.mark.parametrize("content", [b"", b"\x00\xff\r\n", "镜头".encode() * 1000])
async def test_stored_bytes_come_back(store: Store, content: bytes) -> None:
    await store.put("takes/a.json", content, media_type="application/json")
    assert await store.get("takes/a.json") == content


async def test_a_second_put_replaces_the_first(store: Store) -> None:
    await store.put("boards/b/latest.json", b"a long first text", media_type="application/json")
    await store.put("boards/b/latest.json", b"short", media_type="application/json")
    assert await store.get("boards/b/latest.json") == b"short"


@pytest.mark.parametrize("key", ["takes/none.json", "boards/城市/夜 景/index.html", "a"])
async def test_an_absent_key_has_no_bytes(store: Store, key: str) -> None:
    assert await store.get(key) is None


async def test_a_folder_of_keys_is_no_key(store: Store) -> None:
    await put_text(store, "boards/b/run/index.html")
    assert await store.get("boards/b") is None
    assert await store.get("boards/b/run/index.html/more") is None


async def test_names_in_chinese_with_blanks_are_kept(store: Store) -> None:
    key = "boards/城市夜景 (第一幕)/run 1/镜头，01.png"
    await store.put(key, b"frame", media_type="image/png")
    assert await store.get(key) == b"frame"
    assert await sizes(store, "boards/城市夜景 (第一幕)") == {key: 5}


@pytest.mark.smoke
async def test_a_listing_holds_all_sizes_below_a_folder_and_no_others(store: Store) -> None:
    await put_text(store, "takes/a", "takes/deep/bb", "takes2/c", "tak", "boards/d")
    below = {"takes/a": 7, "takes/deep/bb": 13}
    assert await sizes(store, "takes/") == below
    assert await sizes(store, "takes") == below
    assert await sizes(store, "") == below | {"takes2/c": 8, "tak": 3, "boards/d": 8}
    assert await sizes(store, "nothing/here") == {}


@pytest.mark.parametrize("size", [0, 5, 33 * 1024 * 1024])
async def test_a_file_of_any_size_comes_back(store: Store, tmp_path: Path, size: int) -> None:
    source = tmp_path / "take 1.mp4"
    source.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    await store.put_file("frames/ab/ab.mp4", source, media_type="video/mp4", download_name="镜头 1.mp4")
    assert await store.get_file("frames/ab/ab.mp4", tmp_path / "back.mp4", limit=size)
    assert (tmp_path / "back.mp4").read_bytes() == source.read_bytes()
    assert await sizes(store, "frames") == {"frames/ab/ab.mp4": size}


@pytest.mark.parametrize(
    ("stored", "if_absent", "expected"),
    [
        (b"same", True, b"same"),
        (b"same", False, b"file"),
        (b"other size", True, b"file"),
        (None, True, b"file"),
    ],
)
async def test_only_if_absent_leaves_a_file_of_the_same_size_alone(
    store: Store,
    tmp_path: Path,
    stored: bytes | None,
    if_absent: bool,  # noqa: FBT001 - pytest fills it by name
    expected: bytes,
) -> None:
    if stored is not None:
        await store.put("frames/k.png", stored, media_type="image/png")
    source = tmp_path / "k.png"
    source.write_bytes(b"file")
    await store.put_file("frames/k.png", source, media_type="image/png", if_absent=if_absent)
    assert await store.get("frames/k.png") == expected


@pytest.mark.parametrize("if_absent", [False, True])
async def test_an_absent_file_is_named(
    store: Store,
    tmp_path: Path,
    if_absent: bool,  # noqa: FBT001 - pytest fills it by name
) -> None:
    source = tmp_path / "gone.png"
    with pytest.raises(SourceNotFound) as caught:
        await store.put_file("frames/k.png", source, media_type="image/png", if_absent=if_absent)
    assert caught.value.uri == str(source)
    assert await sizes(store, "") == {}


@pytest.mark.parametrize("key", CLIMBING)
async def test_a_key_that_could_lead_out_is_refused_everywhere(store: Store, tmp_path: Path, key: str) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"x")
    with pytest.raises(StoreRefused):
        await store.put(key, b"x", media_type="text/plain")
    with pytest.raises(StoreRefused):
        await store.put_file(key, source, media_type="text/plain")
    with pytest.raises(StoreRefused):
        await store.get(key)
    with pytest.raises(StoreRefused):
        await store.create(key, b"x", media_type="text/plain")
    with pytest.raises(StoreRefused):
        await store.delete([key])
    with pytest.raises(StoreRefused):
        await store.link(key)
    if key != "a/":
        with pytest.raises(StoreRefused):
            store.uri(key)


@pytest.mark.parametrize("prefix", ["../", "a/../..", "a//b", "a\\b"])
async def test_a_listing_does_not_lead_out_either(store: Store, prefix: str) -> None:
    with pytest.raises(StoreRefused):
        await store.entries(prefix)


async def test_many_writers_of_one_key_leave_one_whole_value(store: Store) -> None:
    values = [bytes([number]) * 50_000 for number in range(24)]
    await asyncio.gather(*(store.put("boards/b/latest.json", value, media_type="text/plain") for value in values))
    assert await store.get("boards/b/latest.json") in values
    assert await sizes(store, "") == {"boards/b/latest.json": 50_000}


async def test_many_keys_can_be_written_and_read_at_once(store: Store) -> None:
    names = [f"takes/{number}.json" for number in range(40)]
    await asyncio.gather(*(put_text(store, name) for name in names))
    assert await asyncio.gather(*(store.get(name) for name in names)) == [name.encode() for name in names]


async def test_a_store_that_can_be_used_passes_its_check_again_and_again(store: Store) -> None:
    await store.check()
    await store.check()


async def test_a_link_opens_the_file(store: Store) -> None:
    await store.put("frames/镜头 1.png", b"frame", media_type="image/png")
    link = await store.link("frames/镜头 1.png")
    if link.startswith("file://"):
        assert file_at(link) == b"frame"
        return
    async with httpx.AsyncClient() as client:
        answer = await client.get(link)
    assert (answer.status_code, answer.content) == (200, b"frame")
    assert answer.headers["content-type"] == "image/png"


async def test_a_uri_is_the_name_with_the_key_behind_it(store: Store) -> None:
    assert store.uri("frames/镜头 1.png") == f"{store.name}/frames/镜头 1.png"


async def test_a_folder_of_keys_has_a_uri_that_starts_those_of_its_keys(store: Store) -> None:
    assert store.uri("lists/") == f"{store.name}/lists/"
    assert store.uri("lists/a.json").startswith(store.uri("lists/"))
    assert resolve("参考.png", store.uri("references/"), inline=True) == store.uri("references/参考.png")


async def test_a_listing_tells_when_a_file_was_written_in_utc(store: Store) -> None:
    await put_text(store, "takes/a")
    modified = (await store.entries("takes"))["takes/a"].modified
    assert modified.tzinfo is UTC
    assert abs(datetime.now(UTC) - modified) < timedelta(hours=1)


async def test_exactly_one_of_many_creates_a_key_and_its_bytes_stay(store: Store) -> None:
    values = [b"token %d" % number for number in range(12)]
    created = await asyncio.gather(*(store.create("takes/lock", value, media_type="text/plain") for value in values))
    assert created.count(True) == 1
    assert await store.get("takes/lock") == values[created.index(True)]


async def test_an_existing_key_is_not_created_again(store: Store) -> None:
    await store.put("takes/lock", b"theirs", media_type="text/plain")
    assert not await store.create("takes/lock", b"mine", media_type="text/plain")
    assert await store.get("takes/lock") == b"theirs"


async def test_creating_a_key_again_with_the_same_bytes_succeeds(store: Store) -> None:
    assert await store.create("takes/lock", b"mine", media_type="text/plain")
    assert await store.create("takes/lock", b"mine", media_type="text/plain")
    await store.delete(["takes/lock"])
    assert await store.create("takes/lock", b"other", media_type="text/plain")


async def test_only_named_files_are_deleted(store: Store) -> None:
    await put_text(store, "takes/a", "takes/b", "takes/夜 景/c", "takes/夜 景/d")
    await store.delete(["takes/a", "takes/夜 景/c", "takes/夜 景/c"])
    assert list(await sizes(store, "")) == ["takes/b", "takes/夜 景/d"]


@pytest.mark.parametrize("key", ["none", "takes", "takes/a/below", "takes/b/c/none"])
async def test_an_absent_key_can_be_deleted(store: Store, key: str) -> None:
    await put_text(store, "takes/a", "takes/b/c/d")
    await store.delete([key])
    await store.delete([])
    assert set(await sizes(store, "")) == {"takes/a", "takes/b/c/d"}


async def test_a_deleted_key_can_be_written_again(store: Store) -> None:
    for content in (b"first", b"second"):
        await store.put("takes/a/b", content, media_type="text/plain")
        assert await store.get("takes/a/b") == content
        await store.delete(["takes/a/b"])
        assert await store.get("takes/a/b") is None
    assert await sizes(store, "") == {}


async def test_metadata_are_no_hindrance(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "k.png"
    source.write_bytes(b"file")
    words = {"shot": "SQ010_SH020", "title": "  夜 景 100%\n\tline", "long": "x" * 3000, "half": "\ud800", "none": ""}
    await store.put_file("frames/k.png", source, media_type="image/png", metadata=words)
    assert await store.get("frames/k.png") == b"file"
