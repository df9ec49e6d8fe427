"""Lists of any shape are read within bounds: of values, shots, faults and names."""

import json
from typing import Any

import pytest

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_chains, read_shot_list
from previs.shots.text import MOST_VALUES

SHOT = {"shot_id": 1, "prompt": "x", "duration": 1}


def refused(source: Any, name: str = "a.json") -> ShotListFaults:
    content = source if isinstance(source, bytes | str) else json.dumps(source)
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list(content, name=name)
    return caught.value


def test_the_first_fifty_faults_are_held_and_the_others_counted() -> None:
    error = refused([{"negative_prompt": "", "references": []}] * 418)
    assert (len(error.faults), error.more) == (50, 1204)
    assert str(error).startswith("a.json has 1,254 faults:\n  - shot 1, shot_id: missing")
    assert str(error).endswith("and 1,204 more")
    assert error.faults[49].place == "shot 17"


def test_the_first_faults_are_the_first_of_the_list_in_whatever_order_they_are_found() -> None:
    repeated = '{"shot_id": 9, "prompt": "x", "duration": 1, "a": 1, "a": 2}'
    error = refused(f'{{"fps": -1, "shots": [{", ".join(["{}"] * 2000)}, {repeated}]}}')
    assert [fault.place for fault in error.faults[:2]] == ["the list", "shot 1"]
    assert len(error.faults) + error.more == 6002


def test_a_key_that_is_repeated_often_is_one_fault() -> None:
    error = refused('[{"shot_id": 1, "prompt": "x", "duration": 1' + ', "a": 1' * 100_000 + "}]")
    assert [str(fault) for fault in error.faults] == [
        "shot 1 (shot_id 1), a: given more than once: give each field once"
    ]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (
            b"["
            + b'{"negative_prompt": "", "references": []},' * 100_000
            + b'{"negative_prompt": "", "references": []}]',
            "a.json",
        ),
        (b"- {shot_id: }\n" * 100_001, "a.yaml"),
        (b"shot_id\n" + b"1\n" * 100_001, "a.csv"),
    ],
)
def test_a_list_has_at_most_100_000_shots(content: bytes, name: str) -> None:
    [fault] = refused(content, name).faults
    assert fault.remedy == "a list has at most 100,000: split the list"
    assert fault.value in ("100,001 shots", "more than 100,000 shots")


def test_a_list_of_python_values_has_at_most_100_000_shots() -> None:
    with pytest.raises(ShotListFaults, match="at most 100,000"):
        read_shot_list([SHOT] * 100_001)
    assert ShotList.model_json_schema()["properties"]["shots"]["maxItems"] == 100_000


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"[" + b"[]," * MOST_VALUES + b"[]]", "a.json"),
        (b'[{"prompt": "' + b"x" * 10 + b'", "a": [' + b"1," * MOST_VALUES + b"1]}]", "a.json"),
        (b"shot_id" + b"," * MOST_VALUES + b"a\n", "a.csv"),
        (b"shot_id\n" + b"\n" * (MOST_VALUES + 1), "a.csv"),
    ],
)
def test_a_list_has_at_most_two_million_values(content: bytes, name: str) -> None:
    [fault] = refused(content, name).faults
    assert fault.value == "more than 2,000,000 values"


def test_commas_and_brackets_in_texts_are_no_values() -> None:
    prompt = ",[{\\" * (MOST_VALUES // 3)
    assert read_shot_list(json.dumps([SHOT | {"prompt": prompt}]), name="a.json").shots[0].prompt == prompt
    cell = '"' + ",\n" * 60_000 + 'a""b"'
    rows = "\n".join(f"{number},{cell},1" for number in range(20))
    assert len(read_shot_list(f"shot_id,prompt,duration\n{rows}", name="a.csv").shots) == 20


@pytest.mark.parametrize("extra", [{"references": [{}] * 10_001}, {"overrides": {str(n): 0 for n in range(10_001)}}])
def test_a_shot_has_at_most_10_000_values(extra: dict[str, Any]) -> None:
    [fault] = refused([SHOT | extra]).faults
    assert (fault.place, fault.value) == ("shot 1 (shot_id 1)", "more than 10,000 values")


def test_a_sheet_has_at_most_16_384_columns() -> None:
    [fault] = refused("shot_id,prompt,duration" + ",a" * 20_000, "a.csv").faults
    assert (fault.place, fault.value) == ("row 1", "20,003 columns")


@pytest.mark.parametrize("field", ["reference_id", "role"])
def test_names_have_at_most_200_characters(field: str) -> None:
    reference = {"url": "a", "reference_id": "b"} | {field: "e" + "\u0301\u0323" * 200}
    [fault] = refused([SHOT | {"references": [reference]}]).faults
    assert (fault.field, fault.remedy) == (field, "at most 200 characters")


def test_yaml_with_many_tag_directives_is_refused() -> None:
    directives = "".join(f"%TAG !{number}! tag:\n" for number in range(200))
    [fault] = refused(directives + "--- []", "a.yaml").faults
    assert "without tags" in fault.remedy


def _chained(*urls: str) -> ShotList:
    shots = [SHOT | {"shot_id": n, "references": [{"url": url, "reference_id": "a"}]} for n, url in enumerate(urls)]
    return read_shot_list(shots)


def test_unknown_shots_and_cycles_beyond_fifty_are_counted() -> None:
    chains = read_chains(_chained(*("shot:none" for _ in range(1000))))
    assert (len(chains.faults), chains.more) == (50, 950)
    chains = read_chains(_chained(*(f"shot:{n ^ 1}" for n in range(1000))))
    assert (len(chains.faults), chains.more) == (50, 450)


def test_free_names_are_found_behind_many_taken_ones() -> None:
    cells = ";".join([*(f"ref_{n}=a" for n in range(1001, 3001)), *("b" for _ in range(1000))])
    [shot] = read_shot_list(f"shot_id,prompt,duration,references\n1,p,1,{cells}", name="a.csv").shots
    assert [each.reference_id for each in shot.references[2000:2002]] == ["ref_3001", "ref_3002"]
