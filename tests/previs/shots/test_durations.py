import json
from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import read_shot_list
from previs.shots.durations import in_frames, is_range, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[
            (text, 3)
            for text in ("3", "3.0 s", "3秒", "3秒钟", '3"', "3″", "３", "约3秒", "~3s", "ca. 3 Sek.", "3 сек.")
        ],
        *[(text, 2.5) for text in ("2.5", "2,5 s", "2.5s左右", "2.5초", "about 2.5 seconds")],
        *[
            (text, 4)
            for text in ("0:04", "00:00:04", "0:04.0", "96f", "96 frames", "96帧", "00:00:04:00", "00:00:04;00")
        ],
        *[(text, 80) for text in ("1分20秒", "1:20", "1'20\"", "1m20s", "1 min 20 s", "80s", "00:01:20:00")],
        *[(text, None) for text in ("3m", "1,500", "nan", "", "soon", "1:75", "00:00:03:24", "3 4", "250ms", "3-5秒")],
        *[(text, 3.5) for text in ("00:00:03:12", "3+12", "3 + 12", "3秒12コマ", "3秒12帧", "3s12f", "3초12프레임")],
        *[(text, None) for text in ("3+24", "3秒12", "3+", "+12")],
        ("1:30", 90),
        ("2 min", 120),
        ("2,5分", 150),
        ("x" * 1_000_000, None),
    ],
)
def test_a_duration_as_people_write_it(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


def test_timecodes_and_frames_are_read_at_the_frame_rate() -> None:
    assert (seconds_of("00:00:03:24", 25), seconds_of("50f", 25)) == (3.96, 2)
    assert [in_frames(text) for text in ("50f", "00:00:03:12", "3+12", "50", "0:04")] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("text", ["3-5秒", "3–5 s", "3~5", "3s-5s", "3到5秒", "3 to 5", "3 à 5 s", "约3-5秒"])
def test_two_numbers_are_a_range(text: str) -> None:
    assert is_range(text)
    assert seconds_of(text) is None


def _list(durations: list[Any], **of_list: Any) -> str:
    shots = [{"shot_id": number, "prompt": "x", "duration": each} for number, each in enumerate(durations)]
    return json.dumps(of_list | {"shots": shots})


def test_texts_of_a_json_or_yaml_list_are_durations_too() -> None:
    made = read_shot_list(_list(["4s", "0:04", 4, "00:00:03:24", "50f"], fps=25))
    assert [shot.duration for shot in made.shots] == [4, 4, 4, 3.96, 2]
    assert read_shot_list("- {shot_id: 1, prompt: x, duration: 1:30}").shots[0].duration == 90


def test_a_range_is_a_fault_that_asks_for_one_number() -> None:
    remedy = "two numbers: give one number of seconds, such as 3.0"
    for source, name in ((_list(["3-5秒"]), "a.json"), ("shot,prompt,duration\n0,x,3-5秒\n", "a.csv")):
        with pytest.raises(ShotListFaults, match=f'"3-5秒": {remedy}'):
            read_shot_list(source, name=name)
