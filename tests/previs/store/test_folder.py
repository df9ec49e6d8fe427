import asyncio
import errno
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from previs.errors import StoreRefused, StoreUnavailable
from previs.store import FolderStore, keys


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def everything(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def mode(path: Path) -> int:
    return path.stat().st_mode


def test_a_folder_is_shown_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FolderStore("板")
    monkeypatch.chdir(tmp_path.parent)
    assert store.name == str(tmp_path / "板")
    assert store.public


async def test_a_check_creates_the_folder_and_leaves_it_empty(folder_store: FolderStore, tmp_path: Path) -> None:
    await folder_store.check()
    assert everything(tmp_path) == ["store", "故事 板"]


def test_a_write_that_fails_leaves_the_old_bytes_and_nothing_else(folder_store: FolderStore) -> None:
    def half(target: BinaryIO) -> None:
        target.write(b"half")
        raise KeyboardInterrupt

    folder_store._write("takes/a.json", lambda target: target.write(b"old"))
    with pytest.raises(KeyboardInterrupt):
        folder_store._write("takes/a.json", half)
    assert folder_store._read("takes/a.json", 3) == b"old"
    assert files(Path(folder_store.name)) == {"a.json"}


async def test_a_half_written_file_of_a_killed_program_is_not_listed(folder_store: FolderStore) -> None:
    await folder_store.put("takes/a.json", b"{}", media_type="application/json")
    (Path(folder_store.name) / "takes" / ".0123456789abcdef.part").write_bytes(b"half")
    assert list(await folder_store.entries("")) == ["takes/a.json"]


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the paths that are written to the disk, by their order."""
    paths: list[str] = []
    sync = os.fsync

    def record(descriptor: int) -> None:
        paths.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return paths


LINUX_ONLY = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux names open files")


@LINUX_ONLY
async def test_a_file_that_a_writer_was_told_of_survives_a_loss_of_power(
    folder_store: FolderStore, tmp_path: Path, synced: list[str]
) -> None:
    source, root = tmp_path / "source", folder_store.name
    source.write_bytes(b"frame")
    writers = {
        "takes/a.json": lambda key: folder_store.put(key, b"{}", media_type="application/json"),
        "boards/b/numbers/1.json": lambda key: folder_store.create(key, b"{}", media_type="application/json"),
        "frames/ab/c.png": lambda key: folder_store.put_file(key, source, media_type="image/png"),
    }
    for key, write in writers.items():
        synced.clear()
        await write(key)
        content, *folders = synced
        assert content.endswith(".part")
        assert folders == [str(each) for each in (Path(root) / key).parents if each.is_relative_to(root)]
    synced.clear()
    await folder_store.put("takes/d.json", b"{}", media_type="application/json")
    assert synced[1:] == [f"{root}/takes"]


@LINUX_ONLY
async def test_a_folder_that_is_made_again_is_written_to_the_disk_again(
    folder_store: FolderStore, synced: list[str]
) -> None:
    await folder_store.put("frames/ab/c.png", b"", media_type="image/png")
    for path in (Path(folder_store.name) / "frames" / "ab").iterdir():
        path.unlink()
    (Path(folder_store.name) / "frames" / "ab").rmdir()
    synced.clear()
    await folder_store.put("frames/ab/c.png", b"", media_type="image/png")
    assert synced[1:] == [f"{folder_store.name}{folder}" for folder in ("/frames/ab", "/frames", "")]


@LINUX_ONLY
async def test_leases_and_heartbeats_do_not_wait_for_the_disk(folder_store: FolderStore, synced: list[str]) -> None:
    for key in (keys.lease_key("b" * 64, 0), keys.heartbeat_key("run")):
        assert await folder_store.create(key, b"{}", media_type="application/json")
        await folder_store.put(key, b"{ }", media_type="application/json")
        assert await folder_store.get(key) == b"{ }"
    assert synced == []
    await folder_store.put(keys.cancelled_key("prompt"), b"{}", media_type="application/json")
    assert synced != []


@LINUX_ONLY
async def test_a_system_that_syncs_no_folders_keeps_files_all_the_same(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    await folder_store.put("takes/a.json", b"{}", media_type="application/json")
    assert await folder_store.get("takes/a.json") == b"{}"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Provide a folder outside the store, with a file."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "secret.json").write_bytes(b"secret")
    return folder


async def test_a_link_out_of_the_store_is_not_followed(folder_store: FolderStore, elsewhere: Path) -> None:
    boards = Path(folder_store.name) / "boards"
    boards.mkdir(parents=True)
    (boards / "night").symlink_to(elsewhere)
    (boards / "file.json").symlink_to(elsewhere / "secret.json")
    (boards / "inside.json").symlink_to("real.json")
    (boards / "real.json").write_bytes(b"{}")
    for work in (
        folder_store.get("boards/night/secret.json"),
        folder_store.get("boards/file.json"),
        folder_store.put("boards/night/new.json", b"{}", media_type="application/json"),
        folder_store.create("boards/night/new.json", b"{}", media_type="application/json"),
        folder_store.delete(["boards/night/secret.json"]),
        folder_store.entries("boards/night"),
    ):
        with pytest.raises(StoreRefused, match="a symbolic link leads out of the store"):
            await work
    assert set(await folder_store.entries("boards")) == {"boards/inside.json", "boards/real.json"}
    assert await folder_store.get("boards/inside.json") == b"{}"
    assert everything(elsewhere) == ["secret.json"]
    await folder_store.put("boards/file.json", b"{}", media_type="application/json")
    assert (elsewhere / "secret.json").read_bytes() == b"secret"


async def test_the_store_and_its_folders_may_be_on_other_disks(tmp_path: Path, elsewhere: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "frames").symlink_to(elsewhere)
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    store = FolderStore(tmp_path / "linked")
    await store.check()
    await store.put("frames/ab/c.png", b"frame", media_type="image/png")
    assert (elsewhere / "ab" / "c.png").read_bytes() == b"frame"
    assert await store.get("frames/ab/c.png") == b"frame"
    assert set(await store.entries("frames")) == {"frames/ab/c.png", "frames/secret.json"}
    await store.delete(["frames/ab/c.png"])
    assert not (elsewhere / "ab").exists()


async def test_files_have_the_permissions_of_the_umask(folder_store: FolderStore, tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_bytes(b"")
    await folder_store.put("frames/a.png", b"frame", media_type="image/png")
    assert mode(Path(folder_store.uri("frames/a.png"))) == mode(ordinary)


@pytest.mark.parametrize("inside", ["", "deeper"])
async def test_a_file_instead_of_the_folder_is_refused(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = FolderStore(tmp_path / "file" / inside)
    with pytest.raises(StoreRefused, match="is a file, not a folder"):
        await store.check()


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
async def test_a_folder_that_no_path_can_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreRefused, match="a path cannot contain"):
        await FolderStore(tmp_path / name).check()


async def test_a_folder_instead_of_a_file_is_refused(folder_store: FolderStore) -> None:
    await folder_store.put("takes/a/b", b"", media_type="text/plain")
    with pytest.raises(StoreRefused, match="there is a folder where a file should be"):
        await folder_store.put("takes/a", b"", media_type="text/plain")
    assert files(Path(folder_store.name)) == {"b"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_to_write_is_refused(folder_store: FolderStore) -> None:
    folder_store._check()
    Path(folder_store.name).chmod(0o500)
    with pytest.raises(StoreRefused, match="no permission"):
        folder_store._check()


async def test_a_colon_is_refused_because_windows_cannot_hold_it(folder_store: FolderStore) -> None:
    with pytest.raises(StoreRefused, match="Windows"):
        await folder_store.put("frames/a:b.png", b"", media_type="image/png")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.EACCES, StoreRefused),
        (errno.ENOSPC, StoreRefused),
        (errno.EROFS, StoreRefused),
        (errno.ENAMETOOLONG, StoreRefused),
        (errno.EIO, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
        (errno.ETIMEDOUT, StoreUnavailable),
    ],
)
def test_a_person_is_asked_only_where_time_does_not_help(
    folder_store: FolderStore, number: int, expected: type[Exception]
) -> None:
    assert type(folder_store._error(Path("/x"), OSError(number, "words"))) is expected


def test_a_file_that_another_program_has_open_on_windows_is_tried_again(folder_store: FolderStore) -> None:
    error = OSError(errno.EACCES, "words")
    error.winerror = 32  # type: ignore[attr-defined]
    assert type(folder_store._error(Path("/x"), error)) is StoreUnavailable


async def test_addresses_of_a_folder_last(folder_store: FolderStore) -> None:
    assert folder_store.link_seconds is None


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
async def test_exactly_one_creates_a_key_on_file_systems_without_links(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(*_: object) -> None:
        raise OSError(number, "words")

    monkeypatch.setattr(os, "link", link)
    created = await asyncio.gather(
        *(folder_store.create("takes/lock", b"%d" % number, media_type="text/plain") for number in range(12))
    )
    assert created.count(True) == 1
    assert await folder_store.get("takes/lock") == b"%d" % created.index(True)
    assert files(Path(folder_store.name)) == {"lock"}


async def test_empty_folders_are_removed_but_not_the_store_itself(folder_store: FolderStore, tmp_path: Path) -> None:
    for key in ("boards/b/run 1/index.html", "boards/b/run 2/index.html"):
        await folder_store.put(key, b"", media_type="text/html")
    await folder_store.delete(["boards/b/run 1/index.html"])
    assert everything(Path(folder_store.name)) == ["b", "boards", "index.html", "run 2"]
    await folder_store.delete(["boards/b/run 2/index.html"])
    assert everything(Path(folder_store.name)) == []
    assert await folder_store.entries("") == {}
    assert everything(tmp_path) == ["store", "故事 板"]


async def test_a_folder_that_a_deletion_takes_away_before_it_is_written_to_is_made_again(
    folder_store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, taken = os.mkdir, []

    def made_and_taken_away(folder: Path, *how: Any) -> None:
        make(folder, *how)
        if len(taken) < 3:
            taken.append(folder)
            os.rmdir(folder)  # noqa: PTH106 - it is os.mkdir that it goes with

    monkeypatch.setattr(os, "mkdir", made_and_taken_away)
    await folder_store.put("frames/ab/a", b"frame", media_type="image/png")
    assert await folder_store.get("frames/ab/a") == b"frame"
    assert len(taken) == 3


async def test_writing_beside_deletions_never_fails(folder_store: FolderStore) -> None:
    async def come_and_go(number: int) -> None:
        for _ in range(40):
            await folder_store.put(f"frames/ab/{number}", b"frame", media_type="image/png")
            assert await folder_store.get(f"frames/ab/{number}") == b"frame"
            await folder_store.delete([f"frames/ab/{number}"])

    await asyncio.gather(*(come_and_go(number) for number in range(6)))
    assert everything(Path(folder_store.name)) == []
