"""Read what a list says of frame QC: in every format, on every level."""

from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import Shot, read_look, read_shot_list, with_looks
from previs.shots.unused import known_field

SHOT = {"shot_id": 1, "prompt": "夜", "duration": 1}


def qc(content: Any, name: str = "the list") -> str | None:
    return read_shot_list(content, name=name).shots[0].qc


@pytest.mark.parametrize(
    ("given", "read"),
    [("mark", "mark"), ("Retry", "retry"), (" off ", "off"), (False, "off"), ("", None), (None, None)],
)
def test_a_word_is_read_as_people_write_it(given: object, read: str | None) -> None:
    assert qc([SHOT | {"qc": given}]) == read


@pytest.mark.parametrize("given", ["yes", True, 1, ["off"], "offf"])
def test_another_value_is_a_fault_that_names_those_there_are(given: object) -> None:
    with pytest.raises(ShotListFaults, match=r"qc: .*: mark, retry or off"):
        qc([SHOT | {"qc": given}])


def test_off_needs_no_quotes_in_yaml() -> None:
    assert qc(b"shots:\n- {shot_id: 1, prompt: a lamp, duration: 2, qc: off}", "a.yaml") == "off"


@pytest.mark.parametrize("column", ["qc", "Frame QC", "画面检查"])
def test_a_sheet_has_a_column_for_it(column: str) -> None:
    assert qc(f"shot_id,prompt,duration,{column}\n1,夜,2,off\n".encode(), "a.csv") == "off"


def test_a_look_file_says_it_for_many_lists() -> None:
    listed = read_shot_list({"look": "a.look.yaml", "shots": [SHOT, SHOT | {"shot_id": 2, "qc": "off"}]})
    look, _ = read_look(b"qc: retry", name="a.look.yaml")
    looked = with_looks(listed, "the list", [look])
    assert [shot.qc for shot in looked.shots] == ["retry", "off"]
    assert [shot.given().get("qc") for shot in looked.shots] == [None, "off"]


def test_it_changes_nothing_else_in_a_shot() -> None:
    plain, marked = (read_shot_list({"shots": [SHOT]} | more).shots[0] for more in ({}, {"qc": "retry"}))
    differing = [name for name in Shot.model_fields if getattr(plain, name) != getattr(marked, name)]
    assert differing == ["qc"]


@pytest.mark.parametrize("name", ["qa", "cc", "ac", "q", "fx"])
def test_other_short_names_are_no_slip_of_it(name: str) -> None:
    assert known_field("shot", name) is None
    assert known_field("shot", "QC") == "qc"
