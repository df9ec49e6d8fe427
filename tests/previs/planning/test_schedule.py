"""Check which takes wait for which, which of equal takes leads, and what happens to each when these are settled."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from previs.planning.cache import Found
from previs.planning.plan import Plan, PlannedTake, TakeFrame
from previs.planning.schedule import Fail, Render, Reuse, ScheduledTake, Skip, TakeResult, make_schedule
from previs.records.takes import Frame, TakeRecord
from previs.shots import Shot, ShotList

MADE = datetime(2026, 10, 31, 17, 40, tzinfo=UTC)


def picture(content: str, media_type: str = "image/png") -> Frame:
    return Frame(key=f"frames/{content}", sha256=content * 64, size=1, media_type=media_type)


def planned(label: str, *sources: PlannedTake, fingerprint: str = "", nonce: str = "") -> PlannedTake:
    frames = tuple(TakeFrame(each.shot.label, each.number, each.fingerprint) for each in sources)
    graph = {each.fingerprint: {"class_type": "LoadImage", "inputs": {"image": each.name}} for each in frames}
    shot = Shot(shot_id=label, prompt="夜", duration=1)
    return PlannedTake(shot, 1, graph, 5, (fingerprint or label) * 64, {}, None, builds_on=frames, render_nonce=nonce)


def record(take: PlannedTake, *frames: Frame, **fields: Any) -> TakeRecord:
    known = {"fingerprint": take.fingerprint, "seed": 5, "prompt_id": "p", "server": "http://a", "seconds": 1.0}
    made = {"finished": MADE, "frames": frames or (picture(take.shot.label),), "render_nonce": take.render_nonce}
    return TakeRecord(**(known | made | fields))


def plan(*takes: PlannedTake, wanted: Iterable[PlannedTake] | None = None) -> Plan:
    shots = ShotList(shots=tuple(take.shot for take in takes))
    return Plan(shots, takes, frozenset(take.label for take in (takes if wanted is None else wanted)))


def scheduled(made: Plan, *stored: TakeRecord) -> dict[str, ScheduledTake]:
    found = {each.fingerprint: Found(each) for each in stored}
    return {each.take.shot.label: each for each in make_schedule(made, found)}


def rendered(take: PlannedTake, *frames: Frame) -> TakeResult:
    return TakeResult(take, "rendered", record(take, *frames))


def settled(*results: TakeResult) -> dict[str, TakeResult]:
    return {each.take.label: each for each in results}


A = planned("a")
B = planned("b", A)
C = planned("c", B)


def test_a_take_waits_for_those_that_it_builds_on_and_comes_after_them() -> None:
    made = scheduled(plan(C, B, A))
    assert list(made) == ["a", "b", "c"]
    assert {label: each.waits_for for label, each in made.items()} == {"a": (), "b": (A.label,), "c": (B.label,)}


def test_what_is_neither_wanted_nor_stored_is_left_out() -> None:
    other = planned("d")
    assert list(scheduled(plan(A, other, wanted=[A]))) == ["a"]
    assert list(scheduled(plan(A, other, wanted=[A]), record(other))) == ["a", "d"]


def test_a_take_is_rendered_with_the_frames_of_those_that_it_builds_on() -> None:
    action = scheduled(plan(A, B))["b"].next_action(settled(rendered(A)))
    assert isinstance(action, Render)
    assert action.take.sources == {A.fingerprint: picture("a").sha256}


def test_a_stored_take_is_reused_if_it_was_made_from_the_same_frames() -> None:
    stored = record(B, sources={A.fingerprint: picture("a").sha256})
    action = scheduled(plan(A, B), record(A), stored)["b"].next_action(settled(rendered(A)))
    assert isinstance(action, Reuse)
    assert action.record == stored


def test_a_stored_take_that_was_made_from_other_frames_is_rendered_again_if_it_is_wanted() -> None:
    stored = record(B, sources={A.fingerprint: "0" * 64})
    assert isinstance(scheduled(plan(A, B), stored)["b"].next_action(settled(rendered(A))), Render)
    shown = scheduled(plan(A, B, wanted=[A]), stored)["b"].next_action(settled(rendered(A)))
    assert isinstance(shown, Reuse)


def test_a_take_is_skipped_if_a_take_that_it_builds_on_has_no_picture() -> None:
    failed = TakeResult(A, "failed", error="node 3 failed")
    for result in (failed, rendered(A, picture("a", "video/mp4"))):
        action = scheduled(plan(A, B))["b"].next_action(settled(result))
        assert action == Skip(B, f"{A.label}, which it builds on, has no picture")


def test_a_stored_take_is_shown_even_if_a_take_that_it_builds_on_failed() -> None:
    action = scheduled(plan(A, B), record(B))["b"].next_action(settled(TakeResult(A, "failed", error="lost")))
    assert isinstance(action, Reuse)


def test_of_equal_takes_the_first_leads_and_the_others_take_over_its_result() -> None:
    first, second = planned("x"), planned("y", fingerprint="x")
    follower = scheduled(plan(first, second))["y"]
    assert follower.waits_for == (first.label,)
    assert follower.next_action(settled(rendered(first))) == Reuse(second, record(first))
    assert follower.next_action(settled(TakeResult(first, "failed", error="lost"))) == Fail(second, "lost")
    assert follower.next_action(settled(TakeResult(first, "skipped", error="no picture"))) == Skip(second, "no picture")


def test_a_take_to_be_rendered_again_does_not_follow_one_that_is_only_read_from_the_store() -> None:
    stored, again, after = planned("x"), planned("y", fingerprint="x", nonce="run"), planned("z", fingerprint="x")
    made = scheduled(plan(stored, again, after), record(stored))
    assert {label: each.leader for label, each in made.items()} == {"x": None, "y": None, "z": again.label}
    assert isinstance(made["y"].next_action({}), Render)


def test_a_take_to_be_rendered_again_accepts_what_this_run_rendered_before_it_was_killed() -> None:
    again = planned("x", nonce="run")
    assert isinstance(scheduled(plan(again), record(again))["x"].next_action({}), Reuse)
    assert isinstance(scheduled(plan(again), record(planned("x")))["x"].next_action({}), Render)


def test_a_take_whose_model_was_replaced_gets_prompt_ids_of_its_own() -> None:
    [each] = make_schedule(plan(A), {A.fingerprint: Found(record(A), "replaced", outdated=True)})
    assert (each.cached, each.seen) == (None, record(A))
    assert each.take.render_nonce.startswith("after p ")


@st.composite
def plans(draw: st.DrawFn) -> tuple[Plan, list[TakeRecord]]:
    """Draw takes that build on earlier ones, some of them equal, some stored, some wanted."""
    takes: list[PlannedTake] = []
    for number in range(draw(st.integers(1, 7))):
        equal = draw(st.sampled_from(takes)) if takes and draw(st.booleans()) else None
        nonce = draw(st.sampled_from(["", "run"]))
        if equal is not None:
            sources = [take for take in takes if take.fingerprint in {frame.fingerprint for frame in equal.builds_on}]
            takes.append(planned(f"s{number}", *sources, fingerprint=equal.fingerprint[:2], nonce=nonce))
        else:
            sources = (
                draw(st.lists(st.sampled_from(takes), max_size=2, unique_by=lambda take: take.fingerprint))
                if takes
                else []
            )
            takes.append(planned(f"s{number}", *sources, nonce=nonce))
    stored = draw(st.lists(st.sampled_from(takes), unique_by=lambda take: take.fingerprint))
    wanted = draw(st.lists(st.sampled_from(takes), unique_by=lambda take: take.label))
    return plan(*takes, wanted=wanted), [record(take) for take in stored]


@given(plans(), st.randoms(use_true_random=False))
def test_every_scheduled_take_is_settled_whatever_fails_on_the_way(
    made: tuple[Plan, list[TakeRecord]], random: Any
) -> None:
    results: dict[str, TakeResult] = {}
    rendering: list[str] = []
    for each in make_schedule(made[0], {one.fingerprint: Found(one) for one in made[1]}):
        assert set(each.waits_for) <= results.keys()
        match each.next_action(results):
            case Render(take):
                rendering.append(take.fingerprint)
                fails = random.random() < 0.3
                results[each.label] = TakeResult(take, "failed", error="lost") if fails else rendered(take)
            case Reuse(take, known):
                results[each.label] = TakeResult(take, "cached", known)
            case Skip(take, reason):
                results[each.label] = TakeResult(take, "skipped", error=reason)
            case Fail(take, error):
                results[each.label] = TakeResult(take, "failed", error=error)
    assert made[0].wanted <= results.keys()
    if not any(take.render_nonce for take in made[0].takes):
        assert len(rendering) == len(set(rendering))
