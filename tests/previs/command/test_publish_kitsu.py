"""previs publish kitsu takes its options and its login, and never shows the password."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from previs.store import FolderStore
from tests.previs.command.conftest import Call
from tests.previs.kitsu.zou import EMAIL, PASSWORD, serving_zou
from tests.previs.pdf.boards import RED, board, png, shown, told
from tests.previs.records.published import put_run

BOARD = "渔港 1"


@pytest.fixture
async def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "store")
    shots = (told(name, shown(png(RED)), duration=2.0) for name in ("SH010", "SH020"))
    await put_run(made, board(*shots, board=BOARD), (png(RED),))
    return made


@pytest.mark.usefixtures("store")
async def test_options_reach_kitsu(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KITSU_EMAIL", EMAIL)
    monkeypatch.setenv("KITSU_PASSWORD", PASSWORD)
    words = ["publish", "kitsu", BOARD, "--project", "Night City", "--store", "store", "--first-frame", "101"]
    async with serving_zou() as zou:
        monkeypatch.setenv("KITSU_HOST", zou.url)
        shown_only = await asyncio.to_thread(call, *words, "--dry-run", "--shots", "SH020")
        assert shown_only.out.startswith("SH020: new shot in the new sequence 雾港夜航, take 1 uploaded")
        assert zou.shots == {}
        ended = await asyncio.to_thread(call, *words, "--sequence", "SQ1", "--status", "wfa", "--shots", "SH020")
        assert (ended.code, ended.err) == (0, "")
        assert zou.shots["SH020"]["data"]["frame_out"] == 148
        assert zou.sequence_of("SH020") == "SQ1"
        assert zou.task_of("SH020")["task_status_id"] == zou.statuses[1]["id"]
        monkeypatch.setenv("KITSU_PASSWORD", "wrong-2342")
        refused = await asyncio.to_thread(call, *words)
    assert refused.code == 2
    assert "it rejects the login" in refused.err
    assert "wrong-2342" not in refused.err + refused.out


def test_a_login_is_no_option(call: Call) -> None:
    for option in ("--password", "--email", "--token"):
        assert call("publish", "kitsu", BOARD, "--project", "x", option, "y").code == 2


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['gazu'] = None; from previs.command import main; main()"
    words = [sys.executable, "-c", code, "publish", "kitsu", BOARD, "--project", "x"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)  # noqa: S603 - ours
    assert done.returncode == 2
    assert done.stderr == "Kitsu needs gazu, which is not installed: pip install 'previs[kitsu]'\n"
