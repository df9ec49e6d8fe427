"""A server of Prefect that is away or wants another password is told in a sentence by every command that asks it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.previs.command.test_command import Ended, previs

COMMANDS = [["deploy"], ["run", "shots.json"], ["run", "shots.json", "--store", "block:b"], ["nightly", "list"]]


async def ask(folder: Path, url: str, command: list[str]) -> Ended:
    (folder / "shots.json").write_text(json.dumps([{"shot_id": "A", "prompt": "雨", "duration": 1}]))
    return await previs(*command, folder=folder, PREFECT_HOME=str(folder / "prefect"), PREFECT_API_URL=url)


def said(ended: Ended) -> str:
    return " ".join((ended.out + ended.err).split())


@pytest.fixture
async def closed() -> AsyncIterator[str]:
    """The API of a server that lets nobody in."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"exception_message": "Unauthorized"}'
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_password_that_is_missing_is_told_with_the_setting_that_has_it(
    tmp_path: Path, closed: str, command: list[str]
) -> None:
    ended = await ask(tmp_path, closed, command)
    assert ended.code == 2
    assert f"Prefect at {closed} refuses the password, or that there is none (HTTP 401): " in said(ended)
    assert "PREFECT_API_AUTH_STRING" in said(ended)
    assert "Traceback" not in said(ended)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_server_that_is_away_is_named(tmp_path: Path, command: list[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    ended = await ask(tmp_path, url, command)
    assert ended.code in {1, 2}
    assert f"Prefect at {url} is in trouble: it cannot be reached (" in said(ended)
    assert "Traceback" not in said(ended)
