"""Check that temporary files live as long as they are used, stay within a limit together, and go after a kill."""

import gc
import os
from pathlib import Path

import pytest

from previs.pictures.spill import SpillFolder, remove_abandoned


def test_a_file_lives_as_long_as_it_is_used() -> None:
    first = SpillFolder().keep(b"one")
    assert (first.path.read_bytes(), first.size) == (b"one", 3)
    path = first.path
    del first
    gc.collect()
    assert not path.parent.exists()


def test_the_end_of_a_block_removes_the_folder() -> None:
    with SpillFolder() as spill:
        kept = spill.keep(b"one")
    assert not kept.path.parent.exists()


def fail_after_writing(path: Path) -> None:
    path.write_bytes(b"two")
    raise ValueError("damaged")


def test_a_file_is_used_again_empty_unless_its_block_failed() -> None:
    spill = SpillFolder()
    with spill.reused() as first, spill.reused() as second:
        assert first != second
        first.write_bytes(b"one")
    with spill.reused() as again:
        assert again == first
        assert again.read_bytes() == b""
        with pytest.raises(ValueError, match="damaged"), spill.reused() as failed:
            fail_after_writing(failed)
    assert not failed.exists()
    with spill.reused() as one, spill.reused() as other:
        assert failed not in {one, other}


def test_files_that_are_too_large_together_are_noticed() -> None:
    spill = SpillFolder(most=10)
    assert [spill.has_room(spill.keep(bytes(4))) for _ in range(4)] == [True, True, False, False]


def test_the_folder_of_a_killed_program_is_removed_and_that_of_a_living_one_stays(abandoned: Path) -> None:
    mine = SpillFolder().keep(b"mine")
    assert remove_abandoned() == [abandoned]
    assert mine.path.read_bytes() == b"mine"
    assert not abandoned.exists()


def test_what_is_below_a_link_in_an_abandoned_folder_stays(abandoned: Path, temporary: Path) -> None:
    (temporary / "film").mkdir()
    film = temporary / "film" / "frame.png"
    film.write_bytes(b"film")
    (abandoned / "folder").mkdir()
    for link, target in (("a", film), ("b", film.parent), ("folder/c", film.parent)):
        (abandoned / link).symlink_to(target)
    assert remove_abandoned() == [abandoned]
    assert film.read_bytes() == b"film"


def test_what_only_has_the_name_of_an_abandoned_folder_stays(abandoned: Path, temporary: Path) -> None:
    def named(letter: str) -> Path:
        return abandoned.with_name(abandoned.name[:-8] + letter * 8)

    abandoned.rename(temporary / "moved")
    named("a").symlink_to(temporary / "moved")
    named("b").write_bytes(b"a file")
    named("c").mkdir(mode=0o755)
    abandoned.with_name("previs-0123abcd").mkdir(mode=0o700)
    abandoned.with_name("previs-00000000-other_pc").mkdir(mode=0o700)
    if os.getuid() == 0:
        named("d").mkdir(mode=0o700)
        os.chown(named("d"), 65_534, 65_534)
    before = sorted(temporary.rglob("*"))
    assert remove_abandoned() == []
    assert sorted(temporary.rglob("*")) == before
