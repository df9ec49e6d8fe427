"""A reviewer's answer changes only the shots that it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.publishing.review import ReviewAnswer, revised
from previs.shots import ShotList, read_shot_list
from tests.previs.records.published import manifest, shot, take

LIST = read_shot_list(
    {
        "title": "夜",
        "fps": 25,
        "cut": 7,
        "shots": [{"shot_id": n, "prompt": f"夜 {n}", "duration": 2} for n in (1, 2, 3)],
    }
)
MADE = manifest(
    shot(1, take(1, b"a"), take(2, b"b")),
    shot(2, take(1)),
    shot(3, take(1, b"c")),
)


def fields(shot_list: ShotList) -> list[tuple[str, int | None]]:
    return [(each.prompt, each.takes) for each in shot_list.shots]


def test_a_new_prompt_takes_the_place_of_the_old_one() -> None:
    assert fields(revised(LIST, ReviewAnswer(again={"2": "雨"}), MADE)) == [
        ("夜 1", None),
        ("雨", None),
        ("夜 3", None),
    ]


def test_the_same_prompt_or_an_empty_one_is_one_more_take() -> None:
    found = fields(revised(LIST, ReviewAnswer(again={"1": "", "3": "夜 3"}), MADE))
    assert found == [("夜 1", 3), ("夜 2", None), ("夜 3", 2)]


def test_what_the_list_says_beyond_its_shots_stays() -> None:
    found = revised(LIST, ReviewAnswer(again={"2": "雨"}), MADE)
    assert (found.title, found.fps, found.model_extra) == ("夜", 25, {"cut": 7})
    assert read_shot_list(found.model_dump(mode="json", exclude_unset=True)) == found


@given(st.dictionaries(st.sampled_from(["1", "2", "3", "4"]), st.text("雨 ab", max_size=5).map(str.strip)))
def test_only_shots_that_are_named_change(again: dict[str, str]) -> None:
    found = revised(LIST, ReviewAnswer(again=again), MADE)
    for before, after in zip(LIST.shots, found.shots, strict=True):
        assert (before == after) == (before.label not in again)


@pytest.mark.parametrize("prompt", ["\u200b", "half \ud83d"])
def test_prompts_that_are_not_allowed_are_faults(prompt: str) -> None:
    with pytest.raises(ShotListFaults) as caught:
        revised(LIST, ReviewAnswer(again={"2": prompt}), MADE)
    [fault] = caught.value.faults
    assert (fault.place, fault.field) == ("shot 2 (shot_id 2)", "prompt")


def test_a_verdict_that_says_nothing_is_false() -> None:
    assert not ReviewAnswer()
    assert ReviewAnswer(chosen={"1": 2})
    assert ReviewAnswer(again={"1": ""})
