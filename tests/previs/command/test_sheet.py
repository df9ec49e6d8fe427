"""A board is written as a sheet, which is a list that runs again, and whose picks are taken in."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from previs.boards.picks import pick, picks
from previs.command.sheet import SheetOrder, write_sheet
from previs.command.sheet_picks import SheetPicksOrder, pick_from_sheet
from previs.errors import NotInStore, ShotListFaults
from previs.pictures.thumbnails import thumbnail_of
from previs.planning.make_plan import make_plan
from previs.planning.plan import RunWorkflow
from previs.planning.schedule import TakeResult
from previs.publishing.board_sheet import board_sheet
from previs.publishing.results import RunIdentity, make_manifest
from previs.records.manifest import Manifest
from previs.shots import ShotList, read_shot_list, unused_fields
from previs.store import FolderStore
from previs.workflow import read_workflow
from tests.previs.records.published import frame, manifest, put_run, shot, take

BOARD = "渔港 1"
SHOTS: list[dict[str, Any]] = [
    {
        "shot_id": "1-1",
        "prompt": "=雾中的码头",
        "duration": 3.5,
        "camera": {"size": "WS", "lens": "35mm"},
        "references": [{"url": "a.jpg", "reference_id": "mei", "strength": 0.5}],
        "overrides": {"4.cfg": 7.5},
        "seed": 2**64 - 1,
        "mood": "calm",
    },
    {"shot_id": 2, "description": "A hand on a wet rail", "duration": 2, "notes": "as in 1", "scene": "12"},
]
PICTURE = thumbnail_of(Image.effect_noise((320, 180), 40).convert("RGB"))


def board(**changes: Any) -> Manifest:
    takes = [take(each, frames=(frame(b"%d" % each, thumbnail=PICTURE),), seed=each) for each in (1, 2)]
    shots = (
        shot("1-1", *takes, shot=SHOTS[0], prompt=SHOTS[0]["prompt"], duration=3.5),
        shot(2, *takes[:1], take(2, error="no room"), shot=SHOTS[1], prompt=SHOTS[1]["description"]),
    )
    return manifest(*shots, **({"board": BOARD, "title": "渔港", "shot_list": {"client": 1}} | changes))


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "store")
    await put_run(made, board(), (b"1", b"2"))
    return made


@pytest.fixture
async def sheet(store: FolderStore, tmp_path: Path) -> Path:
    path = tmp_path / "out.xlsx"
    assert await write_sheet(SheetOrder(store.name, BOARD, path)) == 0
    return path


def read(path: Path) -> ShotList:
    return read_shot_list(path.read_bytes(), name=str(path))


def edit(path: Path, shot_id: str | int, **cells: Any) -> None:
    """Write into cells of a shot's row, as another program does."""
    book = openpyxl.load_workbook(path)
    columns = {cell.value: cell.column for cell in book["shots"][1]}
    [row] = [row for row in book["shots"].iter_rows(min_row=2) if row[columns["shot_id"] - 1].value == shot_id]
    for name, value in cells.items():
        row[columns["board: pick" if name == "pick" else name] - 1].value = value
    book.save(path)


async def test_the_sheet_of_a_board_is_its_list_and_nothing_of_it_counts_as_unknown(sheet: Path) -> None:
    made = read(sheet)
    assert [each.given() for each in made.shots] == SHOTS
    assert (made.title, made.model_extra, made.notices) == ("渔港", {"client": 1}, ())
    assert unused_fields(made) == ("kept, not used: fields of the list: client; fields of shots: mood",)


async def test_the_sheet_shows_what_became_of_the_shots(sheet: Path) -> None:
    table = openpyxl.load_workbook(sheet)["shots"]
    head = [cell.value for cell in table[1]]
    first, second = (dict(zip(head, [cell.value for cell in row], strict=True)) for row in table.iter_rows(min_row=2))
    assert head[:4] == ["board: picture", "shot_id", "board: pick", "notes"]
    assert first["prompt"] == "=雾中的码头"
    assert (first["board: take"], first["board: seed"], first["board: takes"]) == (1, 1, "2 rendered")
    assert (second["board: state"], second["board: error"]) == ("incomplete", "take 2: no room")
    assert table.freeze_panes == "C2"
    assert len(table._images) == 2
    assert [Image.open(io.BytesIO(each._data())).size for each in table._images] == [(320, 180)] * 2
    assert all(table.row_dimensions[number].height * 4 / 3 > 108 for number in (2, 3))


async def test_a_chosen_take_is_shown_and_other_files_are_left_alone(
    store: FolderStore, sheet: Path, tmp_path: Path
) -> None:
    await pick(store, BOARD, "1-1", 2)
    with pytest.raises(ShotListFaults, match="already exists"):
        await write_sheet(SheetOrder(store.name, BOARD, sheet))
    with pytest.raises(ShotListFaults, match=r"written as \.xlsx"):
        await write_sheet(SheetOrder(store.name, BOARD, tmp_path / "out.ods"))
    again = tmp_path / "again.xlsx"
    await write_sheet(SheetOrder(store.name, BOARD, again))
    assert read(again).picks.cells == {"1-1": ("2", "2"), "2": ("", "")}


async def test_picks_that_were_changed_are_taken_in_and_the_rest_is_said(
    store: FolderStore, sheet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(sheet, "1-1", pick=2, notes="better", prompt="x")
    [notice] = read(sheet).notices
    assert notice == "the picks of 1-1 are changed in the sheet: previs pick --from takes them in"
    capsys.readouterr()
    assert await pick_from_sheet(SheetPicksOrder(store.name, str(sheet))) == 0
    said = capsys.readouterr()
    assert said.out == f"shot 1-1: take 2 is picked\n1 pick changed: the next run of {BOARD} shows them\n"
    assert "not taken in, because they belong to the list: notes, prompt of 1-1; previs run" in said.err
    assert {name: each.take for name, each in (await picks(store, BOARD)).items()} == {"1-1": 2}


async def test_a_pick_that_somebody_else_changed_since_is_a_fault(store: FolderStore, sheet: Path) -> None:
    await pick(store, BOARD, "1-1", 2)
    edit(sheet, "1-1", pick=1)
    with pytest.raises(ShotListFaults, match="on the board take 2 was picked since the sheet was written"):
        await pick_from_sheet(SheetPicksOrder(store.name, str(sheet)))
    edit(sheet, "1-1", pick=2)
    assert await pick_from_sheet(SheetPicksOrder(store.name, str(sheet), BOARD)) == 0


async def test_nothing_is_picked_if_a_pick_cannot_be(store: FolderStore, sheet: Path) -> None:
    edit(sheet, "1-1", pick=2)
    edit(sheet, 2, pick=2)
    with pytest.raises(NotInStore, match="takes with frames: 1"):
        await pick_from_sheet(SheetPicksOrder(store.name, str(sheet)))
    assert await picks(store, BOARD) == {}
    edit(sheet, 2, pick="the first")
    with pytest.raises(ShotListFaults, match='"the first": write the number of a take'):
        await pick_from_sheet(SheetPicksOrder(store.name, str(sheet)))


async def test_a_pick_is_withdrawn_by_an_empty_cell(store: FolderStore, tmp_path: Path) -> None:
    await pick(store, BOARD, "1-1", 2)
    path = tmp_path / "out.xlsx"
    await write_sheet(SheetOrder(store.name, BOARD, path))
    edit(path, "1-1", pick=None)
    assert await pick_from_sheet(SheetPicksOrder(store.name, str(path))) == 0
    assert await picks(store, BOARD) == {}


async def test_a_sheet_without_picks_is_a_fault(store: FolderStore, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("shot_id,prompt,duration\n1,x,2\n", "utf-8")
    with pytest.raises(ShotListFaults, match='no column "board: pick"'):
        await pick_from_sheet(SheetPicksOrder(store.name, str(path)))


def test_the_template_of_a_list_is_kept_and_of_earlier_manifests_the_prompts_that_it_made() -> None:
    given = {"shot_id": 1, "prompt": "fog", "duration": 2, "camera": {"size": "CU"}}
    entry = shot(1, shot=given, prompt="close-up, fog")
    content, notices = board_sheet(manifest(entry, prompt_template="{size}, {prompt}"), {}, "a.xlsx")
    made = read_shot_list(content, name="a.xlsx")
    assert (made.prompt_template, made.shots[0].prompt, made.shots[0].given()) == (
        "{size}, {prompt}",
        "close-up, fog",
        given,
    )
    assert notices == []
    content, [notice] = board_sheet(manifest(entry), {}, "a.xlsx")
    assert read_shot_list(content, name="a.xlsx").shots[0].given()["prompt"] == "close-up, fog"
    assert notice.startswith("1 prompt as rendered")


@pytest.mark.parametrize("look", [{}, {"look": "film.look.yaml"}])
def test_the_looks_of_a_list_are_kept(look: dict[str, Any]) -> None:
    fields = {"style": "ink", "characters": {"MEI": "a girl"}, "lang": "en", "mood": "calm"} | look
    given = {"shot_id": 1, "prompt": "@MEI runs", "duration": 1.0, "workflow": "a.json"}
    listed = read_shot_list(fields | {"shots": [given]})
    plan = make_plan(listed, {"a.json": RunWorkflow(read_workflow({"checkpoint": "a"}, name="a.json"))}, {})
    results = [TakeResult(take, "failed", error="x") for take in plan.takes]
    run = RunIdentity("b", "r", datetime.now(UTC), "a.json")
    made = make_manifest(plan, results, run, {}, finished=datetime.now(UTC))
    content, notices = board_sheet(made, {}, "a.xlsx")
    back = read_shot_list(content, name="a.xlsx")
    assert back.given() == listed.given() | {"title": "", "fps": 24}
    assert back.shots == listed.shots
    assert any("relative" in notice for notice in notices) == bool(look)
