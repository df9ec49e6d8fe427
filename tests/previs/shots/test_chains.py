"""Check the order of shots that refer to each other, and the report of cycles."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.shots import Chains, ShotFrame, names_shot, read_chains, read_shot_list


def shot(shot_id: int | str, *urls: str) -> dict[str, Any]:
    references = [{"url": url, "reference_id": f"ref_{number}"} for number, url in enumerate(urls, 1)]
    return {"shot_id": shot_id, "prompt": "夜", "duration": 1.0, "references": references}


def chains(*shots: dict[str, Any]) -> Chains:
    return read_chains(read_shot_list(list(shots)))


def order(*shots: dict[str, Any]) -> list[str]:
    return [each.label for each in chains(*shots).order]


def faults_of(*shots: dict[str, Any]) -> list[str]:
    return [str(fault) for fault in chains(*shots).faults]


def test_each_shot_comes_after_its_dependencies() -> None:
    assert order(shot("C", "shot:B"), shot("B", "shot:A"), shot("A")) == ["A", "B", "C"]


def test_independent_shots_keep_their_order() -> None:
    assert order(shot("Z"), shot(1, "a.png"), shot("M", "https://a/shot:1.png")) == ["Z", "1", "M"]


@pytest.mark.parametrize(
    ("url", "frame"),
    [
        ("shot:A", ShotFrame("A")),
        ("SHOT:A", ShotFrame("A")),
        ("shot: A", ShotFrame("A")),
        ("shot:A#2", ShotFrame("A", 2)),
        ("shot:A#02", ShotFrame("A", 2)),
        ("shot:7", ShotFrame("7")),
        ("shot:7#1000", ShotFrame("7", 1000)),
        ("shot:镜头 1", ShotFrame("镜头 1")),
        ("shot:A#3", ShotFrame("A#3")),
        ("shot:A#3#1", ShotFrame("A#3", 1)),
        ("shot:cafe\u0301", ShotFrame("caf\u00e9")),
    ],
)
def test_a_reference_names_a_shot_and_optionally_a_take(url: str, frame: ShotFrame) -> None:
    there = [shot(each) for each in ("A", 7, "镜头 1", "A#3", "caf\u00e9")]
    assert names_shot(url)
    assert chains(*there, shot("last", url)).frames == {url: frame}


@pytest.mark.parametrize("url", ["a.png", "shots/a.png", "https://a/b", "data:,shot:A", "./shot:A"])
def test_other_references_name_no_shot(url: str) -> None:
    assert not names_shot(url)
    assert chains(shot("A"), shot("B", url)).frames == {}


def test_a_cycle_is_reported_with_its_path() -> None:
    [fault] = faults_of(shot("A", "shot:C"), shot("B", "shot:A"), shot("C", "shot:B"), shot("D", "shot:A"))
    assert "A → C → B → A" in fault or "B → A → C → B" in fault or "C → B → A → C" in fault
    assert "form a cycle" in fault


def test_a_shot_that_refers_to_itself_is_a_cycle() -> None:
    assert faults_of(shot("A", "shot:A")) == [
        "shot 1 (shot_id A), references: A → A: these shots form a cycle: remove one of these references"
    ]


def test_every_cycle_and_every_unknown_shot_is_reported_at_once() -> None:
    faults = faults_of(shot("A", "shot:A"), shot("B", "shot:C"), shot("C", "shot:B"), shot("D", "x.png", "shot:E"))
    assert len(faults) == 3
    assert faults[0] == (
        "shot 4 (shot_id D), references[1].url: shot:E: no shot of the list has this shot_id; the list has A, B, C, D"
    )


def test_the_closest_shot_is_offered() -> None:
    [fault] = faults_of(shot("SQ010_SH010"), shot("SQ010_SH020", "shot:SQ010_SH01O"))
    assert fault.endswith("did you mean shot:SQ010_SH010?")


@pytest.mark.parametrize("url", ["shot:A#0", "shot:A#1001", "shot:A#999999999"])
def test_an_impossible_take_is_reported(url: str) -> None:
    [fault] = faults_of(shot("A"), shot("B", url))
    assert fault.endswith("a take's number is from 1 to 1000")


def test_a_long_cycle_is_shortened() -> None:
    cycle = [shot(number, f"shot:{(number + 1) % 50}") for number in range(50)]
    [fault] = faults_of(*cycle)
    assert "…" in fault
    assert len(fault) < 300


def test_dependencies_are_transitive() -> None:
    found = chains(shot("D"), shot("C", "shot:B"), shot("B", "shot:A"), shot("A"))
    assert found.needed(["C"]) == {"A", "B", "C"}
    assert found.needed(["D"]) == {"D"}


def test_a_chain_of_any_length_is_read() -> None:
    long = [shot(number, *([f"shot:{number + 1}"] if number < 4_999 else [])) for number in range(5_000)]
    assert order(*long) == [str(number) for number in reversed(range(5_000))]


@given(st.data())
def test_in_any_list_each_shot_comes_once_and_after_its_dependencies_unless_there_is_a_cycle(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(1, 8))
    sources = [data.draw(st.lists(st.integers(0, count - 1), max_size=3)) for _ in range(count)]
    found = chains(*(shot(number, *(f"shot:{each}" for each in of)) for number, of in enumerate(sources)))
    labels = [each.label for each in found.order]
    assert sorted(labels) == sorted(str(number) for number in range(count))
    if not found.faults:
        for number, of in enumerate(sources):
            assert all(labels.index(str(each)) < labels.index(str(number)) for each in of)


def test_an_invalid_take_number_is_reported() -> None:
    [fault] = faults_of(shot("A"), shot("B", "shot:A#x"))
    assert fault.endswith("write the number of a take after #, such as shot:A#2")
