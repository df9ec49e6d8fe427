"""Reach a server that a sender named: every connection, of HTTP and of the socket, goes to a checked address."""

import socket
from typing import Any

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.checked_transport import NOT_ALLOWED
from previs.comfyui.client.connection import Connection
from previs.comfyui.client.socket import Socket
from previs.errors import ServerUnreachable
from previs.ingest.access import Allowed
from tests.conftest import Serve

NAME = "render-07.studio.lan"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have a resolver that gives the server's name these addresses, one after another, and the last from then on."""
    left, original = ["127.0.0.1"], socket.getaddrinfo

    def resolve(host: Any, *args: Any, **more: Any) -> Any:
        named = host in {NAME, NAME.encode()}
        return original((left.pop(0) if len(left) > 1 else left[0]) if named else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return left


async def opened(address: Address) -> str:
    """Return why a socket to the server does not open; empty if it does."""
    async with Socket(address, on_frame=lambda _: None, on_open=lambda: None) as tried:
        while not await tried.opened(0.05):
            if tried.reason:
                return tried.reason
    return ""


@pytest.mark.usefixtures("answers")
async def test_a_senders_server_is_reached_where_the_operator_allows_it_by_http_and_by_socket(simulate: Serve) -> None:
    _, url = await simulate()
    named = url.replace("127.0.0.1", NAME)
    for allowed in (Allowed.of([NAME], [], [], []), Allowed.of(["*.studio.lan"], [], [], [])):
        address = Address(named, policy=allowed)
        connection = Connection(address)
        assert (await connection.request("GET", "queue")).status == 200
        assert not await opened(address)
        await connection.aclose()


async def test_a_name_that_resolves_differently_the_next_time_is_not_connected_to(
    simulate: Serve, answers: list[str]
) -> None:
    _, url = await simulate()
    answers[:] = ["127.0.0.1", "127.0.0.2"]
    address = Address(url.replace("127.0.0.1", NAME), policy=Allowed.of([], ["127.0.0.1"], [], []))
    connection = Connection(address)
    assert (await connection.request("GET", "queue")).status == 200
    with pytest.raises(ServerUnreachable, match=NOT_ALLOWED):
        await connection.request("GET", "queue")
    assert await opened(address) == NOT_ALLOWED
    await connection.aclose()
