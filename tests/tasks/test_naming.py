"""Check the name that a run has from its start."""

import pytest

from tasks.naming import first_name


@pytest.mark.parametrize(
    ("given", "board", "name"),
    [
        ([{"shot_id": 1}], "夜城", "夜城"),
        ("/lists/ep 1.yaml", "", "ep 1"),
        ("s3://studio/lists/ep1.json", "", "ep1"),
        ({"schema": "previs.shot-list-ready/1", "board": "night"}, "", "night"),
        ({"title": "夜城", "shots": []}, "", "夜城"),
        ({"board": ["no", "name"]}, "", "['no', 'name']"),
        ("Title: A\n\nINT. B\n", "", "a run without a name"),
        (None, "", "a run without a name"),
    ],
)
def test_a_run_is_named_by_its_board_or_the_file_of_its_list(given: object, board: str, name: str) -> None:
    assert first_name(given, board) == name


def test_a_first_name_is_one_short_line() -> None:
    assert len(first_name(None, "a\nb" * 200)) <= 100
    assert "\n" not in first_name(None, "a\nb")
