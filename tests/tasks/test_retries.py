"""Check when a step is tried again."""

from tasks.take import take


def test_a_take_is_tried_again_three_times_after_about_2_4_and_8_seconds() -> None:
    assert take.retries == 3
    assert take.retry_delay_seconds == [2, 4, 8]
    assert take.retry_jitter_factor == 0.5
