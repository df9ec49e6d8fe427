"""A server is doubted for failures in a row of different takes, and for nothing else, and comes back by itself."""

import copy
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.farm.circuit_breaker import FAILURES_IN_A_ROW, BreakerState, CircuitBreaker

TAKES = ["SH010", "SH020", "SH030", "SH040"]
takes = st.sampled_from(TAKES)
steps = st.one_of(
    st.tuples(st.just("fail"), takes),
    st.tuples(st.just("absolve"), takes),
    st.tuples(st.just("succeed"), st.just("")),
    st.tuples(st.just("set aside"), st.just("")),
    st.tuples(st.just("wait"), st.just("")),
)
histories = st.lists(steps, max_size=30)


def lived(history: list[tuple[str, str]]) -> CircuitBreaker:
    """A server to which all of this happened, one step a second."""
    breaker = CircuitBreaker()
    for now, (step, take) in enumerate(history):
        take_step(breaker, step, take, now)
    return breaker


def take_step(breaker: CircuitBreaker, step: str, take: str, now: float) -> None:
    match step:
        case "fail":
            breaker.record_failure(take, f"{take} went wrong")
        case "absolve":
            breaker.absolve(take)
        case "succeed":
            breaker.record_success()
        case "set aside" if breaker.should_trip:
            breaker.trip(now)
        case "wait":
            breaker.try_half_open(max(now, breaker.until))


def trip() -> CircuitBreaker:
    breaker = lived([("fail", take) for take in TAKES[:FAILURES_IN_A_ROW]])
    breaker.trip(0)
    return breaker


def on_trial() -> CircuitBreaker:
    breaker = trip()
    assert breaker.try_half_open(breaker.until)
    return breaker


@given(st.lists(takes, max_size=20))
def test_a_server_is_doubtful_from_the_third_different_take_in_a_row_on_and_not_before(failed: list[str]) -> None:
    breaker = CircuitBreaker()
    for number, take in enumerate(failed, 1):
        breaker.record_failure(take, "out of colours")
        assert breaker.should_trip == (len(set(failed[:number])) >= 3)


@given(histories)
def test_a_success_forgets_all(history: list[tuple[str, str]]) -> None:
    breaker = lived(history)
    was = breaker.state
    assert breaker.record_success() == (was is not BreakerState.CLOSED)
    assert (breaker.state, breaker.failed, breaker.should_trip) == (BreakerState.CLOSED, {}, False)
    for take in TAKES[:3]:
        breaker.record_failure(take, "again")
    assert breaker.trip(0) == CircuitBreaker().trip(0)


@given(histories, takes)
def test_a_server_is_restored_by_absolution_exactly_when_the_count_falls_under_three(
    history: list[tuple[str, str]], take: str
) -> None:
    breaker = lived(history)
    was, before = breaker.state, dict(breaker.failed)
    told = breaker.absolve(take)
    after = {one: reason for one, reason in before.items() if one != take}
    assert breaker.failed == after
    assert told == (was is BreakerState.OPEN and take in before and len(after) < 3)
    assert breaker.state is (BreakerState.CLOSED if told else was)


def test_a_server_that_is_set_aside_is_not_doubted_once_more() -> None:
    breaker = trip()
    for take in TAKES:
        breaker.record_failure(take, "was there already")
        assert not breaker.should_trip


def test_what_went_wrong_is_kept_the_latest_last_and_once_a_take() -> None:
    breaker = CircuitBreaker()
    for take, reason in [("SH010", "red"), ("SH020", "green"), ("SH010", "blue")]:
        breaker.record_failure(take, reason)
    assert list(breaker.failed.items()) == [("SH020", "green"), ("SH010", "blue")]


def test_a_server_that_is_set_aside_is_tried_when_its_time_has_come_and_not_before() -> None:
    breaker = lived([("fail", take) for take in TAKES[:3]])
    pause = breaker.trip(1000)
    assert breaker.until == 1000 + pause
    assert not breaker.try_half_open(breaker.until - 0.001)
    assert breaker.state is BreakerState.OPEN
    assert breaker.try_half_open(breaker.until)
    assert (breaker.state, breaker.failed) == (BreakerState.HALF_OPEN, {})
    assert not breaker.try_half_open(breaker.until)


@pytest.mark.parametrize("trusted", [CircuitBreaker(), on_trial()], ids=["trusted", "on trial"])
def test_only_a_server_that_is_set_aside_is_given_a_chance(trusted: CircuitBreaker) -> None:
    was = trusted.state
    assert not copy.deepcopy(trusted).try_half_open(1e9)
    assert trusted.state is was


def test_one_failure_on_trial_is_enough() -> None:
    breaker = on_trial()
    assert not breaker.should_trip
    breaker.record_failure("SH010", "still wrong")
    assert breaker.should_trip


def test_a_take_that_succeeds_on_trial_restores_the_server() -> None:
    breaker = on_trial()
    assert breaker.record_success()
    assert breaker.state is BreakerState.CLOSED
    assert not breaker.record_success()


def test_a_server_set_aside_for_a_failure_on_trial_is_restored_when_it_was_not_to_blame() -> None:
    breaker = on_trial()
    breaker.record_failure("SH010", "a broken graph")
    breaker.trip(0)
    assert not breaker.absolve("SH020")
    assert breaker.absolve("SH010")
    assert breaker.state is BreakerState.CLOSED


def test_a_pause_that_a_server_was_not_to_blame_for_makes_the_next_one_no_longer() -> None:
    breaker = CircuitBreaker()
    pauses = set[float]()
    for _ in range(4):
        for take in TAKES[:3]:
            breaker.record_failure(take, "a broken graph")
        pauses.add(breaker.trip(0))
        assert breaker.absolve(TAKES[0])
    assert pauses == {CircuitBreaker().trip(0)}


def test_pauses_grow_and_are_capped() -> None:
    breaker, pauses, now = CircuitBreaker(), list[float](), 0.0
    for take in TAKES[:3]:
        breaker.record_failure(take, "wrong")
    while len(pauses) < 12:
        assert breaker.should_trip
        pauses.append(breaker.trip(now))
        now = breaker.until
        assert breaker.try_half_open(now)
        breaker.record_failure("SH010", "wrong")
    assert pauses[0] > 0
    assert pauses == sorted(pauses)
    assert all(after in (before * 2, pauses[-1]) for before, after in itertools.pairwise(pauses))
    assert pauses[0] < pauses[1] < pauses[-1] == pauses[-2] <= 300
