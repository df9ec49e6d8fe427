"""previs animatic makes a film of a board in a store, and says what is not as the board says."""

from pathlib import Path

import pytest

from previs.store import FolderStore
from tests.previs.animatic.films import GREEN, RED, board, clip, colours, pictures, png, runs, still, video, wav
from tests.previs.command.conftest import Call
from tests.previs.records.published import put_run

PICTURES = (png((64, 36), RED), clip([GREEN] * 12, 24))
SHOTS = [
    {"dialogue": "等一下！", "sound": "rain", "camera": {"movement": "orbit"}},
    {"sound": "horn.wav"},
    {"dialogue": "x"},
]


@pytest.fixture
async def store(tmp_path: Path) -> str:
    made = board(
        still(PICTURES[0]),
        video(PICTURES[1]),
        None,
        shots=SHOTS,
        board="渔港 1",
        title="渔港",
        fps=25,
        durations=(0.52, 1, 0.2),
    )
    async with FolderStore(tmp_path / "store") as folder:
        await put_run(folder, made, PICTURES)
        return folder.name


def test_a_board_becomes_a_film_with_its_subtitles_beside_it(call: Call, store: str, tmp_path: Path) -> None:
    ended = call("animatic", "渔港 1", "out.mp4", "--store", store, "--moves")
    assert ended.code == 0
    assert ended.out == (
        "run 20261031-174001-abcdef01: 3 shots, 43 frames at 25 fps (1.72 s), 128 × 72, 2 subtitles, "
        "1 shot without a picture, shown as slates: out.mp4\n"
    )
    assert ended.err.splitlines() == [
        "note: movements that no still can show: orbit",
        "note: the sounds of 2 shots are not heard without --sounds FOLDER: SH01 (rain), SH02 (horn.wav)",
        "written: out.srt",
    ]
    assert runs(colours(tmp_path / "out.mp4")) == "R13 G25 K5"
    assert (tmp_path / "out.srt").read_text("utf-8").startswith("1\n00:00:00,000 --> 00:00:00,520\n等一下！\n")
    again = call("animatic", "渔港 1", "out.mp4", "--store", store)
    assert again.code == 2
    assert "it already exists: move it away, or give another name" in again.err


def test_options_reach_the_film(call: Call, store: str, tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "horn.wav").write_bytes(wav(0.5))
    options = ["--size", "96x96", "--slates", "--subtitles", "none", "--push", "--fade", "0.2", "--sounds", "sounds"]
    ended = call("animatic", "渔港 1", "out.mp4", "--store", store, *options, "--shots-to", "own")
    assert (ended.code, "subtitle" in ended.err) == (0, False)
    assert "note: the sounds of 1 shot are no files in sounds: SH01 (rain)" in ended.err
    assert "written: 3 shots in own" in ended.err
    assert pictures(tmp_path / "out.mp4")[0].size == (96, 96)
    assert not (tmp_path / "out.srt").exists()
    assert [len(pictures(tmp_path / "own" / f"SH0{each}.mp4")) for each in (1, 2, 3)] == [13, 25, 5]


def test_a_lost_picture_is_a_slate_and_an_exit_code(call: Call, store: str, tmp_path: Path) -> None:
    for each in (tmp_path / "store" / "frames").rglob("*.png"):
        each.unlink()
    ended = call("animatic", "渔港 1", "out.mp4", "--store", store)
    assert ended.code == 1
    assert "shot SH01, take 1: frames/" in ended.err
    assert "run the list again to render it again" in ended.err
    assert runs(colours(tmp_path / "out.mp4"))[-6:] == "G25 K5"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["渔港 1", "out.mov"], "an animatic is written as .mp4"),
        (["渔港 1", "out.mp4", "--size", "1281x720"], "give a size such as 1280x720, with even sides"),
        (["渔港 1", "out.mp4", "--size", "16:9"], "--size: 16:9: give a size"),
        (["渔港 2", "out.mp4"], "there is '渔港 1'"),
        (["渔港 1", "out.mp4", "--run", "x"], "has no run 'x'"),
        (["渔港 1", "out.mp4", "--font", "none.ttf"], "give the file of a font"),
        (["渔港 1", "out.mp4", "--audio", "none.wav"], "give WAV, FLAC"),
        (["渔港 1", "no/out.mp4"], "No such file or directory"),
    ],
)
def test_what_cannot_be_made_is_said(call: Call, store: str, tmp_path: Path, words: list[str], said: str) -> None:
    ended = call("animatic", *words, "--store", store)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out.mp4").exists()
