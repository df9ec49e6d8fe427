"""A list is shown as it is read, and written as a clean list that is the same."""

import json
from pathlib import Path

import pytest

from previs.command.shots import ShotsOrder, show_shots
from previs.errors import ShotListFaults
from previs.shots import read_shot_list

SHEET = 'The film,,,,\nScene,Shot,Beschreibung,Dauer,Mood,Referenz\n12,1,Nebel,0:04,calm,a.jpg\n13,1,雾,"2,5",,\n'


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    path.write_text(SHEET, "utf-8")
    return path


async def test_columns_shots_and_notices_are_shown(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_shots(ShotsOrder(str(sheet))) == 0
    shown = capsys.readouterr().out
    for words in ("2 shots, 6.5 s at 24", "Beschreibung", "description", "12-1", "Nebel", "note: 1 row without a shot"):
        assert words in shown
    assert "kept, not used: fields of shots: Mood" in shown


async def test_json_has_columns_notices_prompts_and_the_list(sheet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_shots(ShotsOrder(str(sheet), as_json=True)) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {"column": "Dauer", "field": "duration"} in shown["columns"]
    assert shown["prompts"][0] == {"shot_id": "12-1", "prompt": "Nebel"}
    assert shown["list"] == read_shot_list(SHEET, name="list.csv").given()
    assert len(shown["notices"]) == 3


@pytest.mark.parametrize("name", ["clean.yaml", "clean.json", "clean.xlsx", "clean.csv"])
async def test_a_written_list_is_read_as_the_same(sheet: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = sheet.parent / name
    assert await show_shots(ShotsOrder(str(sheet), write=str(path))) == 0
    assert read_shot_list(path.read_bytes(), name=name).shots == read_shot_list(SHEET, name="list.csv").shots
    assert "references are relative" not in capsys.readouterr().out
    with pytest.raises(ShotListFaults, match="already exists"):
        await show_shots(ShotsOrder(str(sheet), write=str(path)))


async def test_what_a_written_list_loses_is_said(
    sheet: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    await show_shots(ShotsOrder(str(sheet), write=str(elsewhere / "clean.yaml")))
    assert "note: references are relative to" in capsys.readouterr().out
    with pytest.raises(ShotListFaults, match=r"a list is written as \.yaml, \.yml, \.json, \.xlsx, \.csv"):
        await show_shots(ShotsOrder(str(sheet), write=str(elsewhere / "clean.ods")))
    titled = elsewhere / "titled.yaml"
    titled.write_text("{title: a, shots: [{shot_id: 1, prompt: x, duration: 1}]}", "utf-8")
    await show_shots(ShotsOrder(str(titled), write=str(elsewhere / "clean.csv")))
    assert "a CSV holds shots only, so these fields of the list are not in it: title" in capsys.readouterr().out
