"""Every command that asks Prefect reports an unreachable server or a wrong password in a sentence."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.storyboard import storyboard
from previs.command.deploy import DeployOrder
from previs.rendering.progress import from_line
from tasks.process import _deploy, _run
from tests.ports import free_port
from tests.previs.command.conftest import Call, Ended
from tests.previs.command.test_command import previs

UNAUTHORIZED = b'{"exception_message": "Unauthorized"}'


@asynccontextmanager
async def answering(status: str, body: bytes) -> AsyncIterator[str]:
    """An address where everything is answered alike; one where nobody listens if there is no status."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    if not status:
        yield f"http://127.0.0.1:{free_port()}/api"
        return
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


def printed(ended: Ended) -> str:
    return " ".join((ended.out + ended.err).split())


@pytest.mark.usefixtures("standard_input")
@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        ("401 Unauthorized", UNAUTHORIZED, 2, "wants a password, or another one (HTTP 401: "),
        ("", b"", 1, "is unavailable: it cannot be reached ("),
        ("404 Not Found", b"{}", 1, "is unavailable: no API of Prefect answers there ("),
        ("200 OK", b"<!doctype html>", 1, "is unavailable: no API of Prefect answers there ("),
    ],
)
async def test_runs_and_deployments_report_what_is_wrong_with_the_server(
    capsys: pytest.CaptureFixture[str], status: str, body: bytes, code: int, message: str
) -> None:
    async with answering(status, body) as url:
        with temporary_settings({PREFECT_API_URL: url}):
            assert await _run(storyboard, {"shots": []}) == code
            assert await _deploy(DeployOrder("storyboards", "process").parameters()) == code
    output = capsys.readouterr()
    sentence = from_line(output.out.encode())
    assert isinstance(sentence, str)
    assert sentence.startswith(f"Prefect at {url} {message}")
    assert output.err == f"{sentence}\n"


async def test_a_run_reports_it_without_a_traceback_and_starts_no_server(tmp_path: Path) -> None:
    (tmp_path / "shots.json").write_text(json.dumps([{"shot_id": "A", "prompt": "雨", "duration": 1}]))
    home = tmp_path / "prefect"
    async with answering("401 Unauthorized", UNAUTHORIZED) as url:
        home.mkdir()
        profile = f'active = "studio"\n[profiles.studio]\nPREFECT_API_URL = "{url}"\n'
        (home / "profiles.toml").write_text(profile, "utf-8")
        ended = await previs("run", "shots.json", folder=tmp_path, PREFECT_HOME=str(home))
    assert ended.code == 2
    assert f"Prefect at {url} wants a password, or another one (HTTP 401: " in printed(ended)
    assert "PREFECT_API_AUTH_STRING" in printed(ended)
    assert "Traceback" not in printed(ended)
    assert "the flow's process ended with" not in printed(ended)
    assert "starting" not in printed(ended)
    assert list(home.glob("previs-server*")) == []


def test_a_command_that_reads_a_block_reports_it_without_a_traceback(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.setenv("PREFECT_API_URL", url)
    ended = call("nightly", "list")
    # Whatever is wrong with the block counts as a store that was named wrongly.
    assert ended.code == 2
    assert f"Prefect at {url} is unavailable: it cannot be reached (" in printed(ended)
    assert "Traceback" not in printed(ended)
