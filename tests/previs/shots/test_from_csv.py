import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from previs.errors import ShotListFaults
from previs.shots import read_shot_list
from previs.shots.cells import references, seconds, shot_id, strength, whole
from previs.shots.columns import known_columns


def shots(source: str | bytes) -> list[dict[str, Any]]:
    return [shot.given() for shot in read_shot_list(source, name="sheet.csv").shots]


def faults(source: str | bytes) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read_shot_list(source, name="sheet.csv")
    return [str(fault) for fault in caught.value.faults]


CHINESE = (
    "镜号,场次,提示词,时长（秒）,参考图,负面提示词,种子,备注,景别\r\n1,雨夜,城市夜景,3.5,a.jpg,模糊,42,开场,全景\r\n"
)
CHINESE_SHOT = {
    "shot_id": 1,
    "sequence": "雨夜",
    "prompt": "城市夜景",
    "duration": 3.5,
    "references": [{"url": "a.jpg", "reference_id": "ref_1"}],
    "negative_prompt": "模糊",
    "seed": 42,
    "notes": "开场",
    "camera": {"size": "全景"},
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_a_sheet_with_chinese_headers_is_read_in_each_encoding_that_excel_writes(encoding: str) -> None:
    assert shots(CHINESE.encode(encoding)) == [CHINESE_SHOT]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_recognized_by_the_column_names(delimiter: str) -> None:
    text = f"Shot ID{delimiter}PROMPT{delimiter}duration_s\n7{delimiter}x{delimiter}2\n".replace("_s", " (s)")
    assert shots(text) == [{"shot_id": 7, "prompt": "x", "duration": 2.0}]


def test_excels_sep_line_sets_the_delimiter() -> None:
    assert shots("sep=;\r\nshot_id;prompt;duration\r\n1;a, b;2,5\r\n") == [
        {"shot_id": 1, "prompt": "a, b", "duration": 2.5}
    ]


def test_a_sheet_is_recognised_without_a_name() -> None:
    assert read_shot_list(CHINESE.encode("gb18030")).shots[0].given() == CHINESE_SHOT
    assert read_shot_list("shot_id\tprompt\tduration\n1\tx\t2").shots[0].prompt == "x"


def test_rows_are_counted_as_the_sheet_shows_them() -> None:
    text = '\r\n镜号,提示词,时长\r\n1,"two\nlines",2\r\n,,\r\n2,,0\r\n2,x,1\r\n'
    assert faults(text) == [
        "row 5 (shot_id 2), 提示词: missing; give what the camera sees, as text that is not blank; or a description",
        "row 5 (shot_id 2), 时长: 0.0: seconds, a number above 0 and at most 86400, such as 3.0",
        'row 6 (shot_id 2), 镜号: 2: row 5 (shot_id 2) has the same: each shot needs its own (1 and "1" are the same)',
    ]


def test_a_column_that_is_missing_is_one_fault_however_many_rows() -> None:
    assert faults("shot_id,prompt\n1,a\n2,b\n") == [
        "row 1, duration: columns are shot_id, prompt: add a column named duration or 时长"
    ]


def test_more_cells_than_names_is_a_fault() -> None:
    (found,) = faults("shot_id,duration,prompt\n1,2,a street, at night\n")
    assert found.startswith('row 2: "at night": 4 cells, but only 3 columns have names')


def test_empty_cells_beyond_the_named_columns_are_ignored() -> None:
    assert shots("shot_id,prompt,duration,,\n1,x,2,,,,\n") == [{"shot_id": 1, "prompt": "x", "duration": 2.0}]


def test_two_columns_of_one_name_are_a_fault() -> None:
    (found,) = faults("shot_id,prompt,duration,Prompt\n1,a,2,b\n")
    assert found == 'row 1, prompt: "Prompt": two columns have this name: rename or remove one'


def test_the_most_specific_of_two_names_wins_and_the_other_column_is_kept() -> None:
    assert shots("镜号,正向提示词,提示词,时长\n1,she enters,a woman enters,2\n") == [
        {"shot_id": 1, "正向提示词": "she enters", "prompt": "a woman enters", "duration": 2.0}
    ]


def test_a_quote_that_is_never_closed_is_a_fault_not_a_lost_shot() -> None:
    (found,) = faults('shot_id,prompt,duration\n1,"a,2\n2,b,3\n')
    assert found.startswith("row 2 (line 3 of the file)")


@pytest.mark.parametrize("source", ["", "\n\n", ",,\n"])
def test_an_empty_sheet_is_a_fault(source: str) -> None:
    assert faults(source)[0].startswith("the sheet: it is empty")


def test_a_sheet_without_shots_is_a_fault() -> None:
    assert faults("shot_id,prompt,duration\n") == [
        "the sheet, shots: a list of 0: a list of at least one shot, each an object with shot_id, prompt and duration"
    ]


def test_references_may_be_in_one_cell_or_in_several_columns() -> None:
    text = (
        "shot_id,prompt,duration,Reference 1,reference_2,ref strength,reference strength\n1,x,2,a.jpg,mei=b.jpg,,0.5\n"
    )
    assert shots(text)[0]["references"] == [
        {"url": "a.jpg", "reference_id": "ref_1", "strength": 0.5},
        {"url": "b.jpg", "reference_id": "mei", "strength": 0.5},
    ]


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("ref1.jpg; ref2.jpg", [("ref_1", "ref1.jpg"), ("ref_2", "ref2.jpg")]),
        ("ref1.jpg,ref2.jpg", [("ref_1", "ref1.jpg"), ("ref_2", "ref2.jpg")]),
        (
            "a.jpg、b.jpg；c.jpg\nd.jpg",
            [("ref_1", "a.jpg"), ("ref_2", "b.jpg"), ("ref_3", "c.jpg"), ("ref_4", "d.jpg")],
        ),
        ("mei = a.jpg; b.jpg", [("mei", "a.jpg"), ("ref_2", "b.jpg")]),
        ("ref_2=a.jpg; b.jpg", [("ref_2", "a.jpg"), ("ref_3", "b.jpg")]),
        ("https://x.org/a.jpg?w=1,2&sig=b", [("ref_1", "https://x.org/a.jpg?w=1,2&sig=b")]),
        ("mei=https://x.org/a.jpg?s=1, b.jpg", [("mei", "https://x.org/a.jpg?s=1"), ("ref_2", "b.jpg")]),
        ("; ,", []),
    ],
)
def test_a_cell_of_references(cell: str, found: list[tuple[str, str]]) -> None:
    assert [(one["reference_id"], one["url"]) for one in references([cell])] == found


@given(st.lists(st.sampled_from(["a.jpg", "ref_1=b.jpg", "ref_3=c.jpg", "d.jpg"]), max_size=6, unique=True))
def test_generated_ids_never_equal_given_ids(parts: list[str]) -> None:
    ids = [one["reference_id"] for one in references(["; ".join(parts)])]
    assert len(set(ids)) == len(parts)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3", 3.0),
        ("3.50", 3.5),
        ("3,5", 3.5),
        ("3.0 s", 3.0),
        ("3s", 3.0),
        ("2 seconds", 2.0),
        ("3秒", 3.0),
        ("３．５", 3.5),
        ("1,500", "1,500"),
        ("00:03", 3.0),
        ("1,500.0", "1,500.0"),
        ("nan", "nan"),
        ("3m", "3m"),
    ],
)
def test_a_cell_of_seconds(cell: str, value: float | str) -> None:
    assert seconds(cell) == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [("2", 2), ("2.0", 2), ("18446744073709551615", 2**64 - 1), ("-1", -1), ("1.84E+19", "1.84E+19"), ("2.5", "2.5")],
)
def test_a_cell_of_whole_numbers(cell: str, value: int | str) -> None:
    assert whole(cell) == value


@pytest.mark.parametrize(("cell", "value"), [("0.8", 0.8), ("0,8", 0.8), ("80%", 0.8), ("strong", "strong")])
def test_a_cell_of_strength(cell: str, value: float | str) -> None:
    assert strength(cell) == value


@pytest.mark.parametrize(
    ("cell", "value"), [("1", 1), ("010", "010"), ("SH010", "SH010"), ("1.0", "1.0"), ("-0", "-0")]
)
def test_a_cell_of_a_shot_id(cell: str, value: int | str) -> None:
    assert (shot_id(cell), type(shot_id(cell))) == (value, type(value))


def test_an_unreadable_cell_is_reported_as_written() -> None:
    text = 'shot_id,prompt,duration,seed,reference,strength\n1,x,"1,500",1.84E+19,a.jpg,strong\n'
    assert [fault.split(": ")[:2] for fault in faults(text)] == [
        ["row 2 (shot_id 1), reference 1, strength", '"strong"'],
        ["row 2 (shot_id 1), duration", '"1,500"'],
        ["row 2 (shot_id 1), seed", '"1.84E+19"'],
    ]


def test_names_are_known_in_any_case_and_spelling() -> None:
    header = ["SHOT-ID", "negative_prompt", "Negative Prompt [en]", "参考图2", "时长 (s)", "Takes", "Lens"]
    assert known_columns(header) == {
        0: "shot_id",
        1: "negative_prompt",
        2: "negative_prompt",
        3: "references",
        4: "duration",
        5: "takes",
        6: "lens",
    }


def test_columns_set_inputs_of_nodes() -> None:
    first, second = shots(
        "shot_id,prompt,duration,override 4.ckpt_name,Override: KSampler.steps,覆盖：9.tiling,override width,override\n"
        "1,x,2,a.safetensors,40,TRUE,640,y\n2,x,2,,2.5,,,\n"
    )
    assert first["overrides"] == {"4.ckpt_name": "a.safetensors", "KSampler.steps": 40, "9.tiling": True, "width": 640}
    assert second["overrides"] == {"KSampler.steps": 2.5}
    assert first["override"] == "y"


def test_a_column_says_what_references_are_for() -> None:
    made = shots("shot_id,prompt,duration,reference,参考图用途\n1,x,2,a.jpg,style\n2,x,2,b.jpg,\n")
    assert [shot["references"][0].get("role") for shot in made] == ["style", None]


def test_a_header_of_opening_brackets_is_read_in_linear_time() -> None:
    began = time.process_time()
    with pytest.raises(ShotListFaults):
        read_shot_list("(" * 100_000 + "[" * 100_000 + ",prompt\na,b\n", name="a.csv")
    assert time.process_time() - began < 2
