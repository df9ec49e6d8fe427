"""Check the name that a run has from its start."""

import pytest

from tasks.naming import first_name, step_name


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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("SH010 · take 1", "SH010 · take 1"),
        ("镜头一 · take 2", "shot 3 · 镜头一 · take 2"),
        ("SH010 雨夜 · take 1", "shot 3 · SH010 雨夜 · take 1"),
        ("A·B · take 1", "shot 3 · A·B · take 1"),
    ],
)
def test_a_name_that_the_graph_cannot_show_has_a_number_before_it(name: str, shown: str) -> None:
    assert step_name(name, "shot", 3) == shown
