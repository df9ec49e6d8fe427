from types import SimpleNamespace

import pytest

from previs.publishing.views.takes import arranged, circled, lacking, reason
from previs.records.manifest import PassEntry


@pytest.mark.parametrize(("picked", "order"), [(None, [1, 2, 3]), (1, [1, 2, 3]), (3, [3, 1, 2]), (9, [1, 2, 3])])
def test_the_picked_take_comes_first_and_the_others_keep_their_order(
    make: SimpleNamespace, picked: int | None, order: list[int]
) -> None:
    shot = make.shot(picked=picked, takes=tuple(make.take(n) for n in (1, 2, 3)))
    front, behind = arranged(shot)
    assert ([take.take for take in front], behind) == (order, ())


def test_the_last_pass_comes_first_and_what_it_was_made_from_is_behind_it(make: SimpleNamespace) -> None:
    def names(passes: tuple[PassEntry, ...], **fields: object) -> list[list[str]]:
        takes = (make.take(1), make.take(2), make.failed("no", 3))
        shot = make.shot(picked=2, takes=takes, passes=passes, **fields)
        return [[each.pass_name or str(each.take) for each in part] for part in arranged(shot)]

    finish, film = (make.made_pass(name, 2) for name in ("finish", "film"))
    assert names((finish, film)) == [["film", "3"], ["finish", "2", "1"]]
    failed = make.made_pass("film", 2, outcome="failed", frames=(), error="no")
    assert names((finish, failed)) == [["finish", "film", "3"], ["2", "1"]]
    of_another = make.made_pass("finish", 1)
    assert names((of_another,)) == [["2", "1", "3", "finish"], []]


def test_a_picked_take_is_circled_with_or_without_a_frame(make: SimpleNamespace) -> None:
    shot = make.shot(picked=2, success=False, takes=(make.take(1), make.failed("no", 2)))
    assert circled(shot) is shot.takes[1]
    assert circled(make.shot(picked=9)) is None
    assert circled(make.shot(takes=())) is None


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ("", "failed"),
        ("s", "skipped"),
        ("ss", "skipped"),
        ("rs", "skipped"),
        ("f", "failed"),
        ("sf", "failed"),
        ("rf", "failed"),
        ("e", "failed"),
    ],
)
def test_a_shot_is_skipped_only_if_nothing_of_it_failed(make: SimpleNamespace, outcomes: str, word: str) -> None:
    of = {
        "r": make.take(),
        "e": make.take(frames=()),
        "f": make.failed("no"),
        "s": make.skipped(),
    }
    assert lacking(make.shot(success=False, takes=tuple(of[each] for each in outcomes))) == word


def test_a_shot_with_its_frames_lacks_nothing(make: SimpleNamespace) -> None:
    assert lacking(make.shot()) == ""


def test_a_reason_is_given_for_every_take_without_a_frame_and_for_no_other(make: SimpleNamespace) -> None:
    assert reason(make.take()) == ""
    assert reason(make.skipped("夜")) == "夜, which it builds on, has no frame"
    assert reason(make.take(frames=(), error="the file was empty")) == "the file was empty"
    assert len(reason(make.failed("x" * 9000))) == 1500
    assert reason(make.failed("a\x00b")) == r"a\x00b"
