"""What plays when: every shot has whole frames, whose sum is the board's."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.animatic.canvas import canvas_of, size_of
from previs.animatic.moves import PUSH, movement_of
from previs.animatic.subtitles import milliseconds, srt, subtitle_text, subtitles
from previs.animatic.timeline import timeline
from previs.animatic.transitions import is_fade
from previs.animatic.view import Box, Canvas, fit
from previs.errors import ShotListFaults
from previs.publishing.views.sequences import totals
from previs.publishing.views.timecode import exact_fps
from previs.records.manifest import Manifest, PassEntry
from previs.shots.aspect import aspect_of
from tests.previs.animatic.films import RED, board, png, still, video
from tests.previs.records.published import manifest, shot, take

PICTURE = still(png((4, 4), RED))


@given(
    st.lists(st.floats(0.001, 500), min_size=1, max_size=40), st.sampled_from([24, 25, 23.976, 29.97, 30, 12.5, 59.94])
)
def test_shots_follow_each_other_without_gaps_and_are_as_long_as_the_board(lengths: list[float], fps: float) -> None:
    made = board(*[PICTURE] * len(lengths), durations=lengths, fps=fps)
    plays = timeline(made)
    ends = [cue.start + cue.frames for cue in plays.cues]
    assert [cue.start for cue in plays.cues] == [0, *ends[:-1]]
    assert plays.frames == ends[-1] == totals(made).frames
    assert all(cue.frames >= 1 for cue in plays.cues)


@pytest.mark.parametrize(
    ("given_fps", "fps"),
    [
        (24, Fraction(24)),
        (23.976, Fraction(24000, 1001)),
        (23.98, Fraction(24000, 1001)),
        (29.97, Fraction(30000, 1001)),
        (59.94, Fraction(60000, 1001)),
        (12.5, Fraction(25, 2)),
        (1, Fraction(1)),
    ],
)
def test_frame_rates_are_those_of_films(given_fps: float, fps: Fraction) -> None:
    assert exact_fps(given_fps) == fps


@pytest.mark.parametrize("fps", [0, -24, 0.01, 1000, float("nan"), float("inf")])
def test_a_frame_rate_of_no_film_is_a_fault(fps: float) -> None:
    with pytest.raises(ShotListFaults, match="from 1 to 240 frames per second"):
        timeline(board(PICTURE, fps=fps))


def test_a_board_without_time_or_of_days_is_a_fault() -> None:
    with pytest.raises(ShotListFaults, match=r"0 frames: an animatic has from one to 1,000,000 frames"):
        timeline(manifest())
    with pytest.raises(ShotListFaults, match="1,209,600 frames"):
        timeline(board(PICTURE, durations=(50_400.0,)))
    with pytest.raises(ShotListFaults, match="0 frames"):
        timeline(board(PICTURE, durations=(float("nan"),)))


def test_shots_without_a_duration_are_left_out_and_said() -> None:
    plays = timeline(board(PICTURE, PICTURE, durations=(0.0, 1.0)))
    assert [cue.label for cue in plays.cues] == ["SH02"]
    assert plays.notices == ("1 of 2 shots have no duration and are left out",)


def test_the_chosen_take_is_shown_and_of_its_files_the_first_that_can_be_seen() -> None:
    other, sound = still(png((4, 4), (0, 9, 9))), still(b"RIFF", "audio/wav", ".wav")
    takes = (take(1, frames=(PICTURE,)), take(2, frames=(sound, other)), take(3, error="none"))
    picked = timeline(manifest(shot("a", *takes, picked=2), shot("b", *takes), shot("c", take(1, frames=(sound,)))))
    assert [(cue.take, cue.frame) for cue in picked.cues] == [(2, other), (1, PICTURE), (1, None)]
    assert picked.cues[2].reason == "The take has no picture."


def test_of_the_chosen_take_the_last_pass_is_shown() -> None:
    finished = still(png((8, 8), RED))
    made = PassEntry(name="upscale", take=1, outcome="rendered", fingerprint="f", frames=(finished,))
    [cue] = timeline(manifest(shot("a", take(1, frames=(PICTURE,)), passes=(made,)))).cues
    assert (cue.take, cue.pass_name, cue.frame) == (1, "upscale", finished)


def test_failed_shots_say_why() -> None:
    plays = timeline(manifest(shot("a", take(1, error="out of memory")), shot("b")))
    assert [cue.reason for cue in plays.cues] == ["out of memory", "It has no take."]


@pytest.mark.parametrize(
    ("aspect", "size", "canvas"),
    [
        ("16:9", None, Canvas(1280, 720, Box(0, 0, 1280, 720))),
        ("2.39:1", None, Canvas(1280, 536, Box(0, 0, 1280, 536))),
        ("9:16", None, Canvas(720, 1280, Box(0, 0, 720, 1280))),
        ("1920x1080", None, Canvas(1920, 1080, Box(0, 0, 1920, 1080))),
        ("1.85", (1280, 720), Canvas(1280, 720, Box(0, 14, 1280, 692))),
        ("4:3", (1280, 720), Canvas(1280, 720, Box(160, 0, 960, 720))),
    ],
)
def test_the_aspect_decides_the_canvas_and_its_bars(aspect: str, size: tuple[int, int] | None, canvas: Canvas) -> None:
    named = aspect_of(aspect)
    assert named is not None
    assert canvas_of(named, size) == canvas


@given(
    st.fractions(Fraction(1, 4), Fraction(4)),
    st.integers(8, 2048).map(lambda half: 2 * half),
    st.integers(8, 2048).map(lambda half: 2 * half),
)
def test_a_fitted_box_is_even_and_within(ratio: Fraction, width: int, height: int) -> None:
    box = fit(ratio, Box(0, 0, width, height))
    assert all(each % 2 == 0 and each >= 0 for each in (box.left, box.top, box.width, box.height))
    assert box.left + box.width <= width
    assert box.top + box.height <= height
    assert box.width >= width - 1 or box.height >= height - 1


@pytest.mark.parametrize(
    ("text", "size"), [("1280x720", (1280, 720)), (" 1920×1080 ", (1920, 1080)), ("1281x720", None), ("16:9", None),
                       ("9000x9000", None), ("2000x16", None), ("x", None)]
)  # fmt: skip
def test_sizes_are_even_and_bounded(text: str, size: tuple[int, int] | None) -> None:
    assert size_of(text) == size


@pytest.mark.parametrize("aspect", ["wide", {"a": 1}, "0:0", True, [16, 9]])
def test_an_unknown_aspect_of_a_manifest_is_said(aspect: Any) -> None:
    plays = timeline(board(PICTURE, shot_list={"aspect": aspect}))
    assert (plays.canvas.width, plays.canvas.height) == (1280, 720)
    assert "is unknown: 16:9 is used" in plays.notices[0]


def moves(*words: Any, **options: Any) -> list[Any]:
    records = [{"camera": {"movement": each}} for each in words]
    return [cue.move for cue in timeline(board(*[PICTURE] * len(words), shots=records), **options).cues]


def test_cameras_move_over_stills_only_when_asked_for() -> None:
    words = ("push in", "推", "pan left", "左摇", "locked-off", "orbit", None, 3)
    assert moves(*words) == [None] * 8
    push, push_zh, left, left_zh, *rest = moves(*words, moves=True)
    assert push == push_zh == PUSH
    assert left == left_zh
    assert left.across == (1, 0)
    assert rest == [None] * 4
    assert moves(*words, push=True) == [*[PUSH] * 4, None, *[PUSH] * 3]
    assert moves(*words, push=True, moves=True) == [PUSH, PUSH, left, left, None, *[PUSH] * 3]


def test_movements_that_no_still_can_show_are_said() -> None:
    made = board(PICTURE, PICTURE, shots=[{"camera": {"movement": "orbit"}}, {"camera": {"movement": "推"}}])
    assert timeline(made, moves=True).notices == ("movements that no still can show: orbit",)


def test_clips_and_animations_are_not_moved() -> None:
    clips = board(video(b"x"), still(b"y", "image/webp", ".webp", duration=1.0))
    assert [cue.move for cue in timeline(clips, push=True).cues] == [None, None]


def test_a_view_stays_within_its_still() -> None:
    for words in ("push in", "pull out", "pan", "pan left", "tilt up", "tilt down", "crane up", "tracking, zoom in"):
        move = movement_of({"camera": {"movement": words}}).move
        assert move is not None
        for at in (0.0, 0.3, 1.0):
            left, top, right, bottom = move.view(at)
            assert 0 <= left < right <= 1.000001
            assert 0 <= top < bottom <= 1.000001


def said(*lines: Any, fps: float = 24) -> Manifest:
    return board(
        *[PICTURE] * len(lines), shots=[{"dialogue": line} for line in lines], durations=[1.5] * len(lines), fps=fps
    )


def test_subtitles_last_as_long_as_their_shots() -> None:
    plays = timeline(said("MEI: 等等！", None, "  \n ", 12, {"a": 1}))
    assert [(each.start, each.end, each.text) for each in subtitles(plays)] == [
        (0, 36, "MEI: 等等！"),
        (108, 144, "12"),
    ]
    assert srt(subtitles(plays), plays.fps) == (
        "1\n00:00:00,000 --> 00:00:01,500\nMEI: 等等！\n\n2\n00:00:04,500 --> 00:00:06,000\n12\n"
    )


def test_no_dialogue_breaks_the_form_of_a_subtitle_file() -> None:
    text = subtitle_text("a\n\n2\n00:00:00,000 --> 00:00:09,000\r\nb\u2028c\x1b[31m")
    assert text == "a\n2\n00:00:00,000 → 00:00:09,000\nb\nc\\x1b[31m"


@given(st.integers(0, 10**6), st.sampled_from([Fraction(24), Fraction(24000, 1001), Fraction(25)]))
def test_times_of_subtitles_fall_on_their_frames(frame: int, fps: Fraction) -> None:
    assert round(milliseconds(frame, fps) * fps / 1000) == frame


@pytest.mark.parametrize(
    "words",
    [
        "DISSOLVE TO:",
        "Match dissolve to",
        "CROSS FADE",
        "cross-fade to:",
        "X-FADE",
        "FADE OUT.",
        "fade to black",
        "叠化",
        "疊化至：",
        "淡出",
        "淡入",
        "渐隐",
        "化出",
    ],
)
def test_dissolves_and_fades_are_recognized(words: str) -> None:
    assert is_fade(words)


@pytest.mark.parametrize(
    "words", ["", "CUT TO:", "SMASH CUT TO:", "wipe", "facade", "切至：", "硬切", "J-cut", "match cut"]
)
def test_cuts_are_cuts(words: str) -> None:
    assert not is_fade(words)


def test_a_dissolve_belongs_to_the_next_shot_and_is_said() -> None:
    shots = [{"transition": "DISSOLVE TO:"}, {"transition": "CUT TO:"}, {"transition": "FADE OUT"}]
    plays = timeline(board(PICTURE, PICTURE, PICTURE, shots=shots))
    assert [cue.fades_in for cue in plays.cues] == [False, True, False]
    assert plays.notices == ("transitions that are shown as cross-fades: SH01 (DISSOLVE TO:)",)
