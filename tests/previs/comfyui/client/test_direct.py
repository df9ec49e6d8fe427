"""Test what requests that go directly to a server have of their own; most others of this folder go so, too."""

import asyncio
import json

import pytest

from previs.comfyui.client.connection import Connection
from previs.errors import ServerUnavailable, ServerUnreachable
from tests.previs.comfyui.client.clients import api_of
from tests.previs.comfyui.client.http_server import answering, response
from tests.previs.comfyui.client.listening import listening

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


async def test_requests_share_a_connection() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)

    async with listening(serve) as host, api_of(f"http://{host}") as api:
        for _ in range(5):
            assert await api.system_stats() == {}
    assert connections == 1


async def test_an_answer_that_is_not_read_to_its_end_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nhal")
        assert await reader.read() == b""
        closed.set()

    async with listening(serve) as host, api_of(f"http://{host}") as api:
        with pytest.raises(Exception, match="HTTP 500"):
            await api.system_stats()
        async with asyncio.timeout(5):
            await closed.wait()


async def test_a_cookie_of_a_proxy_at_an_address_is_sent_back() -> None:
    answer = response(200, {}, Set_Cookie="route=node-2; Path=/")
    async with answering(lambda _: answer) as (url, asked), api_of(url) as api:
        await api.system_stats()
        await api.system_stats()
    first, second = asked.heads
    assert "Cookie" not in first
    assert "Cookie: route=node-2" in second


async def test_a_graph_of_several_megabytes_is_posted_whole() -> None:
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        bodies.append(await reader.readexactly(int(head.partition("content-length:")[2].split()[0])))
        writer.write(OK)

    graph = {"1": {"class_type": "Note", "inputs": {"text": "夜" * 1_000_000}}}
    async with listening(serve) as host, api_of(f"http://{host}") as api:
        await api.post_prompt(graph, prompt_id="a", client_id="b")
    assert json.loads(bodies[0]) == {"prompt": graph, "prompt_id": "a", "client_id": "b"}


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
async def test_only_a_request_that_changes_nothing_is_sent_again_if_nobody_answers(method: str, times: int) -> None:
    async with answering(lambda _: b"") as (url, asked), api_of(url) as api:
        connection = Connection(api.address)
        with pytest.raises(ServerUnreachable, match="it hung up without an answer"):
            await connection.request(method, "queue")
        await connection.aclose()
    assert asked.lines == [f"{method} /queue"] * times


async def test_a_path_in_chinese_is_sent_encoded() -> None:
    async with answering(lambda _: response(200, {})) as (url, asked), api_of(f"{url}/渲染 1") as api:
        await api.system_stats()
    assert asked.lines == ["GET /%E6%B8%B2%E6%9F%93%201/system_stats"]


async def test_a_host_that_no_name_can_be_is_no_error_of_the_library() -> None:
    async with api_of("http://☃️.example:8188") as api:
        with pytest.raises(ServerUnavailable, match="a name or text that cannot be sent"):
            await api.system_stats()
