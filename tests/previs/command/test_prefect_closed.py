"""A server of Prefect that is away or wants another password is told in a sentence by every command that asks it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.conftest import free_port
from tests.previs.command.test_command import Ended, previs

COMMANDS = [["deploy"], ["run", "shots.json"], ["run", "shots.json", "--store", "block:b"], ["nightly", "list"]]


async def ask(folder: Path, url: str, command: list[str]) -> Ended:
    (folder / "shots.json").write_text(json.dumps([{"shot_id": "A", "prompt": "雨", "duration": 1}]))
    return await previs(*command, folder=folder, PREFECT_HOME=str(folder / "prefect"), PREFECT_API_URL=url)


@asynccontextmanager
async def answering(status: str, body: bytes) -> AsyncIterator[str]:
    """An address where everything is answered alike."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"


def said(ended: Ended) -> str:
    return " ".join((ended.out + ended.err).split())


@pytest.fixture
async def closed() -> AsyncIterator[str]:
    """The API of a server that lets nobody in."""

    async with answering("401 Unauthorized", b'{"exception_message": "Unauthorized"}') as url:
        yield url


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_password_that_is_missing_is_told_with_the_setting_that_has_it(
    tmp_path: Path, closed: str, command: list[str]
) -> None:
    ended = await ask(tmp_path, closed, command)
    assert ended.code == 2
    assert f"Prefect at {closed} wants a password, or another one (HTTP 401: " in said(ended)
    assert "PREFECT_API_AUTH_STRING" in said(ended)
    assert "Traceback" not in said(ended)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
async def test_a_server_that_is_away_is_named(tmp_path: Path, command: list[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    ended = await ask(tmp_path, url, command)
    # nightly takes whatever is wrong with the block for a store that was named wrongly.
    assert ended.code == (2 if command[0] == "nightly" else 1)
    assert f"Prefect at {url} is unavailable: it cannot be reached (" in said(ended)
    assert "Traceback" not in said(ended)


@pytest.mark.parametrize("command", [["deploy"], ["run", "shots.json"]], ids=" ".join)
@pytest.mark.parametrize(("status", "body"), [("404 Not Found", b"{}"), ("200 OK", b"<!doctype html>")])
async def test_what_is_no_server_of_prefect_is_told_to_be_none(
    tmp_path: Path, status: str, body: bytes, command: list[str]
) -> None:
    async with answering(status, body) as url:
        ended = await ask(tmp_path, url, command)
    assert ended.code == 1
    assert f"Prefect at {url} is unavailable: no API of Prefect answers there (" in said(ended)
    assert "Traceback" not in said(ended)
