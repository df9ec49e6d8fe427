"""A server is doubted for failures in a row of different takes, and for nothing else, and comes back by itself."""

import copy
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.farm.circuit_breaker import FAILURES_IN_A_ROW, Reputation, Standing

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


def lived(history: list[tuple[str, str]]) -> Reputation:
    """A server to which all of this happened, one step a second."""
    reputation = Reputation()
    for now, (step, take) in enumerate(history):
        take_step(reputation, step, take, now)
    return reputation


def take_step(reputation: Reputation, step: str, take: str, now: float) -> None:
    match step:
        case "fail":
            reputation.fail(take, f"{take} went wrong")
        case "absolve":
            reputation.absolve(take)
        case "succeed":
            reputation.succeed()
        case "set aside" if reputation.doubtful:
            reputation.set_aside(now)
        case "wait":
            reputation.give_a_chance(max(now, reputation.until))


def set_aside() -> Reputation:
    reputation = lived([("fail", take) for take in TAKES[:FAILURES_IN_A_ROW]])
    reputation.set_aside(0)
    return reputation


def on_trial() -> Reputation:
    reputation = set_aside()
    assert reputation.give_a_chance(reputation.until)
    return reputation


@given(st.lists(takes, max_size=20))
def test_a_server_is_doubtful_from_the_third_different_take_in_a_row_on_and_not_before(failed: list[str]) -> None:
    reputation = Reputation()
    for number, take in enumerate(failed, 1):
        reputation.fail(take, "out of colours")
        assert reputation.doubtful == (len(set(failed[:number])) >= 3)


@given(histories)
def test_a_success_forgets_all(history: list[tuple[str, str]]) -> None:
    reputation = lived(history)
    was = reputation.standing
    assert reputation.succeed() == (was is not Standing.TRUSTED)
    assert (reputation.standing, reputation.failed, reputation.doubtful) == (Standing.TRUSTED, {}, False)
    for take in TAKES[:3]:
        reputation.fail(take, "again")
    assert reputation.set_aside(0) == Reputation().set_aside(0)


@given(histories, takes)
def test_a_server_is_restored_by_absolution_exactly_when_the_count_falls_under_three(
    history: list[tuple[str, str]], take: str
) -> None:
    reputation = lived(history)
    was, before = reputation.standing, dict(reputation.failed)
    told = reputation.absolve(take)
    after = {one: reason for one, reason in before.items() if one != take}
    assert reputation.failed == after
    assert told == (was is Standing.ASIDE and take in before and len(after) < 3)
    assert reputation.standing is (Standing.TRUSTED if told else was)


def test_a_server_that_is_set_aside_is_not_doubted_once_more() -> None:
    reputation = set_aside()
    for take in TAKES:
        reputation.fail(take, "was there already")
        assert not reputation.doubtful


def test_what_went_wrong_is_kept_the_latest_last_and_once_a_take() -> None:
    reputation = Reputation()
    for take, reason in [("SH010", "red"), ("SH020", "green"), ("SH010", "blue")]:
        reputation.fail(take, reason)
    assert list(reputation.failed.items()) == [("SH020", "green"), ("SH010", "blue")]


def test_a_server_that_is_set_aside_is_tried_when_its_time_has_come_and_not_before() -> None:
    reputation = lived([("fail", take) for take in TAKES[:3]])
    pause = reputation.set_aside(1000)
    assert reputation.until == 1000 + pause
    assert not reputation.give_a_chance(reputation.until - 0.001)
    assert reputation.standing is Standing.ASIDE
    assert reputation.give_a_chance(reputation.until)
    assert (reputation.standing, reputation.failed) == (Standing.ON_TRIAL, {})
    assert not reputation.give_a_chance(reputation.until)


@pytest.mark.parametrize("trusted", [Reputation(), on_trial()], ids=["trusted", "on trial"])
def test_only_a_server_that_is_set_aside_is_given_a_chance(trusted: Reputation) -> None:
    was = trusted.standing
    assert not copy.deepcopy(trusted).give_a_chance(1e9)
    assert trusted.standing is was


def test_one_failure_on_trial_is_enough() -> None:
    reputation = on_trial()
    assert not reputation.doubtful
    reputation.fail("SH010", "still wrong")
    assert reputation.doubtful


def test_a_take_that_succeeds_on_trial_restores_the_server() -> None:
    reputation = on_trial()
    assert reputation.succeed()
    assert reputation.standing is Standing.TRUSTED
    assert not reputation.succeed()


def test_a_server_set_aside_for_a_failure_on_trial_is_restored_when_it_was_not_to_blame() -> None:
    reputation = on_trial()
    reputation.fail("SH010", "a broken graph")
    reputation.set_aside(0)
    assert not reputation.absolve("SH020")
    assert reputation.absolve("SH010")
    assert reputation.standing is Standing.TRUSTED


def test_a_pause_that_a_server_was_not_to_blame_for_makes_the_next_one_no_longer() -> None:
    reputation = Reputation()
    pauses = set[float]()
    for _ in range(4):
        for take in TAKES[:3]:
            reputation.fail(take, "a broken graph")
        pauses.add(reputation.set_aside(0))
        assert reputation.absolve(TAKES[0])
    assert pauses == {Reputation().set_aside(0)}


def test_pauses_grow_and_are_capped() -> None:
    reputation, pauses, now = Reputation(), list[float](), 0.0
    for take in TAKES[:3]:
        reputation.fail(take, "wrong")
    while len(pauses) < 12:
        assert reputation.doubtful
        pauses.append(reputation.set_aside(now))
        now = reputation.until
        assert reputation.give_a_chance(now)
        reputation.fail("SH010", "wrong")
    assert pauses[0] > 0
    assert pauses == sorted(pauses)
    assert all(after in (before * 2, pauses[-1]) for before, after in itertools.pairwise(pauses))
    assert pauses[0] < pauses[1] < pauses[-1] == pauses[-2] <= 300
