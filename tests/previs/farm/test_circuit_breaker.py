"""Check that a breaker opens after failures in a row of different takes, and for nothing else, and closes again."""

import itertools
from collections.abc import Callable

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
    st.tuples(st.just("trip"), st.just("")),
    st.tuples(st.just("wait"), st.just("")),
)
histories = st.lists(steps, max_size=30)


def breaker_after(history: list[tuple[str, str]]) -> CircuitBreaker:
    """Return a breaker after a history, one step a second."""
    breaker = CircuitBreaker()
    for now, (step, take) in enumerate(history):
        take_step(breaker, step, take, now)
    return breaker


def take_step(breaker: CircuitBreaker, step: str, take: str, now: float) -> None:
    match step:
        case "fail":
            breaker.record_failure(take, f"{take} failed")
        case "absolve":
            breaker.absolve(take)
        case "succeed":
            breaker.record_success()
        case "trip" if breaker.should_trip:
            breaker.trip(now)
        case "wait":
            breaker.try_half_open(max(now, breaker.until))


def open_breaker() -> CircuitBreaker:
    breaker = breaker_after([("fail", take) for take in TAKES[:FAILURES_IN_A_ROW]])
    breaker.trip(0)
    return breaker


def half_open_breaker() -> CircuitBreaker:
    breaker = open_breaker()
    assert breaker.try_half_open(breaker.until)
    return breaker


@given(st.lists(takes, max_size=20))
def test_a_breaker_should_trip_from_the_third_different_take_in_a_row(failed: list[str]) -> None:
    breaker = CircuitBreaker()
    for number, take in enumerate(failed, 1):
        breaker.record_failure(take, "out of colours")
        assert breaker.should_trip == (len(set(failed[:number])) >= 3)


@given(histories)
def test_a_success_clears_all_failures(history: list[tuple[str, str]]) -> None:
    breaker = breaker_after(history)
    was = breaker.state
    assert breaker.record_success() == (was is not BreakerState.CLOSED)
    assert (breaker.state, breaker.failed, breaker.should_trip) == (BreakerState.CLOSED, {}, False)
    for take in TAKES[:3]:
        breaker.record_failure(take, "again")
    assert breaker.trip(0) == CircuitBreaker().trip(0)


@given(histories, takes)
def test_absolving_closes_an_open_breaker_exactly_when_fewer_than_three_failures_are_left(
    history: list[tuple[str, str]], take: str
) -> None:
    breaker = breaker_after(history)
    was, before = breaker.state, dict(breaker.failed)
    closed = breaker.absolve(take)
    after = {one: reason for one, reason in before.items() if one != take}
    assert breaker.failed == after
    assert closed == (was is BreakerState.OPEN and take in before and len(after) < 3)
    assert breaker.state is (BreakerState.CLOSED if closed else was)


def test_an_open_breaker_does_not_trip_again() -> None:
    breaker = open_breaker()
    for take in TAKES:
        breaker.record_failure(take, "posted before")
        assert not breaker.should_trip


def test_failures_are_kept_once_per_take_with_the_latest_last() -> None:
    breaker = CircuitBreaker()
    for take, reason in [("SH010", "red"), ("SH020", "green"), ("SH010", "blue")]:
        breaker.record_failure(take, reason)
    assert list(breaker.failed.items()) == [("SH020", "green"), ("SH010", "blue")]


def test_an_open_breaker_becomes_half_open_when_its_pause_is_over() -> None:
    breaker = breaker_after([("fail", take) for take in TAKES[:3]])
    pause = breaker.trip(1000)
    assert breaker.until == 1000 + pause
    assert not breaker.try_half_open(breaker.until - 0.001)
    assert breaker.state is BreakerState.OPEN
    assert breaker.try_half_open(breaker.until)
    assert (breaker.state, breaker.failed) == (BreakerState.HALF_OPEN, {})
    assert not breaker.try_half_open(breaker.until)


@pytest.mark.parametrize("make", [CircuitBreaker, half_open_breaker], ids=["closed", "half-open"])
def test_only_an_open_breaker_becomes_half_open(make: Callable[[], CircuitBreaker]) -> None:
    breaker = make()
    was = breaker.state
    assert not breaker.try_half_open(1e9)
    assert breaker.state is was


def test_a_half_open_breaker_should_trip_after_one_failure() -> None:
    breaker = half_open_breaker()
    assert not breaker.should_trip
    breaker.record_failure("SH010", "still wrong")
    assert breaker.should_trip


def test_a_success_closes_a_half_open_breaker() -> None:
    breaker = half_open_breaker()
    assert breaker.record_success()
    assert breaker.state is BreakerState.CLOSED
    assert not breaker.record_success()


def test_absolving_closes_a_breaker_that_tripped_while_half_open() -> None:
    breaker = half_open_breaker()
    breaker.record_failure("SH010", "a broken graph")
    breaker.trip(0)
    assert not breaker.absolve("SH020")
    assert breaker.absolve("SH010")
    assert breaker.state is BreakerState.CLOSED


def test_an_absolved_failure_does_not_lengthen_the_next_pause() -> None:
    breaker = CircuitBreaker()
    pauses = set[float]()
    for _ in range(4):
        for take in TAKES[:3]:
            breaker.record_failure(take, "a broken graph")
        pauses.add(breaker.trip(0))
        assert breaker.absolve(TAKES[0])
    assert pauses == {CircuitBreaker().trip(0)}


def test_pauses_double_up_to_a_limit() -> None:
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
