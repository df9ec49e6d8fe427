"""A name within two edits of a known one is suggested, and no other."""

import pytest

from previs.text.similar import meant

NAMES = ["shots", "board", "takes", "max_age_days", "only"]


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("shotz", "shots"),
        ("shot", "shots"),
        ("Shot List", None),
        ("MAX-AGE-DAY", "max_age_days"),
        ("max age", None),
        ("tkaes", "takes"),
        ("bored", "board"),
        ("", None),
        ("镜头", None),
        ("takes" * 100_000, None),
    ],
)
def test_the_closest_name_within_two_edits_is_meant(name: str, closest: str | None) -> None:
    assert meant(name, NAMES) == closest
    assert meant(name, []) is None
