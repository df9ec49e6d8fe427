from types import SimpleNamespace

from previs.publishing.views.sequences import sequences, totals


def test_neighbours_of_one_sequence_form_a_group_in_the_boards_order(make: SimpleNamespace) -> None:
    names = ["A", "A", None, "B", "A"]
    manifest = make.board(*(make.shot(place, sequence=name) for place, name in enumerate(names)))
    assert [(group.name, [each.shot.shot_id for each in group.shots]) for group in sequences(manifest)] == [
        ("A", [0, 1]),
        ("", [2]),
        ("B", [3]),
        ("A", [4]),
    ]


def test_positions_run_on_through_sequences_in_whole_frames(make: SimpleNamespace) -> None:
    manifest = make.board(*(make.shot(n, sequence=str(n), duration=d) for n, d in enumerate([1.02, 0.5, 2])), fps=24)
    placed = [each for group in sequences(manifest) for each in group.shots]
    assert [(each.number, each.start, each.frames) for each in placed] == [(1, 0, 24), (2, 24, 12), (3, 36, 48)]
    assert totals(manifest).frames == 84


def test_totals_count_takes_by_outcome_and_shots_without_any_as_failed(make: SimpleNamespace) -> None:
    takes = (
        make.take(1),
        make.take(2, outcome="cached"),
        make.failed("no", 3),
        make.skipped(take=4),
        make.take(5, outcome="joined"),
    )
    manifest = make.board(make.shot(1, takes=takes), make.shot(2, takes=(), success=False))
    count = totals(manifest)
    assert (count.shots, count.takes) == (2, 5)
    assert (count.rendered, count.joined, count.cached, count.failed, count.skipped) == (1, 1, 1, 2, 1)
