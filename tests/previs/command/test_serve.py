"""previs serve serves until it is stopped, guests are invited and shut out, and previs review prints what was said."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from previs.command.serve import PASSWORD, ServeOrder, find_password
from previs.errors import SourceNotFound
from previs.records.reviews import ReviewEvent
from previs.review.events import ReviewEvents
from previs.review.guests import find_guest
from previs.review.standing import picture_of
from previs.store import FolderStore
from tests.previs.command.conftest import Call
from tests.previs.records.published import BEGAN, put_run
from tests.previs.review.conftest import BOARD, PICTURES, first_run

SECRET = "correct horse battery"  # noqa: S105 - opens nothing


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "store")
    asyncio.run(put_run(made, first_run(), PICTURES))
    return made


def said(store: FolderStore, *events: ReviewEvent) -> None:
    async def write() -> None:
        for event in events:
            await ReviewEvents(store).append(BOARD, event.shot_id, lambda _, event=event: event)

    asyncio.run(write())


def event(shot: str, kind: str, **more: object) -> ReviewEvent:
    known = {"shot_id": shot, "number": 1, "kind": kind, "at": BEGAN, "by": "Anna", "run": "r"}
    return ReviewEvent(**(known | more))  # type: ignore[arg-type]


def test_it_serves_until_it_is_stopped_and_shows_no_password(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    command = Path(sys.executable).with_name("previs")
    words = [command, "serve", "--store", store.name, "--port", "0", "--password-file", str(tmp_path / "password")]
    with subprocess.Popen(  # noqa: S603 - our own command
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PREFECT_HOME": str(tmp_path)},
    ) as serving:
        assert serving.stdout is not None
        url = serving.stdout.readline().strip()
        assert httpx.get(url).status_code == 401
        answer = httpx.post(f"{url}login", data={"name": "A", "password": SECRET}, headers={"Origin": url.rstrip("/")})
        assert answer.status_code == 303
        assert httpx.get(url, cookies=answer.cookies).status_code == 200
        serving.send_signal(signal.SIGTERM)
        out, err = serving.communicate(timeout=20)
    assert serving.returncode == 0
    assert SECRET not in out + err
    assert err == f"boards of {store.name}; with a password\n"


@pytest.mark.usefixtures("store")
def test_other_machines_are_not_served_without_a_password(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    ended = call("serve", "--store", "store", "--host", "0.0.0.0", "--port", "0")  # noqa: S104 - it is refused
    assert ended.code == 2
    assert "0.0.0.0 can be reached from other machines: give a password with --password-file" in ended.err


def test_the_password_is_that_of_the_file_before_that_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD, "of the environment")
    path = tmp_path / "password"
    path.write_text("of the file\r\nmore\n")
    assert find_password(ServeOrder(password_file=path)) == "of the file"
    assert find_password(ServeOrder()) == "of the environment"
    path.write_text("\n")
    with pytest.raises(SourceNotFound, match="its first line is empty"):
        find_password(ServeOrder(password_file=path))
    with pytest.raises(SourceNotFound, match="No such file"):
        find_password(ServeOrder(password_file=tmp_path / "nowhere"))


def test_a_port_that_is_taken_is_named(call: Call, store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket  # noqa: PLC0415

    monkeypatch.delenv(PASSWORD, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = call("serve", "--store", store.name, "--port", port)
    assert (ended.code, f"127.0.0.1 port {port} cannot be used" in ended.err) == (2, True)


def test_a_guest_is_invited_listed_and_revoked(call: Call, store: FolderStore) -> None:
    words = ("--store", "store", "--days", "2", "--may", "decide", "--url", "https://review.lan/x/")
    ended = call("serve", "invite", "Bo Chen", *words)
    assert ended.code == 0, ended.err
    address, _, secret = ended.out.strip().rpartition("/")
    assert address == "https://review.lan/x/guest"
    guest = asyncio.run(find_guest(store, secret))
    assert guest is not None
    assert (guest.name, guest.boards, guest.may) == ("Bo Chen", (BOARD,), "decide")
    assert guest.ends - guest.created == timedelta(days=2)
    assert f"end it with: previs serve revoke {guest.id[:8]}" in ended.err
    listed = call("serve", "guests", "--store", "store")
    assert guest.id[:8] in listed.out
    assert secret not in listed.out
    (as_json,) = json.loads(call("serve", "guests", "--store", "store", "--json").out)["guests"]
    assert (as_json["works"], "secret_sha256" in as_json) == (True, False)
    assert call("serve", "revoke", guest.id[:8], "--store", "store").out == f"revoked: {guest.id[:8]} of Bo Chen\n"
    assert asyncio.run(find_guest(store, secret)) is None
    assert "revoked" in call("serve", "guests", "--store", "store").out
    again = call("serve", "revoke", "Bo Chen", "--store", "store")
    assert (again.code, "guest link 'Bo Chen' that works" in again.err) == (2, True)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("Bo", "--board", "夜景 9"), "board '夜景 9'"),
        (("x" * 61,), "the name of a guest has 1 to 60 characters, not 61"),
        ((" ",), "not 0"),
        (("Bo", "--url", "review.lan"), "is no URL such as"),
    ],
)
def test_what_is_no_invitation_is_refused(call: Call, words: tuple[str, ...], says: str) -> None:
    ended = call("serve", "invite", *words, "--store", "store")
    assert (ended.code, says in ended.err) == (2, True), ended.err


def test_a_review_is_printed_with_what_is_stale(call: Call, store: FolderStore) -> None:
    assert call("review", BOARD, "--store", "store").out == "nobody has said anything of this board\n"
    shown = picture_of(first_run().shots[0].takes[0])
    said(store, event("SH010", "approve", take=1, picture=shown))
    assert call("review", BOARD, "--store", "store").code == 0
    said(
        store,
        event("SH010", "comment", text="more\nrain", picture="0" * 64),
        event("SH010", "approve", take=1, picture="0" * 64),
        event("SH020", "again", text="雨夜", by="李雷"),
        event("SH020", "comment", text="done"),
        event("SH020", "resolve", about=2, by="李雷"),
        event("SH090", "comment", text="removed"),
    )
    ended = call("review", BOARD, "--store", "store")
    assert ended.code == 1
    assert "approved by Anna, 2026-10-31 17:40 UTC, stale: the picture has changed" in ended.out
    assert "Anna: more rain (on an earlier picture)" in ended.out
    assert "again by 李雷, 2026-10-31 17:40 UTC: 雨夜" in ended.out
    assert "SH090 (no longer on the board)" in ended.out
    assert "0 approved, 1 stale, 1 again, 0 undecided" in ended.out
    assert "resolved by" not in ended.out
    assert "Anna: done (resolved by 李雷)" in call("review", BOARD, "--store", "store", "--resolved").out


def test_a_review_is_printed_as_json(call: Call, store: FolderStore) -> None:
    said(store, event("SH020", "again", text="雨夜"))
    found = json.loads(call("review", BOARD, "--store", "store", "--json").out)
    assert found["schema"] == "previs.review-of-board/1"
    assert found["answer"] == {"chosen": {}, "again": {"SH020": "雨夜"}}
    first, second = found["shots"]
    assert (first["decision"], first["comments"], second["decision"]["kind"]) == (None, [], "again")
    assert second["decision"]["at"] == "2026-10-31T17:40:00+00:00"
