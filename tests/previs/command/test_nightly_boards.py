"""A board becomes a nightly one only if its inputs can be read now, and the command reports what it added."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from previs.boards.nightly import NightlyBoard, nightly_boards
from previs.command.nightly_boards import SCHEMA, AddOrder, add_board, list_boards, remove_board
from previs.errors import NotInStore, ScheduleRefused, ShotListFaults, SourceNotFound, WorkflowFaults
from previs.store import FolderStore, S3Settings, S3Store, keys
from tests.previs.command.conftest import Call
from tests.previs.records.published import contents

EXAMPLES = Path(__file__).parents[3] / "examples"
SHOTS = [{"shot_id": "SH01", "prompt": "夜", "duration": 2}, {"shot_id": "SH02", "prompt": "雨", "duration": 2}]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def write(place: Path, content: object) -> str:
    place.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return str(place)


async def only_entry(store: FolderStore | S3Store) -> NightlyBoard:
    [entry] = (await nightly_boards(store)).values()
    assert isinstance(entry, NightlyBoard)
    return entry


async def test_a_board_is_kept_with_absolute_paths_and_read_again_each_night(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "shots.json", {"title": "夜城", "shots": SHOTS})
    write(tmp_path / "settings.json", {"checkpoint": "sd_xl_base_1.0.safetensors"})
    before = datetime.now(UTC)
    order = AddOrder("store", "shots.json", workflow="settings.json", takes=2, overrides={"4.ckpt_name": "x"})
    assert await add_board(order) == 0
    entry = await only_entry(store)
    assert before <= entry.added <= datetime.now(UTC)
    assert entry.model_dump(exclude={"schema_name", "added"}) == {
        "board": "夜城",
        "shots": str(tmp_path / "shots.json"),
        "workflow": str(tmp_path / "settings.json"),
        "takes": 2,
        "overrides": {"4.ckpt_name": "x"},
        "render_seconds": None,
    }
    assert set(await contents(store)) == {keys.nightly_key("夜城")}
    output = capsys.readouterr().out.splitlines()
    assert output[0] == f"夜城 is rendered every night from {tmp_path / 'shots.json'} (2 shots)"
    assert str(tmp_path / "store") in output[1]
    assert output[2:] == [f"every worker must be able to read {entry.shots} and {entry.workflow}"]
    assert await add_board(AddOrder("store", "shots.json")) == 0
    assert capsys.readouterr().out.splitlines()[0].endswith("(2 shots), changed")


@pytest.mark.parametrize(
    ("content", "named", "board"),
    [(SHOTS, "", "渔港 终稿"), ({"title": "夜城", "shots": SHOTS}, "other", "other")],
)
async def test_a_board_is_named_by_the_option_the_title_or_the_file(
    store: FolderStore, tmp_path: Path, content: object, named: str, board: str
) -> None:
    await add_board(AddOrder(store.name, write(tmp_path / "渔港 终稿.json", content), named))
    assert (await only_entry(store)).board == board


async def test_a_list_in_s3_keeps_its_place(
    settings: S3Settings, s3_store: S3Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.access_key_id is not None
    assert settings.secret_access_key is not None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", settings.access_key_id.get_secret_value())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", settings.secret_access_key.get_secret_value())
    monkeypatch.setenv("AWS_ENDPOINT_URL", str(settings.endpoint_url))
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    await s3_store.put("lists/镜头.json", json.dumps(SHOTS).encode(), media_type="application/json")
    place = s3_store.uri("lists/镜头.json")
    assert await add_board(AddOrder(s3_store.name, place)) == 0
    assert (await only_entry(s3_store)).shots == place


async def test_a_list_with_faults_is_refused_with_all_of_them_and_nothing_is_kept(
    store: FolderStore, tmp_path: Path
) -> None:
    broken = [{"shot_id": "A", "duration": -1}, {"prompt": "x", "duration": 1}]
    with pytest.raises(ShotListFaults) as output:
        await add_board(AddOrder(store.name, write(tmp_path / "shots.json", broken)))
    assert len(output.value.faults) == 3
    lost = [{"url": name, "reference_id": name} for name in ("no.png", "none.png")]
    with pytest.raises(ShotListFaults) as output:
        await add_board(AddOrder(store.name, write(tmp_path / "shots.json", [SHOTS[0] | {"references": lost}])))
    assert [fault.value for fault in output.value.faults] == ["no.png", "none.png"]
    assert await contents(store) == {}


@pytest.mark.parametrize("shots", ["no-such.json", "ftp://a/b.json", ""])
async def test_a_missing_list_is_refused(store: FolderStore, shots: str) -> None:
    with pytest.raises(SourceNotFound):
        await add_board(AddOrder(store.name, shots))
    assert await contents(store) == {}


@pytest.mark.parametrize(
    ("content", "error"),
    [({"checkpoint": 4}, WorkflowFaults), ({"a": 1}, WorkflowFaults), (None, SourceNotFound)],
)
async def test_an_invalid_workflow_is_refused(
    store: FolderStore, tmp_path: Path, content: object, error: type[Exception]
) -> None:
    if content is not None:
        write(tmp_path / "graph.json", content)
    with pytest.raises(error):
        await add_board(AddOrder(store.name, str(EXAMPLES / "upstream.json"), workflow=str(tmp_path / "graph.json")))
    assert await contents(store) == {}


async def test_a_graph_that_needs_a_server_to_be_read_is_left_to_the_nightly_run(store: FolderStore) -> None:
    graph = str(EXAMPLES / "workflows" / "saved-in-editor.json")
    assert await add_board(AddOrder(store.name, str(EXAMPLES / "upstream.json"), workflow=graph)) == 0
    assert (await only_entry(store)).workflow == graph


async def test_boards_are_listed_with_where_they_come_from(
    store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = write(tmp_path / "shots.json", SHOTS)
    graph = str(EXAMPLES / "workflows" / "saved-in-editor.json")
    await add_board(AddOrder(store.name, shots, "a", takes=4))
    await add_board(AddOrder(store.name, shots, "b\x1b[31m", workflow=graph))
    capsys.readouterr()
    assert await list_boards(store.name) == 0
    output = capsys.readouterr().out
    head, first, second = (line.split() for line in output.splitlines())
    assert head == ["board", "shot", "list", "workflow", "takes", "when", "added", "(UTC)"]
    assert first[:7] == ["a", shots, "the", "deployment's", "4", "every", "night"]
    assert second[2:5] == [shots, graph, "1"] or second[1:4] == [shots, graph, "1"]
    assert "\x1b" not in output


async def test_an_empty_list_says_how_to_add_a_board(store: FolderStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert await list_boards(store.name) == 0
    output = capsys.readouterr().out
    assert output == f"{store.name}: no board is rendered each night: previs nightly add SHOTS adds one\n"


async def test_an_unreadable_entry_is_reported_and_ends_with_1(
    store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_board(AddOrder(store.name, write(tmp_path / "shots.json", SHOTS), "a"))
    await store.put(keys.nightly_key("b"), b"{", media_type="application/json")
    capsys.readouterr()
    assert await list_boards(store.name) == 1
    output = capsys.readouterr()
    assert output.err.startswith("nightly/b.json cannot be used: ")
    assert output.out.splitlines()[1].startswith("a ")
    assert await list_boards(store.name, as_json=True) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["schema"], content["store"]) == (SCHEMA, store.name)
    assert [(each["schema"], each["board"]) for each in content["boards"]] == [("previs.nightly/1", "a")]
    assert len(content["unreadable"]) == 1


async def test_a_removed_board_is_gone_and_reported(
    store: FolderStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await add_board(AddOrder(store.name, write(tmp_path / "shots.json", SHOTS), "a"))
    capsys.readouterr()
    assert await remove_board(store.name, "a") == 0
    assert capsys.readouterr().out == "a is no longer rendered every night; rendered frames stay\n"
    with pytest.raises(NotInStore):
        await remove_board(store.name, "a")


async def test_a_time_zone_without_a_cron_line_is_refused(store: FolderStore) -> None:
    with pytest.raises(ScheduleRefused, match="'Europe/Berlin' is of no use without --cron"):
        await add_board(AddOrder(store.name, str(EXAMPLES / "upstream.json"), timezone="Europe/Berlin"))
    assert await contents(store) == {}


def test_the_command_line_adds_lists_and_removes(call: Call, tmp_path: Path) -> None:
    write(tmp_path / "shots.json", SHOTS)
    options = ["--board", "a", "--takes", "2", "--override", "4.ckpt_name=x", "--override", "width=64"]
    options += ["--render-seconds", "900", "--store", "store"]
    assert call("nightly", "add", "shots.json", *options).code == 0
    [entry] = json.loads(call("nightly", "list", "--json", "--store", "store").out)["boards"]
    assert (entry["board"], entry["takes"], entry["render_seconds"]) == ("a", 2, 900)
    assert entry["overrides"] == {"4.ckpt_name": "x", "width": 64}
    assert call("nightly", "remove", "a", "--store", "store").code == 0
