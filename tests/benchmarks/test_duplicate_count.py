"""Duplicated takes are counted, and no others."""

import pytest

from benchmarks.duplicate_count import count_duplicates, renders_of
from benchmarks.event_log import LoggedEvent

TAKES = {"a": "take one", "a2": "take one", "b": "take two"}
Log = list[LoggedEvent]


def log(*events: tuple[float, str, str] | tuple[float, str, str, str]) -> Log:
    return [LoggedEvent(*each) for each in events]


def render(at: float, prompt_id: str, outcome: str = "success") -> Log:
    return log((at, "posted", prompt_id), (at + 0.1, "started", prompt_id), (at + 0.3, "ended", prompt_id, outcome))


def doubled(*logs: Log) -> list[str]:
    return list(count_duplicates(logs, TAKES).doubled)


def test_each_take_rendered_once_is_well() -> None:
    counted = count_duplicates([render(1, "a"), render(1, "b")], TAKES)
    assert (counted.renders, counted.again, counted.doubled) == (2, {}, {})


def test_the_same_prompt_on_two_servers_is_doubled() -> None:
    assert doubled(render(1, "a"), render(2, "a")) == ["take one"]


def test_the_same_prompt_twice_on_one_server_is_doubled() -> None:
    assert doubled(render(1, "a") + render(2, "a")) == ["take one"]


def test_two_prompts_of_one_take_are_doubled() -> None:
    assert doubled(render(1, "a"), render(2, "a2")) == ["take one"]


def test_a_second_render_that_is_stopped_is_doubled_too() -> None:
    assert doubled(render(1, "a"), render(2, "a", "interrupted")) == ["take one"]


def test_a_prompt_that_never_began_is_no_render() -> None:
    moved = log((1, "posted", "a"), (1.5, "deleted", "a"))
    assert doubled(moved, render(2, "a")) == []


def test_a_prompt_taken_out_of_the_queue_does_not_hide_that_its_next_post_ran() -> None:
    [only] = renders_of(0, log((1, "posted", "a"), (2, "deleted", "a")) + render(3, "a"))
    assert only.posted == 3


def test_a_render_that_a_restart_took_may_be_done_again() -> None:
    killed = log((1, "posted", "a"), (1.1, "started", "a"), (1.2, "restarted", ""))
    counted = count_duplicates([killed, render(2, "a")], TAKES)
    assert (counted.again, counted.doubled) == ({"restarted": 1}, {})


def test_a_prompt_that_a_restart_took_from_the_queue_was_not_rendered() -> None:
    [only] = renders_of(0, log((1, "posted", "a"), (1.2, "restarted", "")) + render(2, "a"))
    assert only.posted == 2


def test_a_restart_after_the_second_post_is_no_excuse() -> None:
    assert doubled([*render(1, "a"), LoggedEvent(5, "restarted", "")], render(2, "a")) == ["take one"]


def test_a_restart_of_another_server_is_no_excuse() -> None:
    assert doubled(render(1, "a"), [LoggedEvent(1.5, "restarted", ""), *render(2, "a")]) == ["take one"]


def test_a_render_out_of_memory_may_be_done_again() -> None:
    counted = count_duplicates([render(1, "a", "failed"), render(2, "a2")], TAKES)
    assert (counted.again, counted.doubled) == ({"failed": 1}, {})


@pytest.mark.parametrize(("times", "wanted"), [(1, ["take one"]), (2, [])])
def test_files_must_have_been_damaged_twice(times: int, wanted: list[str]) -> None:
    sent = [LoggedEvent(1.5, "damaged", "a") for _ in range(times)]
    assert doubled(render(1, "a") + sent, render(2, "a2")) == wanted


def test_an_end_that_the_server_forgot_may_come_again() -> None:
    assert doubled([*render(1, "a"), LoggedEvent(1.5, "absent", "a")], render(2, "a")) == []


def test_that_a_prompt_was_unknown_before_it_ended_is_no_excuse() -> None:
    running = [LoggedEvent(0.5, "absent", "a"), LoggedEvent(1.2, "absent", "a")]
    assert doubled(sorted([*render(1, "a"), *running]), render(2, "a")) == ["take one"]


def test_each_of_three_renders_but_the_last_needs_its_excuse() -> None:
    failed, fine, third = render(1, "a", "failed"), render(2, "a2"), render(3, "a2")
    assert doubled(failed, fine, third) == ["take one"]
    assert doubled(failed, render(2, "a2", "failed"), third) == []


def test_two_servers_that_ran_it_at_the_same_time_have_no_excuse_for_each_other() -> None:
    long = log((1, "posted", "a"), (1.1, "started", "a"), (9, "ended", "a", "failed"))
    assert doubled(long, render(2, "a")) == ["take one"]
