"""A board is published to Kitsu once, and again only as far as it changed; what people change there stays."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from PIL import Image

from previs.boards.picks import pick
from previs.command.publish_kitsu import KitsuOrder, publish_board
from previs.errors import KitsuRefused, KitsuUnavailable, NotInStore, ShotListFaults
from previs.records.manifest import ShotEntry
from previs.store import FolderStore
from tests.previs.comfyui.client.listening import Serve, listening
from tests.previs.kitsu.zou import EMAIL, PASSWORD, TOKEN, Zou, serving_zou
from tests.previs.pdf.boards import BLUE, RED, board, png, shown, told
from tests.previs.records.published import put_run, take

BOARD = "渔港 1"


@pytest.fixture
async def zou() -> AsyncIterator[Zou]:
    async with serving_zou() as serving:
        yield serving


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITSU_EMAIL", EMAIL)
    monkeypatch.setenv("KITSU_PASSWORD", PASSWORD)
    monkeypatch.delenv("KITSU_TOKEN", raising=False)
    monkeypatch.delenv("KITSU_HOST", raising=False)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def shots() -> list[ShotEntry]:
    first = told("SH010", shown(png(RED)), shown(png(BLUE), 2), duration=2.0, description="老周推门")
    second = told("SH020", shown(png(BLUE)), duration=1.5, prompt="rain").model_copy(update={"sequence": "SQ020"})
    third = told("SH030", take(1, error="no room"), duration=1.0)
    return [first.model_copy(update={"sequence": "SQ010"}), second, third]


async def put(store: FolderStore, *entries: ShotEntry, number: int = 1) -> None:
    made = board(*(entries or shots()), board=BOARD, number=number)
    await put_run(store, made.model_copy(update={"number": number}), (png(RED), png(BLUE)))


async def run(zou: Zou, store: FolderStore, **options: Any) -> int:
    known = {"store": store.name, "board": BOARD, "project": "Night City", "host": zou.url}
    return await publish_board(KitsuOrder(**(known | options)))


def opened(preview: dict[str, Any]) -> tuple[int, int, int]:
    pixel = Image.open(io.BytesIO(preview["content"])).convert("RGB").getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return pixel


async def test_shots_sequences_ranges_descriptions_tasks_and_previews(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    assert await run(zou, store) == 0
    assert {name: zou.sequence_of(name) for name in zou.shots} == {
        "SH010": "SQ010",
        "SH020": "SQ020",
        "SH030": "雾港夜航",
    }
    first, second = zou.shots["SH010"], zou.shots["SH020"]
    assert (first["nb_frames"], first["description"]) == (48, "老周推门")
    assert {name: first["data"][name] for name in ("frame_in", "frame_out", "fps")} == {
        "frame_in": 1,
        "frame_out": 48,
        "fps": "24",
    }
    assert second["description"] == "rain"
    [preview] = zou.previews_of("SH010")
    assert opened(preview) == RED
    assert first["preview_file_id"] == preview["id"]
    assert preview["content"] == png(RED)
    task = zou.task_of("SH010")
    assert task["data"]["previs"]["preview"] == preview["id"]
    assert [each["text"] for each in zou.comments if each["object_id"] == task["id"]] == ["雾港夜航, run 1, take 1"]
    assert task["task_status_id"] == zou.statuses[0]["id"]
    assert zou.previews_of("SH030") == []
    assert zou.logged_out == 1
    out, err = capfd.readouterr()
    run_name = "20261031-174001-abcdef01"
    parts = "3 shots, 3 new, 0 changed, 2 pictures uploaded, 0 unchanged"
    assert out == f"run {run_name} → Night City: {parts}\n"
    assert err == "note: no picture yet: SH030\n"


async def test_the_second_time_nothing_is_written(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    await run(zou, store)
    before = json.dumps([zou.entities, zou.tasks, zou.comments], sort_keys=True)
    zou.requests.clear()
    assert await run(zou, store) == 0
    assert json.dumps([zou.entities, zou.tasks, zou.comments], sort_keys=True) == before
    assert [each for each in zou.requests if not each.startswith("GET")] == ["POST /api/auth/login"]
    assert zou.requests.total() == 8
    assert "0 new, 0 changed, 0 pictures uploaded, 3 unchanged" in capfd.readouterr().out


async def test_only_what_changed_is_published_again(zou: Zou, store: FolderStore) -> None:
    await put(store)
    await run(zou, store)
    await pick(store, BOARD, "SH010", 2)
    changed = shots()
    changed[1] = changed[1].model_copy(update={"duration": 3.0})
    await put(store, *changed, number=2)
    assert await run(zou, store) == 0
    assert [opened(each) for each in zou.previews_of("SH010")] == [RED, BLUE]
    assert zou.shots["SH010"]["preview_file_id"] == zou.previews_of("SH010")[1]["id"]
    assert len(zou.previews_of("SH020")) == 1
    assert (zou.shots["SH020"]["nb_frames"], zou.shots["SH020"]["data"]["frame_out"]) == (72, 72)
    assert [each["text"] for each in zou.comments][-1] == "雾港夜航, run 2, take 2"


async def test_what_somebody_changed_in_kitsu_stays(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    await run(zou, store)
    shot = zou.shots["SH010"]
    shot["description"], shot["data"]["handles"], shot["preview_file_id"] = "by the artist", 8, "of-another-department"
    changed = shots()
    changed[0] = changed[0].model_copy(update={"duration": 3.0, "shot": {"shot_id": "SH010", "description": "new"}})
    await put(store, *changed, number=2)
    await pick(store, BOARD, "SH010", 2)
    capfd.readouterr()
    assert await run(zou, store) == 0
    assert (shot["description"], shot["nb_frames"], shot["data"]["handles"]) == ("by the artist", 72, 8)
    assert shot["preview_file_id"] == "of-another-department"
    assert len(zou.previews_of("SH010")) == 2
    err = capfd.readouterr().err
    assert "note: values that somebody changed in Kitsu are kept: SH010 (description)" in err
    assert "note: the main preview is one that somebody else chose, and is kept: SH010" in err


async def test_shots_of_a_person_are_found_and_only_empty_fields_are_filled(zou: Zou, store: FolderStore) -> None:
    project = zou.projects[0]["id"]
    sequence = zou.add("Sequence", "SQ010", project)
    mine = zou.add("Shot", "SH010", project, sequence["id"], nb_frames=99, data={"fps": "25"})
    await put(store)
    assert await run(zou, store) == 0
    assert len(zou.shots) == 3
    assert (mine["nb_frames"], mine["description"]) == (99, "老周推门")
    assert (mine["data"]["fps"], mine["data"]["frame_out"]) == ("25", 48)
    assert len(zou.previews_of("SH010")) == 1


async def test_a_shot_that_moves_to_another_sequence_is_moved_and_none_of_another_board(
    zou: Zou, store: FolderStore
) -> None:
    project = zou.projects[0]["id"]
    other = zou.add("Sequence", "SQ900", project)
    theirs = zou.add("Shot", "SH010", project, other["id"], data={"previs": {"board": "another", "wrote": {}}})
    await put(store)
    await run(zou, store)
    assert theirs["parent_id"] == other["id"]
    moved = [each.model_copy(update={"sequence": "SQ020"}) for each in shots()]
    await put(store, *moved, number=2)
    assert await run(zou, store) == 0
    own = [each for each in zou.of("Shot", project) if each is not theirs]
    assert len(own) == 3
    assert {zou.entities[each["parent_id"]]["name"] for each in own} == {"SQ020"}
    assert theirs["parent_id"] == other["id"]


async def test_a_dry_run_shows_what_would_be_done_and_does_nothing(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    assert await run(zou, store, dry_run=True) == 0
    assert (zou.entities, zou.tasks) == ({}, {})
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "SH010: new shot in the new sequence SQ010, take 1 uploaded (0.0 MB)"
    assert lines[2] == "SH030: new shot in the new sequence 雾港夜航"
    assert lines[3].endswith("nothing was published; of 3 shots, 3 would be new, 0 changed; 2 pictures to upload")


async def test_some_shots_a_status_another_type_and_a_first_frame(zou: Zou, store: FolderStore) -> None:
    await put(store)
    options = {"status": "WFA", "task_type": "animation", "first_frame": 1001, "sequence": "Loose"}
    assert await run(zou, store, shots=("SH010", "SH030"), **options) == 0
    assert set(zou.shots) == {"SH010", "SH030"}
    assert zou.task_of("SH010", "Animation")["task_status_id"] == zou.statuses[1]["id"]
    assert zou.shots["SH010"]["data"]["frame_out"] == 1048
    assert zou.sequence_of("SH030") == "Loose"
    with pytest.raises(NotInStore, match=r"no shot 'SH01O' on board '渔港 1': it has SH010"):
        await run(zou, store, shots=("SH01O",))


async def test_a_shot_that_fails_costs_no_other_and_is_published_the_next_time(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    zou.refused_uploads = {"SH010": 500}
    assert await run(zou, store) == 1
    out, err = capfd.readouterr()
    assert "1 picture uploaded" in out
    assert "1 failed" in out
    assert f"shot SH010 is not published: Kitsu at {zou.url}/api does not answer as it should: the preview" in err
    assert "data" not in zou.task_of("SH010") or zou.task_of("SH010")["data"] is None
    zou.refused_uploads = {}
    assert await run(zou, store) == 0
    assert zou.shots["SH010"]["preview_file_id"]


async def test_frames_that_are_gone_and_files_that_are_too_large(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    zou.largest = 10
    [gone] = [key for key in await store.entries("frames/") if await store.get(key) == png(RED)]
    await store.delete([gone])
    assert await run(zou, store) == 1
    err = capfd.readouterr().err
    assert "shot SH010 is not published: frames/" in err
    assert "is missing from" in err
    assert "shot SH020 is not published" in err
    assert "the file is too large for it, or for a proxy before it" in err


async def test_a_picture_that_kitsu_does_not_know_becomes_a_jpeg(zou: Zou, store: FolderStore) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), BLUE).save(file, "WEBP", lossless=True)
    entry = shown(file.getvalue())
    webp = entry.frames[0].model_copy(update={"media_type": "image/webp"})
    shot = told("SH010", entry.model_copy(update={"frames": (webp,)}))
    await put_run(store, board(shot, board=BOARD), (file.getvalue(),))
    assert await run(zou, store) == 0
    [preview] = zou.previews_of("SH010")
    assert preview["extension"] == "jpg"
    assert Image.open(io.BytesIO(preview["content"])).size == (64, 36)


async def test_cancelled_shots_are_left_out_and_said(
    zou: Zou, store: FolderStore, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    await run(zou, store)
    zou.shots["SH020"]["canceled"] = True
    await pick(store, BOARD, "SH010", 2)
    assert await run(zou, store) == 0
    assert "note: shot SH020 is left out: it is cancelled in Kitsu" in capfd.readouterr().err


async def test_comments_mention_nobody_and_copy_themselves_to_no_task(zou: Zou, store: FolderStore) -> None:
    hostile = board(*shots(), board=BOARD, title="@Ann #Animation [x](http://y) <b>")
    await put_run(store, hostile, (png(RED), png(BLUE)))
    await run(zou, store)
    assert zou.comments
    for each in zou.comments:
        assert not set("@#[]<>") & set(each["text"])


async def test_an_episode_is_named_in_a_show_and_nowhere_else(zou: Zou, store: FolderStore) -> None:
    show = zou.add_project("Harbour", "tvshow")
    episode = zou.add("Episode", "E101", show["id"])
    await put(store)
    with pytest.raises(KitsuRefused, match="name one with --episode: there are 'E101'"):
        await run(zou, store, project="Harbour")
    with pytest.raises(KitsuRefused, match=r"no episode in this project is called 'E1O1': did you mean 'E101'\?"):
        await run(zou, store, project="Harbour", episode="E1O1")
    with pytest.raises(KitsuRefused, match="has no episodes: leave --episode out"):
        await run(zou, store, episode="E101")
    assert await run(zou, store, project="Harbour", episode="E101") == 0
    assert {each["parent_id"] for each in zou.of("Sequence", show["id"])} == {episode["id"]}
    zou.requests.clear()
    assert await run(zou, store, project=show["id"], episode="e101") == 0
    assert not [each for each in zou.requests if "shots" in each and each.startswith("POST")]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"project": "Night Citi"}, r"no open project that this account sees is called 'Night Citi': did you mean"),
        ({"project": "Z"}, r"there are 'Night City'; correct --project"),
        ({"task_type": "Storybord"}, r"no task type for shots in this project is called 'Storybord': did you mean"),
        ({"task_type": "Modeling"}, r"there are 'Animation', 'Storyboard'|there are 'Storyboard', 'Animation'"),
        ({"status": "waiting"}, r"no status in this project is called 'waiting': there are"),
    ],
)
async def test_names_that_kitsu_lacks(zou: Zou, store: FolderStore, options: dict[str, str], said: str) -> None:
    await put(store)
    with pytest.raises(KitsuRefused, match=said):
        await run(zou, store, **options)
    assert zou.entities == {}


async def test_a_wrong_password_is_one_sentence_without_it(
    zou: Zou, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store)
    monkeypatch.setenv("KITSU_PASSWORD", "wrong-0815")
    with pytest.raises(KitsuRefused, match="it rejects the login: the password is wrong") as caught:
        await run(zou, store)
    assert "wrong-0815" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


async def test_a_token_of_a_bot_and_a_file(
    zou: Zou, store: FolderStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    await put(store)
    monkeypatch.setenv("KITSU_TOKEN", "tok-wrong")
    with pytest.raises(KitsuRefused, match="it does not accept the token"):
        await run(zou, store)
    monkeypatch.setenv("KITSU_TOKEN", TOKEN)
    assert await run(zou, store, dry_run=True) == 0
    file = tmp_path / "login.json"
    file.write_text(json.dumps({"email": EMAIL, "password": PASSWORD}))
    file.chmod(0o644)
    monkeypatch.setenv("KITSU_TOKEN", "tok-wrong")
    assert await run(zou, store, login=file, dry_run=True) == 0
    assert f"warning: others on this machine may read {file}: chmod 600 it" in capfd.readouterr().err
    for content in ("{", '{"email": "a"}', "[]"):
        file.write_text(content)
        with pytest.raises(ShotListFaults, match="give a JSON file such as"):
            await run(zou, store, login=file)
    monkeypatch.delenv("KITSU_TOKEN")
    monkeypatch.delenv("KITSU_PASSWORD")
    with pytest.raises(KitsuRefused, match="set KITSU_EMAIL and KITSU_PASSWORD, or KITSU_TOKEN of a bot"):
        await run(zou, store)


async def test_an_account_that_may_only_read(zou: Zou, store: FolderStore) -> None:
    await put(store)
    zou.read_only = True
    with pytest.raises(KitsuRefused, match="this account may not read or write the sequence 'SQ010'"):
        await run(zou, store)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("kitsu.studio.example", "give its URL, such as https://kitsu.studio.example"),
        ("https://li:pw-4711@kitsu.example", "give its URL without user, password and query"),
        ("", "give its URL with --host, or in KITSU_HOST"),
    ],
)
async def test_addresses_that_are_none(zou: Zou, store: FolderStore, host: str, said: str) -> None:
    await put(store)
    with pytest.raises(KitsuRefused, match=said) as caught:
        await run(zou, store, host=host)
    assert "pw-4711" not in str(caught.value)


async def test_nobody_there_and_something_else_there(zou: Zou, store: FolderStore) -> None:
    await put(store)
    with pytest.raises(KitsuUnavailable, match="it cannot be reached"):
        await run(zou, store, host="http://127.0.0.1:1")
    with pytest.raises(KitsuRefused, match="not found; is this the address of Kitsu's page"):
        await run(zou, store, host=f"{zou.url}/elsewhere")


async def test_several_at_once_are_published_each_once(zou: Zou, store: FolderStore) -> None:
    entries = [told(f"SH{number:03}", shown(png(RED, (64, 36 + number)))) for number in range(40)]
    files = [png(RED, (64, 36 + number)) for number in range(40)]
    await put_run(store, board(*entries, board=BOARD), files)
    assert await asyncio.wait_for(run(zou, store), 60) == 0
    assert len(zou.shots) == len(zou.tasks) == len(zou.previews) == len(zou.comments) == 40


NOT_FOUND = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
MOVED = b"HTTP/1.1 301 No\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def answering(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return serve


async def test_tls_is_checked_against_the_certificates_of_the_environment(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await put(store)
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with listening(answering(NOT_FOUND), tls) as host:
        order = KitsuOrder(store.name, BOARD, "Night City", host=f"https://{host}")
        with pytest.raises(KitsuRefused, match="its certificate is not trusted here"):
            await publish_board(order)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with pytest.raises(KitsuRefused, match="not found; is this the address of Kitsu's page"):
            await publish_board(order)


async def test_a_login_follows_no_redirect(store: FolderStore) -> None:
    await put(store)
    async with listening(answering(MOVED)) as host:
        with pytest.raises(KitsuRefused, match="it redirects to another address: give that one"):
            await publish_board(KitsuOrder(store.name, BOARD, "Night City", host=f"http://{host}"))


async def test_a_server_that_hangs_costs_a_bounded_time(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(store)
    monkeypatch.setattr("previs.kitsu.client._TIMEOUT", (1, 0.3))
    over = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with listening(hang) as host:
        with pytest.raises(KitsuUnavailable, match="the login: no answer in time"):
            await publish_board(KitsuOrder(store.name, BOARD, "Night City", host=f"http://{host}"))
        over.set()


async def test_reading_is_repeated_when_kitsu_is_busy(zou: Zou, store: FolderStore) -> None:
    await put(store)
    zou.busy = 2
    assert await run(zou, store) == 0
    assert len(zou.previews) == 2
    zou.busy = 10
    with pytest.raises((KitsuRefused, KitsuUnavailable)) as caught:
        await run(zou, store)
    assert str(zou.url) in str(caught.value)
