import unicodedata
from pathlib import PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from previs.store import keys

names = st.text(st.characters(), max_size=90) | st.text("aA. /\\~:_-con1", max_size=12)


@pytest.mark.parametrize(
    "name", ["城市夜景", "Act 1, Scene 2 (night)", "SQ010_SH010", "夜景，第一幕！", "a.b", "été", "🎬 1"]
)
def test_an_ordinary_name_stays_as_it_is(name: str) -> None:
    assert keys.part(name) == name


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("act 1/scene 2", "act 1_scene 2~"),
        ("../../etc", "_._.._etc~"),
        ("..", "__~"),
        (".hidden", "_hidden~"),
        ("", "_~"),
        ("CON", "_CON~"),
        ("nul.png", "_nul.png~"),
        ("COM¹", "_COM¹~"),
        ("latest.json", "_latest.json~"),
        ("picks", "_picks~"),
        ("Numbers", "_Numbers~"),
        ("night. ", "night._~"),
        ("a\r\nb", "a__b~"),
        ("100%", "100_~"),
        ("x" * 200, "x" * 60 + "~"),
    ],
)
def test_a_name_that_cannot_be_a_part_stays_readable_and_is_marked(name: str, readable: str) -> None:
    made = keys.part(name)
    assert made.startswith(readable)
    assert len(made) == len(readable) + 10


@given(names)
@example("\ud800")
@example("e\u0301")
def test_any_name_becomes_one_part_that_every_file_system_takes(name: str) -> None:
    made = keys.part(name)
    assert keys.fault_of(f"boards/{made}/x") is None
    assert len(made.encode()) <= 255
    assert not set(made) & set('/\\:*?"<>|')
    assert made[0] not in ". "
    assert made[-1] not in ". "
    assert made.lower() not in {"latest.json", "picks", "numbers"}
    assert PureWindowsPath("C:/store").joinpath(made).parts == ("C:\\", "store", made)


@given(names, names)
@example("a/b", "a_b")
@example("a:b", "a/b")
@example("x" * 61, "x" * 60)
@example("a/b", keys.part("a/b"))
def test_different_names_never_share_a_part(one: str, other: str) -> None:
    same_text = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (keys.part(one) == keys.part(other)) == same_text


@given(names)
@example("-rf")
@example("--help")
def test_no_part_is_an_option_of_a_command(name: str) -> None:
    assert not keys.part(name).startswith("-")


def test_a_name_spelled_with_combining_accents_is_the_same_name() -> None:
    assert keys.part("e\u0301te\u0301") == keys.part("été") == "été"


def test_the_layout_is_the_one_that_is_promised() -> None:
    sha = "ab" * 32
    assert keys.frame_key(sha, ".PNG") == f"frames/ab/{sha}.png"
    assert keys.take_key("f" * 64) == f"takes/{'f' * 64}.json"
    assert keys.run_prefix("城市", "2026-07-01 run") == "boards/城市/2026-07-01 run/"
    assert keys.run_key("城市", "r1", "manifest.json") == "boards/城市/r1/manifest.json"
    assert keys.latest_key("城市") == "boards/城市/latest.json"
    assert keys.pick_key("城市", "SH010") == "boards/城市/picks/SH010.json"
    assert keys.number_key("城市", 12) == "boards/城市/numbers/12.json"
    assert keys.shot_list_key(sha) == f"lists/{sha}.json"


@pytest.mark.parametrize("suffix", ["", "png", "./../x", ".p/n", ".verylongsuffix", ".中", ".."])
def test_an_invalid_suffix_is_left_out(suffix: str) -> None:
    assert keys.frame_key("ab" * 32, suffix) == f"frames/ab/{'ab' * 32}"


@given(names, names | st.sampled_from(["latest.json", "picks", "numbers", "Picks", "NUMBERS"]))
@example("城市", "latest.json")
@example("城市", "picks")
@example("城市", "numbers")
def test_no_run_can_have_the_key_of_a_boards_own_records(board: str, run: str) -> None:
    kept = {keys.latest_key(board), keys.picks_prefix(board), keys.numbers_prefix(board)}
    assert keys.run_prefix(board, run).rstrip("/").lower() not in {each.rstrip("/").lower() for each in kept}
    assert keys.run_prefix(board, run).count("/") == 3


@pytest.mark.parametrize("key", ["a", "a/b", "..a/b..", "boards/城市 夜景/x.html", "x" * 1024])
def test_a_usable_key_has_no_fault(key: str) -> None:
    assert keys.fault_of(key) is None


@pytest.mark.parametrize("key", ["x" * 1025, "中" * 342, "\udc80", "a/..", "./a"])
def test_an_unusable_key_has_one(key: str) -> None:
    assert keys.fault_of(key)
