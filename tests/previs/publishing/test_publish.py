"""A board opens from its folder and from S3, private or not, and becomes the latest only when it is complete."""

import asyncio
import html
import json
import re
import tempfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from urllib.request import url2pathname

import httpx
import pytest

from previs.errors import StoreUnavailable
from previs.publishing.last_run import MOST_BYTES
from previs.publishing.publish import lasting_addresses, links_of, links_until, publish
from previs.records.manifest import Manifest, ShotEntry, TakeEntry
from previs.records.takes import Frame
from previs.store import FolderStore, S3Settings, S3Store, Store
from tests.conftest import FOLDER_AND_S3

# One pixel.
THUMBNAIL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
STARTED = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)


def frame(name: str, media_type: str = "image/png", thumbnail: str | None = THUMBNAIL) -> Frame:
    key = f"frames/{name[:2]}/{name}"
    return Frame(key=key, sha256="a" * 64, size=5, media_type=media_type, width=4, height=4, thumbnail=thumbnail)


PICTURE, VIDEO = frame("aaa.png"), frame("bbb.mp4", "video/mp4", None)


def board(*frames: Frame, name: str = "夜景 1", run: str = "20261031-174000-abcdef01", **fields: Any) -> Manifest:
    takes = tuple(
        TakeEntry(take=number, outcome="rendered", fingerprint="f" * 64, seconds=1.0, frames=(each,))
        for number, each in enumerate(frames, 1)
    )
    shot = ShotEntry(shot_id="镜头 1", success=True, image_url=None, prompt="夜", duration=2.0, shot={}, takes=takes)
    known = {"board": name, "run": run, "started": STARTED, "finished": STARTED, "workflow": {}}
    return Manifest(**known | {"shots": (shot,) if takes else ()} | fields)


async def put(store: Store, *frames: Frame) -> None:
    for each in frames:
        await store.put(each.key, b"bytes", media_type=each.media_type)


def addresses(page: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'(?:src|href|poster|data-before)="([^"]*)"', page)]


def read_page(page: Path) -> tuple[str, dict[str, bytes]]:
    """A page in a folder, and the files that it finds by relative addresses, by their names."""
    text = page.read_text("utf-8")
    relative = [page.parent / unquote(found) for found in addresses(text) if found.startswith("..")]
    return text, {found.name: found.read_bytes() for found in relative}


@pytest.fixture
async def public_store(settings: S3Settings) -> AsyncIterator[S3Store]:
    address = f"{settings.endpoint_url}/{settings.bucket}"
    async with S3Store(settings.model_copy(update={"public_url": address})) as opened:
        yield opened


@pytest.mark.parametrize("name", ["b", "夜景 1", "a/b: 100% #1"])
async def test_a_page_in_a_folder_finds_its_frames_beside_it(folder_store: FolderStore, name: str) -> None:
    await put(folder_store, PICTURE, VIDEO)
    links = await links_of([PICTURE, VIDEO], folder_store)
    published = await publish(board(PICTURE, VIDEO, name=name), links, folder_store)
    page = Path(url2pathname(urlsplit(published.link).path))
    assert str(page) == published.page
    text, shown = read_page(page)
    assert set(shown) == {"aaa.png", "bbb.mp4"}
    assert set(shown.values()) == {b"bytes"}
    assert text.count(THUMBNAIL) == 1


async def test_a_page_of_a_private_store_holds_its_small_pictures_and_signed_links(s3_store: S3Store) -> None:
    await put(s3_store, PICTURE, VIDEO)
    links = await links_of([PICTURE, VIDEO], s3_store)
    published = await publish(board(PICTURE, VIDEO), links, s3_store)
    async with httpx.AsyncClient() as client:
        answer = await client.get(published.link)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        page = answer.text
        signed = [found for found in addresses(page) if "X-Amz-Signature" in found]
        assert {(await client.get(found)).content for found in signed} == {b"bytes"}
    assert set(signed) == set(links.values())
    assert THUMBNAIL in page
    assert f'src="{html.escape(links[PICTURE.key])}"' not in page
    assert "Links to the full frames work until 7 Nov 2026, 17:40 UTC at the latest; run again for new ones." in page


async def test_an_expiry_is_given_only_for_links_that_expire(
    settings: S3Settings, public_store: S3Store, folder_store: FolderStore
) -> None:
    async with S3Store(settings.model_copy(update={"link_seconds": 3661})) as store:
        assert links_until(board(), store) == "31 Oct 2026, 18:41 UTC at the latest"
        assert links_until(board(lang="zh"), store) == "最迟 2026-10-31 18:41 UTC"
    assert links_until(board(), public_store) is None
    assert links_until(board(), folder_store) is None


async def test_links_work_no_longer_than_stated(settings: S3Settings) -> None:
    async with S3Store(settings.model_copy(update={"link_seconds": 3600})) as store:
        link = (await links_of([PICTURE], store))[PICTURE.key]
        result = links_until(board(finished=datetime.now(UTC)), store)
    [signed], [seconds] = (parse_qs(urlsplit(link).query)[name] for name in ("X-Amz-Date", "X-Amz-Expires"))
    ends = datetime.strptime(f"{signed}+0000", "%Y%m%dT%H%M%SZ%z") + timedelta(seconds=int(seconds))
    assert result is not None
    assert ends < datetime.strptime(f"{result}+0000", "%d %b %Y, %H:%M UTC at the latest%z") + timedelta(minutes=1)


async def test_a_page_of_a_public_store_needs_no_signature(public_store: S3Store) -> None:
    await put(public_store, PICTURE)
    links = await links_of([PICTURE], public_store)
    published = await publish(board(PICTURE), links, public_store)
    page = (await public_store.get("boards/夜景 1/20261031-174000-abcdef01/index.html") or b"").decode()
    assert "Signature" not in page + published.link
    assert "../../../frames/aa/aaa.png" in addresses(page)
    assert published.link.startswith(f"{public_store.settings.public_url}/")


async def test_the_manifest_is_in_the_store_as_it_was_made(s3_store: S3Store) -> None:
    made = board(PICTURE, title="雨夜")
    published = await publish(made, await links_of([PICTURE], s3_store), s3_store)
    key = "boards/夜景 1/20261031-174000-abcdef01/manifest.json"
    written = await s3_store.get(key) or b""
    assert published.manifest == s3_store.uri(key)
    assert Manifest.model_validate_json(written) == made
    assert json.loads(written)["schema"] == "previs.manifest/2"
    assert "雨夜" in written.decode()


async def test_the_latest_run_is_the_one_published_last(folder_store: FolderStore) -> None:
    await publish(board(), {}, folder_store)
    await publish(board(run="20261101-090000-00000000"), {}, folder_store)
    latest = json.loads(await folder_store.get("boards/夜景 1/latest.json") or b"")
    assert latest == {
        "schema": "previs.latest/1",
        "board": "夜景 1",
        "run": "20261101-090000-00000000",
        "manifest": "boards/夜景 1/20261101-090000-00000000/manifest.json",
        "page": "boards/夜景 1/20261101-090000-00000000/index.html",
    }
    assert {await folder_store.get(latest[kind]) is not None for kind in ("manifest", "page")} == {True}
    assert len(await folder_store.entries("boards/夜景 1")) == 5


@pytest.mark.parametrize("name", ["latest.json", "../up", ".", "", "a\\b", "CON"])
async def test_no_boards_name_leads_elsewhere(folder_store: FolderStore, name: str) -> None:
    published = await publish(board(name=name), {}, folder_store)
    there = await folder_store.entries("")
    assert len(there) == 3
    assert all(key.startswith("boards/") and key.count("/") in (2, 3) for key in there)
    assert published.page in {folder_store.uri(key) for key in there}


async def test_a_store_for_strict_hosts_has_style_and_script_beside_each_page(
    tmp_path: Path, settings: S3Settings
) -> None:
    strict = settings.model_copy(update={"page_assets": True})
    async with S3Store(strict) as private:
        for store in (FolderStore(tmp_path, page_assets=True), private):
            await put(store, PICTURE)
            made = board(PICTURE)
            await publish(made, await links_of([PICTURE], store), store)
            folder = f"boards/{made.board}/{made.run}/"
            content = await store.get(f"{folder}index.html")
            assert content is not None
            text = content.decode()
            assert "<style" not in text
            assert "<script>" not in text
            beside = {urlsplit(each).path.rpartition("/")[2]: each for each in addresses(text) if "board." in each}
            assert set(beside) == {"board.css", "board.js"}
            for name, address in beside.items():
                stored = await store.get(folder + name)
                assert stored
                if store is private:
                    async with httpx.AsyncClient() as client:
                        answer = await client.get(address)
                    assert answer.content == stored
                    assert answer.headers["content-type"].startswith("text/")


NEXT = "20261101-090000-abcdef01"


def changed(name: str) -> Frame:
    return frame(name).model_copy(update={"sha256": "b" * 64})


@FOLDER_AND_S3
async def test_the_page_of_the_next_run_marks_what_changed_and_leads_to_the_frame_before(store: Store) -> None:
    after = changed("ccc.png")
    await put(store, PICTURE, after)
    await publish(board(PICTURE), await links_of([PICTURE], store), store)
    published = await publish(board(after, run=NEXT), await links_of([after], store), store)
    page = (await store.get(f"boards/夜景 1/{NEXT}/index.html") or b"").decode()
    assert published.notice == ""
    assert "<b>1 changed</b>" in page
    (before,) = map(html.unescape, re.findall('data-before="([^"]*)"', page))
    if store.public:
        assert before == f"../../../{PICTURE.key}"
    else:
        async with httpx.AsyncClient() as client:
            assert (await client.get(before)).content == b"bytes"


async def test_a_first_run_and_one_published_late_are_compared_with_none_that_came_after(
    folder_store: FolderStore,
) -> None:
    links = await links_of([PICTURE], folder_store)
    await publish(board(PICTURE, run=NEXT), links, folder_store)
    await publish(board(PICTURE), links, folder_store)
    first = (await folder_store.get("boards/夜景 1/20261031-174000-abcdef01/index.html") or b"").decode()
    assert 'class="since"' not in first


@pytest.mark.parametrize("size", [2, MOST_BYTES + 1], ids=["no manifest", "too large"])
async def test_a_last_run_that_cannot_be_read_is_said_and_keeps_no_board_from_being_published(
    folder_store: FolderStore, size: int
) -> None:
    links = await links_of([PICTURE], folder_store)
    await publish(board(PICTURE), links, folder_store)
    key = "boards/夜景 1/20261031-174000-abcdef01/manifest.json"
    await folder_store.put(key, b"{}".ljust(size), media_type="application/json")
    published = await publish(board(PICTURE, run=NEXT), links, folder_store)
    assert published.notice.startswith(f"{folder_store.uri(key)} cannot be used: ")
    page = (await folder_store.get(f"boards/夜景 1/{NEXT}/index.html") or b"").decode()
    assert "What changed since run 20261031-174000-abcdef01 is not marked: " in page
    assert await folder_store.get(f"boards/夜景 1/{NEXT}/manifest.json")


class FullStore(FolderStore):
    """A folder whose disk is full when a file of a name is to be written."""

    full_at = ""

    async def put(self, key: str, data: bytes, *, media_type: str) -> None:
        if key.endswith(self.full_at):
            raise StoreUnavailable(self.name, "no space left")
        await super().put(key, data, media_type=media_type)

    async def put_file(self, key: str, path: Path, **options: Any) -> None:
        if key.endswith(self.full_at):
            raise StoreUnavailable(self.name, "no space left")
        await super().put_file(key, path, **options)


@pytest.mark.parametrize("full_at", ["manifest.json", "index.html", "latest.json"])
async def test_a_board_that_is_not_whole_is_not_the_latest(folder_store: FolderStore, full_at: str) -> None:
    await publish(board(run="first"), {}, folder_store)
    store = FullStore(folder_store._root)
    store.full_at = full_at
    with pytest.raises(StoreUnavailable):
        await publish(board(run="second"), {}, store)
    latest = json.loads(await folder_store.get("boards/夜景 1/latest.json") or b"")
    assert latest["run"] == "first"


async def test_links_are_made_once_for_each_frame(folder_store: FolderStore) -> None:
    links = await links_of([PICTURE, VIDEO, PICTURE], folder_store)
    assert list(links) == [PICTURE.key, VIDEO.key]
    assert all(link.startswith("file://") for link in links.values())


async def test_the_record_has_addresses_that_last(
    s3_store: S3Store, public_store: S3Store, folder_store: FolderStore
) -> None:
    async def lasting(store: Store) -> str:
        return lasting_addresses([PICTURE], await links_of([PICTURE], store), store)[PICTURE.key]

    assert await lasting(s3_store) == f"{s3_store.name}/{PICTURE.key}"
    assert await lasting(public_store) == await public_store.link(PICTURE.key)
    assert await lasting(folder_store) == await folder_store.link(PICTURE.key)


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2], [2, 3, 1]])
async def test_the_latest_is_the_run_that_started_last_whichever_is_published_last(
    folder_store: FolderStore, order: list[int]
) -> None:
    for number in order:
        await publish(board(run=f"20261031-17400{number}-abcdef01"), {}, folder_store)
    latest = json.loads(await folder_store.get("boards/夜景 1/latest.json") or b"")
    assert latest["run"] == f"20261031-17400{max(order)}-abcdef01"
    assert await folder_store.get(latest["manifest"])
    assert await folder_store.get(latest["page"])


async def test_runs_that_are_published_at_once_agree_on_the_latest(s3_store: S3Store) -> None:
    runs = [f"20261031-1740{number:02d}-abcdef01" for number in range(12)]
    await asyncio.gather(*(publish(board(run=run), {}, s3_store) for run in runs))
    assert json.loads(await s3_store.get("boards/夜景 1/latest.json") or b"")["run"] == runs[-1]


async def test_a_board_that_does_not_fit_into_the_temporary_folder_may_be_published_later(
    folder_store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    links = await links_of([PICTURE], folder_store)
    with pytest.raises(StoreUnavailable, match=r"cannot be kept in the temporary folder .*gone: No such file"):
        await publish(board(PICTURE), links, folder_store)
