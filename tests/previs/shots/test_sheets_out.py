"""A list that is written as a sheet is read back as the same list, after other programs have saved it, too."""

import csv
import io
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from hypothesis import example, given, settings
from python_calamine import CalamineWorkbook

from previs.errors import ShotListFaults
from previs.shots import ShotList, read_shot_list
from previs.shots.exact_rows import MARK
from previs.shots.to_sheet import write_csv, write_xlsx
from tests.previs.shots.drawn import AWKWARD, UPSTREAM, lists

HARD = [
    {**UPSTREAM, "shot_id": f"x {number}", "prompt": f"{text}x", "notes": text, text: [text]}
    for number, text in enumerate(AWKWARD)
    if text not in ("prompt", "Scene")
]


def read(content: bytes) -> ShotList:
    return read_shot_list(content, name="list.xlsx")


def faults(content: bytes) -> list[str]:
    with pytest.raises(ShotListFaults) as caught:
        read(content)
    return [str(fault) for fault in caught.value.faults]


def edited(content: bytes, edit: Callable[[Any], None]) -> bytes:
    """Return a workbook as another program saves it after an edit."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    edit(book)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def sheet_of(shots: Any, **fields: Any) -> bytes:
    return write_xlsx(read_shot_list(fields | {"shots": shots}), "list.xlsx")


@settings(max_examples=30)
@example({"shots": HARD, "json:1": "=1", "board: name": 2, " ": "#N/A", "id": "length"})
@given(lists)
def test_any_list_survives_a_workbook_and_its_shots_csv(values: Any) -> None:
    made = read_shot_list(values)
    back = read(write_xlsx(made, "list.xlsx"))
    assert back.given() == made.given()
    assert back.shots == made.shots
    assert back.notices == made.notices
    of_csv = read_shot_list(write_csv(made, "list.csv"), name="list.csv").shots
    assert [shot.given() for shot in of_csv] == [shot.given() for shot in made.shots]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@a", '=HYPERLINK("http://a")'])
def test_texts_that_begin_as_formulas_are_texts(text: str) -> None:
    content = sheet_of([{**UPSTREAM, "prompt": text, "notes": text}])
    row = openpyxl.load_workbook(io.BytesIO(content))["shots"][2]
    [prompt, notes] = [cell for cell in row if cell.value == text]
    assert (prompt.data_type, prompt.quotePrefix, notes.data_type) == ("s", True, "s")
    assert b"<f>" not in content
    cells = list(csv.reader(io.StringIO(write_csv(read(content), "a.csv").decode("utf-8-sig"))))[1]
    assert f'json:"{text.replace(chr(34), chr(92) + chr(34))}"' in cells
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_other_readers_find_texts_and_numbers() -> None:
    shots = [{**UPSTREAM, "shot_id": "007", "seed": 2**64 - 1, "sequence": "12", "mood": 3, "prompt": "雾\n海"}]
    content = sheet_of([*shots, {**UPSTREAM, "shot_id": 8, "duration": 2.5}], title="The Last Ferry", fps=25)
    head, first, second = CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name("shots").to_python()
    found = dict(zip(head, first, strict=True))
    known = {"shot_id": "007", "seed": str(2**64 - 1), "sequence": "12", "mood": 3, "prompt": "雾\n海", "duration": 3}
    assert found.items() >= known.items()
    assert (second[0], second[head.index("duration")]) == (8, 2.5)
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert [[cell.value for cell in row] for row in book["list"].iter_rows(max_row=3)] == [
        ["field", "value"],
        ["title", "The Last Ferry"],
        ["fps", 25],
    ]
    assert book["shots"].freeze_panes == "B2"
    assert book["shots"].column_dimensions["O"].width > 40
    assert book["shots"]["O2"].alignment.wrap_text


def test_a_sheet_is_the_same_list_after_another_program_has_saved_it() -> None:
    made = read_shot_list({"title": "=a", "shots": HARD[:20]})
    assert read(edited(write_xlsx(made, "a.xlsx"), lambda _: None)).given() == made.given()


def test_rows_that_usual_sheets_would_skip_or_rename_stay_shots() -> None:
    shots = [
        {"shot_id": number, "prompt": prompt, "duration": 60, "scene": scene}
        for number, prompt, scene in ((1, "Total", "1"), (2, "fog", None), (3, "合计", "2"))
    ]
    made = read(sheet_of(shots))
    assert [shot.given() for shot in made.shots] == shots
    assert made.notices == ()


def test_what_a_person_adds_is_read_and_said() -> None:
    def add(book: Any) -> None:
        sheet = book["shots"]
        for number, cells in enumerate(
            (("colour", "blue"), ("override 4.cfg", 7), ("景别", "CU")), sheet.max_column + 1
        ):
            sheet.cell(1, number, cells[0])
            sheet.cell(2, number, cells[1])
        sheet.delete_cols([cell.value for cell in sheet[1]].index("size") + 1)
        sheet.append(["", "", "Total"] + [""] * 30 + ["beyond"])
        book["list"].append(["fps", "", "x"])

    made = edited(sheet_of([UPSTREAM], fps=25), add)
    assert [fault.partition(": ")[0] for fault in faults(made)][-3:] == [
        "row 3, shot_id",
        "row 3, prompt",
        "row 3, duration",
    ]
    made = edited(made, lambda book: book["shots"].delete_rows(3))
    [shot] = read(made).shots
    assert shot.given() == UPSTREAM | {"overrides": {"4.cfg": 7}, "colour": "blue", "camera": {"size": "CU"}}
    assert read(made).notices == ("row 5 of sheet list: cells behind the second are not read",)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("prompt", "json:{", 'row 2, prompt: "json:{": behind json: a cell has valid JSON'),
        ("overrides", 'json:{"a": 1, "a": 2}', "row 2 (shot_id 1), overrides: given more than once"),
        ("notes", "#REF!", 'row 2, notes: "#REF!": a formula without a value'),
        (MARK, "json:[1]", "row 2, other fields: "),
        (MARK, 'json:{"prompt": "x"}', 'row 2, other fields: "prompt": this field also has a cell of its own'),
        ("duration", "soon", 'row 2 (shot_id 1), duration: "soon": seconds'),
    ],
)
def test_cells_that_cannot_be_read_are_faults(column: str, cell: str, said: str) -> None:
    def write(book: Any) -> None:
        names = [each.value for each in book["shots"][1]]
        book["shots"].cell(2, names.index(column) + 1, cell)

    assert faults(edited(sheet_of([UPSTREAM]), write))[0].startswith(said)


def test_what_does_not_fit_into_a_cell_is_refused() -> None:
    long = [{**UPSTREAM, "notes": "😀" * 16_384}, {**UPSTREAM, "shot_id": 2, "mood": ["x" * 40_000]}]
    for write in (write_xlsx, write_csv):
        with pytest.raises(ShotListFaults) as caught:
            write(read_shot_list(long), "list.xlsx")
        first, second = map(str, caught.value.faults)
        assert first.startswith("shot 1 (shot_id 1), notes: 32,768 characters: a cell of a spreadsheet holds 32,767")
        assert second.startswith("shot 2 (shot_id 2), mood: 40,009 characters")
    assert sheet_of([{**UPSTREAM, "notes": "😀" * 16_383}])


def test_a_sheet_of_a_later_version_is_not_guessed_at() -> None:
    later = edited(sheet_of([UPSTREAM]), lambda book: book["shots"].cell(1, 25, "other fields (previs.sheet/2)"))
    assert "a later version of previs wrote this sheet" in faults(later)[0]
