"""Commands on a store print what they did and exit with the documented codes."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from previs.boards.picks import picks
from previs.boards.retention import Rule
from previs.command.boards import SCHEMA, BoardsOrder, show_boards
from previs.command.pick import PickOrder, pick_take
from previs.command.prune import PruneOrder, prune_store
from previs.command.pull import PullOrder, pull_board
from previs.errors import NotInStore
from previs.store import FolderStore, keys
from tests.previs.records.published import contents, frame, manifest, put_beat, put_files, put_run, run_name, shot, take

BOARD = "夜景/1"
CONTENTS = (b"one", b"two", b"three")
NOTHING_SPARED = Rule(keep=1, spare=timedelta())


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    """Of a board with two runs, the first of one frame, the second of two and a failed take."""
    made = FolderStore(tmp_path / "store")
    await put_run(made, manifest(shot("A", take(1, b"one")), board=BOARD, number=1), CONTENTS)
    again = manifest(shot("A", take(1, b"two", b"three")), shot("B", take(1)), board=BOARD, number=2)
    await put_run(made, again, CONTENTS)
    return made


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


async def test_boards_are_listed_with_their_latest_runs(store: FolderStore, capsys: pytest.CaptureFixture[str]) -> None:
    await put_run(store, manifest(board="b"))
    assert await show_boards(BoardsOrder(store.name)) == 0
    head, first, second = rows(capsys.readouterr().out)
    assert head == ["board", "runs", "latest", "run", "finished", "(UTC)", "shots", "size"]
    assert first == ["b", "1", run_name(1), "2026-10-31", "17:40", "0", "0", "bytes"]
    assert second == [BOARD, "2", run_name(2), "2026-10-31", "17:40", "2,", "1", "failed", "8", "bytes"]


async def test_the_runs_of_a_board_are_listed_the_latest_first(
    store: FolderStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await show_boards(BoardsOrder(store.name, BOARD)) == 0
    _, first, second = rows(capsys.readouterr().out)
    assert first[:1] + first[3:] == [run_name(2), "2", "8", "bytes", "1", "rendered,", "1", "failed", "latest"]
    assert second[:1] + second[3:] == [run_name(1), "1", "3", "bytes", "1", "rendered"]
    with pytest.raises(NotInStore):
        await show_boards(BoardsOrder(store.name, "b"))


async def test_an_empty_store_says_that_it_has_no_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_boards(BoardsOrder(str(tmp_path))) == 0
    assert capsys.readouterr().out == f"{tmp_path} has no board yet\n"


async def test_a_program_reads_boards_and_runs_as_json(store: FolderStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert await show_boards(BoardsOrder(store.name, as_json=True)) == 0
    output = json.loads(capsys.readouterr().out)
    assert (output["schema"], output["store"]) == (SCHEMA, store.name)
    (board,) = output["boards"]
    assert (board["name"], board["latest"], len(board["runs"])) == (BOARD, run_name(2), 2)
    assert board["runs"][0] == {
        "run": run_name(2),
        "manifest": keys.run_key(BOARD, run_name(2), "manifest.json"),
        "finished": "2026-10-31T17:40:02+00:00",
        "shots": 2,
        "rendered": 1,
        "joined": 0,
        "cached": 0,
        "failed": 1,
        "skipped": 0,
        "size": 8,
        "fault": None,
    }


async def test_a_damaged_manifest_is_listed_and_reported_and_ends_with_1(
    store: FolderStore, capsys: pytest.CaptureFixture[str]
) -> None:
    key = keys.run_key(BOARD, run_name(1), "manifest.json")
    await put_files(store, {key: b"{"})
    assert await show_boards(BoardsOrder(store.name, BOARD)) == 1
    output = capsys.readouterr()
    assert rows(output.out)[2][:2] == [run_name(1), "unreadable"]
    assert output.err.startswith(f"{key} cannot be used: ")
    assert await show_boards(BoardsOrder(store.name, as_json=True)) == 1
    damaged = json.loads(capsys.readouterr().out)["boards"][0]["runs"][1]
    assert (damaged["finished"], bool(damaged["fault"])) == (None, True)


async def test_names_cannot_control_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FolderStore(tmp_path / "store")
    await put_run(store, manifest(shot("a\x1b[2J", take(1, b"one")), board="b\x1b[31m\u202e"), CONTENTS)
    await show_boards(BoardsOrder(store.name))
    await show_boards(BoardsOrder(store.name, "b\x1b[31m\u202e"))
    await pick_take(PickOrder(store.name, "a\x1b[2J", 1))
    await pull_board(PullOrder(store.name, "b\x1b[31m\u202e", tmp_path / "here"))
    output = capsys.readouterr()
    assert not {"\x1b", "\u202e"} & set(output.out + output.err)


async def test_a_picked_take_is_reported_and_kept(store: FolderStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert await pick_take(PickOrder(store.name, "A", 1)) == 0
    assert capsys.readouterr().out == f"take 1 of A is picked: the next run of {BOARD} shows this\n"
    assert (await picks(store, BOARD))["A"].take == 1
    assert await pick_take(PickOrder(store.name, "A", None, BOARD)) == 0
    assert capsys.readouterr().out == f"take 1 of A is no longer picked: the next run of {BOARD} shows this\n"
    assert await picks(store, BOARD) == {}


async def test_with_several_boards_one_must_be_named(store: FolderStore) -> None:
    await put_run(store, manifest(board="b"))
    with pytest.raises(NotInStore, match="say which with --board: there are 'b', '夜景/1'"):
        await pick_take(PickOrder(store.name, "A", 1))
    assert await pick_take(PickOrder(store.name, "A", 1, BOARD)) == 0


async def test_a_pull_reports_what_it_downloaded(
    store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "here"
    order = PullOrder(store.name, BOARD, folder)
    assert await pull_board(order) == 0
    output = f"run {run_name(2)}: 2 frames downloaded (8 bytes), 0 already there: {folder / 'index.html'}\n"
    assert capsys.readouterr().out == output
    (folder / "A_t01_1.png").unlink()
    assert await pull_board(order) == 0
    assert "1 frame downloaded (3 bytes), 1 already there" in capsys.readouterr().out


async def test_a_pull_without_a_frame_names_it_and_ends_with_1(
    store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await store.delete([frame(b"two").key])
    assert await pull_board(PullOrder(store.name, BOARD, tmp_path / "here")) == 1
    output = capsys.readouterr()
    assert "1 frame downloaded (5 bytes), 0 already there, 1 missing" in output.out
    assert f"{store.name} has no {frame(b'two').key} (A_t01_1.png)" in output.err


async def test_a_prune_lists_what_would_go_by_kind_and_deletes_it_on_request(
    store: FolderStore, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(await contents(store))
    assert await prune_store(PruneOrder(store.name, NOTHING_SPARED)) == 0
    output = capsys.readouterr().out
    assert [" ".join(row) for row in rows(output) if row[0] in {"kind", "frames"}] == [
        "kind count size",
        "frames 1 3 bytes",
    ]
    assert [row[0] for row in rows(output)[1:-1]] == ["runs", "frames", "records"]
    assert output.splitlines()[-1].startswith("1 run kept; nothing was deleted: --yes deletes ")
    assert set(await contents(store)) == before
    assert await prune_store(PruneOrder(store.name, NOTHING_SPARED, delete=True)) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(" deleted")
    assert set(await contents(store)) < before
    assert await prune_store(PruneOrder(store.name, NOTHING_SPARED, delete=True)) == 0
    assert capsys.readouterr().out == "1 run kept; there is nothing to delete\n"


async def test_a_prune_with_an_obstacle_reports_it_and_ends_with_1(
    store: FolderStore, capsys: pytest.CaptureFixture[str]
) -> None:
    await put_beat(store, "r", over=False)
    before = await contents(store)
    assert await prune_store(PruneOrder(store.name, NOTHING_SPARED, delete=True)) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines()[0].startswith("run 'r' was at work ")
    assert output.err.splitlines()[1] == "nothing was deleted"
    assert await contents(store) == before
