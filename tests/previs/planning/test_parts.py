"""Check that parts have about as many takes each, and that shots that build on each other stay together."""

from previs.planning.cache import Found
from previs.planning.parts import divide, own_first
from tests.previs.planning.test_schedule import plan, planned, record

A, B, C, D, E, F = (planned(label) for label in "abcdef")


def test_parts_are_stretches_of_the_list_with_about_as_many_takes_each() -> None:
    assert divide(plan(A, B, C, D, E), {}, 2) == [("a", "b", "c"), ("d", "e")]
    assert divide(plan(A, B, C, D, E, F), {}, 3) == [("a", "b"), ("c", "d"), ("e", "f")]


def test_there_are_no_more_parts_than_shots_to_render() -> None:
    stored = {each.fingerprint: Found(record(each)) for each in (A, C)}
    assert divide(plan(A, B, C, D), stored, 4) == [("b",), ("d",)]
    assert divide(plan(A, C), stored, 4) == []
    assert divide(plan(A, B, wanted=[B]), {}, 2) == [("b",)]


def test_shots_that_build_on_each_other_are_in_one_part() -> None:
    f, e = planned("f", A), planned("e", B, D)
    assert divide(plan(A, B, C, D, e, f), {}, 3) == [("a", "f"), ("b", "d", "e"), ("c",)]


def test_a_stored_frame_ties_no_shots_together() -> None:
    c, d = planned("c", A), planned("d", A)
    assert divide(plan(A, c, d), {A.fingerprint: Found(record(A))}, 2) == [("c",), ("d",)]


def test_a_run_begins_with_its_own_part_and_meets_the_others_where_they_end() -> None:
    made = plan(A, B, C, D, E, F)
    assert own_first(made, [("a", "b"), ("c", "d"), ("e",)]).takes == (A, B, F, E, D, C)
    assert own_first(made, []) == made
