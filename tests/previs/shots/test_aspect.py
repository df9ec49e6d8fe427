"""A list sets the aspect of the film that its board becomes."""

from fractions import Fraction
from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_shot_list, unused_fields
from previs.shots.aspect import Aspect, aspect_of
from previs.shots.to_sheet import write_xlsx

SHOTS = [{"shot_id": 1, "prompt": "x", "duration": 1}]


def read(aspect: Any) -> ShotList:
    return read_shot_list({"aspect": aspect, "shots": SHOTS})


@pytest.mark.parametrize(
    ("text", "aspect"),
    [
        ("16:9", Aspect(Fraction(16, 9))),
        (" 2.39 : 1 ", Aspect(Fraction(239, 100))),
        ("2.39", Aspect(Fraction(239, 100))),
        ("16/9", Aspect(Fraction(16, 9))),
        ("4：3", Aspect(Fraction(4, 3))),
        ("1.7777778", Aspect(Fraction(17777778, 10**7))),
        ("1920x1080", Aspect(Fraction(16, 9), (1920, 1080))),
        ("1080 × 1920", Aspect(Fraction(9, 16), (1080, 1920))),
    ],
)
def test_an_aspect_is_a_ratio_or_a_size(text: str, aspect: Aspect) -> None:
    assert aspect_of(text) == aspect
    assert read(text).given_fields() == {"aspect": text}


def test_an_aspect_is_used_and_may_be_a_number() -> None:
    made = read(2.39)
    assert made.aspect == "2.39"
    assert unused_fields(made) == ()
    assert read(None).aspect is None


@pytest.mark.parametrize(
    "aspect",
    ["wide", "", "16:", "0:9", "16:0", "9:1", "1:9", "1921x1080", "8x8", "9000x9000", "-16:9", "1e1", True, [16, 9]],
)
def test_what_is_no_aspect_is_a_fault_that_says_what_is_allowed(aspect: Any) -> None:
    with pytest.raises(ShotListFaults) as caught:
        read(aspect)
    [fault] = caught.value.faults
    assert (fault.place, fault.field) == ("the list", "aspect")
    assert fault.remedy.startswith("16:9, 2.39:1, 1.85 and the like, between 1:4 and 4:1, or a size such as 1920x1080")


@pytest.mark.parametrize("aspect", ["16:9", "2.39", "1920x1080"])
def test_a_sheet_keeps_the_aspect(aspect: str) -> None:
    assert read_shot_list(write_xlsx(read(aspect), "a.xlsx"), name="a.xlsx").aspect == aspect
