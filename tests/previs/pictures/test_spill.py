"""Check that temporary files live as long as they are used, and stay within a limit together."""

import gc

from previs.pictures.spill import SpillFolder


def test_a_file_lives_as_long_as_it_is_used() -> None:
    first = SpillFolder().keep(b"one")
    assert (first.path.read_bytes(), first.size) == (b"one", 3)
    path = first.path
    del first
    gc.collect()
    assert not path.parent.exists()


def test_files_that_are_too_large_together_are_noticed() -> None:
    spill = SpillFolder(most=10)
    assert [spill.has_room(spill.keep(bytes(4))) for _ in range(4)] == [True, True, False, False]
