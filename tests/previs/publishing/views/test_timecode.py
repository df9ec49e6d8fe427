import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.publishing.views.timecode import frame_count, number, spell, timecode


@pytest.mark.parametrize(
    ("frames", "fps", "shown"),
    [
        (0, 24, "00:00:00:00"),
        (84, 24, "00:00:03:12"),
        (24 * 3600 + 25, 24, "01:00:01:01"),
        (29, 29.97, "00:00:00:29"),
        (30, 29.97, "00:00:01:00"),
        (119, 120, "00:00:00:119"),
        (5, 0.5, "00:00:05:00"),
    ],
)
def test_a_position_is_hours_minutes_seconds_frames(frames: int, fps: float, shown: str) -> None:
    assert timecode(frames, fps) == shown


@given(st.integers(0, 10**7), st.sampled_from([12, 23.976, 24, 25, 29.97, 30, 48, 50, 59.94, 60]))
def test_every_frame_has_a_timecode_that_leads_back_to_it(frames: int, fps: float) -> None:
    hours, minutes, seconds, rest = map(int, timecode(frames, fps).split(":"))
    assert minutes < 60
    assert seconds < 60
    assert rest < round(fps)
    assert ((hours * 60 + minutes) * 60 + seconds) * round(fps) + rest == frames


@given(st.floats(), st.floats())
def test_no_length_and_no_rate_breaks_a_position(seconds: float, fps: float) -> None:
    assert timecode(frame_count(seconds, fps), fps).count(":") == 3


@pytest.mark.parametrize(
    ("seconds", "frames"), [(3.0, 72), (0.01, 1), (0.0, 0), (-1.0, 0), (math.nan, 0), (math.inf, 0)]
)
def test_a_shot_lasts_whole_frames_and_at_least_one(seconds: float, frames: int) -> None:
    assert frame_count(seconds, 24) == frames


@pytest.mark.parametrize(
    ("value", "shown"), [(24, "24"), (23.976, "23.98"), (2.5, "2.5"), (100.0, "100"), (1e6, "1000000")]
)
def test_a_number_has_no_needless_zeros(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2.5, "2.5 s"),
        (59, "59 s"),
        (60, "1 min"),
        (252, "4 min 12 s"),
        (3900, "1 h 5 min"),
        (math.inf, "an unknown time"),
    ],
)
def test_a_length_is_spelt_in_its_largest_units(seconds: float, words: str) -> None:
    assert spell(seconds) == words
