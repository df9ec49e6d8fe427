"""A run is downloaded completely, under readable names, and only what is missing."""

import asyncio
import html
import os
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import NotInStore, RecordUnreadable, StoreRefused
from previs.publishing.pull import file_names, pull
from previs.records.manifest import Manifest
from previs.store import FolderStore, Store, keys
from tests.previs.records.published import frame, manifest, put_run, run_name, sha, shot, take

BOARD = "夜景/1"
CONTENTS = (b"one", b"two", b"three")
WHOLE = manifest(
    shot("SQ010_SH020", take(1, b"one"), take(2, b"two", b"three")), shot("镜头 1", take(1, b"one")), board=BOARD
)
NAMES = {
    "SQ010_SH020_t01.png": b"one",
    "SQ010_SH020_t02_1.png": b"two",
    "SQ010_SH020_t02_2.png": b"three",
    "镜头 1_t01.png": b"one",
}


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "here" / "下来"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def ages(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.png")}


def relative(page: bytes) -> set[str]:
    """Names of files that a page shows or links to."""
    found = re.findall(r'(?:src|href|poster|data-before)="([^"]*)"', page.decode())
    return {unquote(html.unescape(each)) for each in found if not each.startswith(("data:", "#"))}


async def manifest_of(store: Store, made: Manifest) -> bytes:
    content = await store.get(keys.run_key(made.board, made.run, "manifest.json"))
    assert content is not None
    return content


async def test_a_run_comes_with_its_frames_its_manifest_and_a_page_that_shows_them(store: Store, folder: Path) -> None:
    await put_run(store, WHOLE, CONTENTS)
    done = await pull(store, BOARD, folder)
    assert done.fetched == {name: len(content) for name, content in NAMES.items()}
    assert (done.kept, done.failed, done.run) == ((), {}, WHOLE.run)
    found = files(folder)
    assert found.pop("manifest.json") == await manifest_of(store, WHOLE)
    page = found.pop("index.html")
    assert found == NAMES
    # A frame that two shots share has two names, and one address.
    assert relative(page) == set(NAMES) - {"SQ010_SH020_t01.png"}


async def test_what_is_there_is_not_brought_again(store: Store, folder: Path) -> None:
    await put_run(store, WHOLE, CONTENTS)
    await pull(store, BOARD, folder)
    before = ages(folder)
    await store.delete(list(await store.entries(keys.FRAMES)))
    done = await pull(store, BOARD, folder)
    assert (done.fetched, done.failed, set(done.kept)) == ({}, {}, set(NAMES))
    assert ages(folder) == before


async def test_only_what_is_missing_cut_or_changed_is_brought(store: Store, folder: Path) -> None:
    await put_run(store, WHOLE, CONTENTS)
    await pull(store, BOARD, folder)
    (folder / "SQ010_SH020_t01.png").unlink()
    (folder / "SQ010_SH020_t02_1.png").write_bytes(b"tw")
    (folder / "SQ010_SH020_t02_2.png").write_bytes(b"THREE")
    (folder / "notes.txt").write_text("mine", "utf-8")
    done = await pull(store, BOARD, folder)
    assert set(done.fetched) == set(NAMES) - {"镜头 1_t01.png"}
    assert files(folder) | NAMES | {"notes.txt": b"mine"} == files(folder)


async def test_another_run_can_be_brought(store: Store, folder: Path) -> None:
    await put_run(store, WHOLE, CONTENTS)
    await put_run(store, manifest(shot("A", take(1, b"two")), board=BOARD, number=2), CONTENTS)
    assert (await pull(store, BOARD, folder)).fetched == {"A_t01.png": 3}
    assert (await pull(store, BOARD, folder / "old", run=run_name(1))).run == run_name(1)
    assert set(NAMES) < set(files(folder / "old"))
    with pytest.raises(NotInStore):
        await pull(store, BOARD, folder, run="20261031")


async def test_a_missing_and_a_damaged_frame_are_reported_and_the_others_downloaded(store: Store, folder: Path) -> None:
    thumbnail = "data:image/png;base64,iVBORw0KGgo="
    shots = (
        shot("A", take(1, frames=(frame(b"one", thumbnail=thumbnail),))),
        shot("B", take(1, b"two")),
        shot("C", take(1, b"three")),
    )
    made = manifest(*shots, board=BOARD)
    await put_run(store, made, CONTENTS)
    await store.delete([frame(b"one").key])
    await store.put(frame(b"two").key, b"TWO", media_type="image/png")
    done = await pull(store, BOARD, folder)
    assert done.fetched == {"C_t01.png": 5}
    assert done.failed == {
        "A_t01.png": (f"{store.name} has no {frame(b'one').key} (A_t01.png): run the list again to render it again"),
        "B_t01.png": (
            f"file 'B_t01.png' is damaged: the bytes of {store.uri(frame(b'two').key)} "
            "have changed since it was rendered"
        ),
    }
    found = files(folder)
    assert set(found) == {"C_t01.png", "manifest.json", "index.html"}
    assert relative(found["index.html"]) == {"C_t01.png"}
    assert thumbnail in html.unescape(found["index.html"].decode())


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "../outside.png"},
        {"key": "references/secret.png"},
        {"key": "/etc/passwd"},
        {"key": "frames/../references/secret.png"},
        {"key": ""},
        {"key": "frames/../../x.png", "sha256": "../x"},
        {"sha256": ""},
    ],
)
async def test_a_frame_that_the_manifest_names_by_no_frames_key_is_not_brought(
    store: Store, folder: Path, changes: dict[str, str]
) -> None:
    bad = frame(b"one", **changes)
    made = manifest(shot("A", take(1, frames=(bad,))), shot("B", take(1, b"two")), board=BOARD)
    await put_run(store, manifest(board=BOARD))
    await store.put(frame(b"two").key, b"two", media_type="image/png")
    content = made.model_dump_json(by_alias=True).encode()
    await store.put(keys.run_key(BOARD, made.run, "manifest.json"), content, media_type="application/json")
    done = await pull(store, BOARD, folder)
    assert set(done.fetched) == {"B_t01.png"}
    ((_, sentence),) = done.failed.items()
    assert "which is not the key of a frame" in sentence


async def test_a_link_in_the_folder_is_replaced_and_not_written_through(folder_store: Store, tmp_path: Path) -> None:
    await put_run(folder_store, WHOLE, CONTENTS)
    outside, folder = tmp_path / "outside.txt", tmp_path / "here"
    outside.write_bytes(b"mine")
    folder.mkdir()
    try:
        (folder / "SQ010_SH020_t01.png").symlink_to(outside)
    except OSError:
        pytest.skip("this system makes no symbolic links for this user")
    await pull(folder_store, BOARD, folder)
    assert outside.read_bytes() == b"mine"
    assert (folder / "SQ010_SH020_t01.png").read_bytes() == b"one"


async def test_a_folder_that_is_a_file_is_reported_before_any_download(folder_store: Store, tmp_path: Path) -> None:
    await put_run(folder_store, WHOLE, CONTENTS)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreRefused, match="a part of the path is a file"):
        await pull(folder_store, BOARD, tmp_path / "file")


async def test_a_damaged_manifest_brings_nothing(store: Store, folder: Path) -> None:
    await put_run(store, WHOLE, CONTENTS)
    await store.put(keys.run_key(BOARD, WHOLE.run, "manifest.json"), b"{", media_type="application/json")
    with pytest.raises(RecordUnreadable):
        await pull(store, BOARD, folder)
    assert files(folder) == {}


async def test_progress_is_reported_frame_by_frame(folder_store: Store, folder: Path) -> None:
    await put_run(folder_store, WHOLE, CONTENTS)
    reports: list[tuple[int, int]] = []
    await pull(folder_store, BOARD, folder, report=lambda done, of: reports.append((done, of)))
    assert reports == [(number, 4) for number in range(1, 5)]


async def test_a_frame_of_an_earlier_version_that_a_browser_would_run_comes_as_plain_bytes(
    store: Store, folder: Path
) -> None:
    script = b"<script>alert(1)</script>"
    old = frame(script, ".html", media_type="application/octet-stream", width=None, height=None)
    made = manifest(shot("-rf", take(1, frames=(old,))), board=BOARD)
    await put_run(store, made, (script,))
    done = await pull(store, BOARD, folder)
    assert (set(done.fetched), done.failed) == ({"_rf_t01.bin"}, {})
    assert relative((folder / "index.html").read_bytes()) == set()


async def test_a_page_for_a_strict_host_comes_with_its_style_and_script_beside_it(store: Store, folder: Path) -> None:
    await put_run(store, WHOLE, CONTENTS)
    await pull(store, BOARD, folder, beside=True)
    page = (folder / "index.html").read_bytes()
    assert {"board.css", "board.js"} < relative(page) < {*NAMES, "board.css", "board.js"}
    assert all((folder / name).read_bytes() for name in relative(page))
    assert b"<style" not in page


class _GoneAfterOne(FolderStore):
    """A store whose drive is pulled out after the first frame."""

    given = 0

    async def get_file(self, key: str, path: Path, *, limit: int) -> bool:
        self.given += 1
        if self.given > 1:
            raise StoreRefused(self.name, "it is gone")
        return await super().get_file(key, path, limit=limit)


async def test_a_store_that_is_gone_ends_the_pull_and_what_came_stays(folder_store: FolderStore, folder: Path) -> None:
    await put_run(folder_store, WHOLE, CONTENTS)
    with pytest.raises(StoreRefused, match="it is gone"):
        await pull(_GoneAfterOne(folder_store.name), BOARD, folder)
    assert {name for name in files(folder) if not name.endswith(".part")} <= set(NAMES)
    done = await pull(folder_store, BOARD, folder)
    assert set(done.fetched) | set(done.kept) == set(NAMES)


async def test_a_store_that_is_gone_is_asked_no_more(folder_store: FolderStore, folder: Path) -> None:
    many = [b"%d" % number for number in range(50)]
    await put_run(folder_store, manifest(shot("A", take(1, *many)), board=BOARD), many)
    gone = _GoneAfterOne(folder_store.name)
    with pytest.raises(StoreRefused):
        await pull(gone, BOARD, folder)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*left, return_exceptions=True)
    assert gone.given < len(many)


def names_of(*shot_ids: int | str, content: bytes = b"one") -> list[str]:
    """One frame each, all of other bytes."""
    shots = (shot(each, take(1, content + str(number).encode())) for number, each in enumerate(shot_ids))
    return list(file_names(manifest(*shots)))


@pytest.mark.parametrize(
    ("shot_id", "name"),
    [
        ("SQ010_SH020", "SQ010_SH020_t01.png"),
        (7, "7_t01.png"),
        ("镜头 1", "镜头 1_t01.png"),
        ("a/b", "a_b_t01.png"),
        ("con", "_con_t01.png"),
        (".h", "_h_t01.png"),
    ],
)
def test_names_are_those_of_people_as_far_as_every_system_takes_them(shot_id: int | str, name: str) -> None:
    assert names_of(shot_id) == [name]


def test_names_that_would_be_one_file_are_marked_by_their_shots() -> None:
    assert names_of("a/b", "a:b") == [f"a_b~{sha(b'a/b')[:10]}_t01.png", f"a_b~{sha(b'a:b')[:10]}_t01.png"]


def test_names_that_differ_only_in_case_are_marked_by_their_shots() -> None:
    first = names_of("sh10", "SH20", "SH10")
    assert first == [f"sh10~{sha(b'sh10')[:10]}_t01.png", "SH20_t01.png", f"SH10~{sha(b'SH10')[:10]}_t01.png"]
    assert set(names_of("SH10", "new", "sh10", content=b"later")) >= {first[0], first[2]}
    assert len(first[0]) == len("sh10~0123456789_t01.png")


ODD = ["a", "A", "a_t01", "é", "e\u0301", "É", "ß", "SS", "ﬁ", "fi", "ı", "i", "I", "con", "CON", "nul.x", "🎬" * 70]
IDS = st.text(min_size=1, max_size=80) | st.sampled_from(ODD)


@given(st.lists(st.tuples(IDS, st.lists(st.integers(1, 3), min_size=1, max_size=2, unique=True)), max_size=8))
def test_no_two_frames_share_a_name_on_any_disk_and_no_name_leads_out(
    wanted: list[tuple[str, list[int]]],
) -> None:
    shots = [
        shot(shot_id, *(take(each, *(f"{place} {each} {n}".encode() for n in range(each))) for each in takes))
        for place, (shot_id, takes) in enumerate(wanted)
    ]
    made = manifest(*shots)
    named = file_names(made)
    frames = [one for entry in made.shots for each in entry.takes for one in each.frames]
    assert sorted(one.key for one in named.values()) == sorted(one.key for one in frames)
    folded = {unicodedata.normalize("NFKC", name).casefold() for name in named}
    assert len(folded) == len({name.upper() for name in named}) == len(frames)
    for name in named:
        assert PurePosixPath(name).name == PureWindowsPath(name).name == name
        assert not PureWindowsPath(name).drive
        assert len(name.encode()) <= 255
        assert not name.startswith(".")
        assert name == name.rstrip(". ")


async def test_a_frame_larger_than_its_record_says_is_not_read_on(folder_store: FolderStore, folder: Path) -> None:
    await put_run(folder_store, manifest(shot("A", take(1, b"one")), board=BOARD), CONTENTS)
    os.truncate(folder_store.uri(frame(b"one").key), 10**12)
    done = await pull(folder_store, BOARD, folder)
    assert "it has more than 3 bytes" in done.failed["A_t01.png"]
    assert set(files(folder)) == {"manifest.json", "index.html"}
