"""Check that proxies of the environment are used, and named where they are at fault."""

import gc
import socket
from collections.abc import Iterator

import pytest

from previs.comfyui.client.proxies import proxy_fault, proxy_of
from previs.errors import FarmRefused, ServerUnavailable, ServerUnreachable, SourceNotFound, SourceUnavailable
from previs.ingest.reader import SourceReader
from tests.conftest import Serve
from tests.previs.comfyui.client.clients import api_of, client
from tests.previs.comfyui.client.http_server import answering, response
from tests.previs.comfyui.client.socks_proxy import socks_proxy

FAR_URL = "http://render-01.example:8188"


@pytest.fixture
def dead() -> Iterator[str]:
    """Return host and port where nothing listens, as the socket there is bound only."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_requests_and_the_socket_go_through_a_socks_proxy(
    scheme: str, simulate: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await simulate()
    async with socks_proxy() as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", f"{scheme}://{proxy}")
        async with client(url) as server:
            assert await server._tracker.socket.opened(10)
            await server.api.queue()
    assert len(asked) >= 2
    assert {f"http://{host}:{port}" for host, port in asked} == {url}


async def test_a_host_in_no_proxy_is_reached_directly(simulate: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    _, url = await simulate()
    async with socks_proxy() as (proxy, asked):
        monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with client(url) as server:
            assert await server._tracker.socket.opened(10)
    assert asked == []


@pytest.mark.parametrize(
    ("variable", "scheme"), [("HTTP_PROXY", "http"), ("ALL_PROXY", "http"), ("all_proxy", "socks5"), ("http_proxy", "")]
)
async def test_a_dead_proxy_is_named_with_its_variable_and_without_its_password(
    variable: str, scheme: str, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"{scheme}://me:secret@{dead}" if scheme else dead)
    async with api_of(FAR_URL) as api:
        with pytest.raises(ServerUnreachable) as caught:
            await api.queue()
    assert str(caught.value) == (
        f"{FAR_URL} is unreachable: the proxy {scheme or 'http'}://{dead} ({variable}) does not answer: "
        f"start it, change {variable}, or add the host to NO_PROXY"
    )


# httpcore 1.0.9 does not close the connection to a SOCKS proxy that refuses.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_socks_proxy_that_reaches_no_server_is_named(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with socks_proxy() as (proxy, _):
        monkeypatch.setenv("ALL_PROXY", f"socks5://{proxy}")
        async with api_of(f"http://{dead}") as api:
            with pytest.raises(ServerUnreachable, match=rf"the proxy socks5://{proxy} \(ALL_PROXY\) cannot connect"):
                await api.queue()
    gc.collect()


async def test_an_http_proxy_that_reaches_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(lambda _: response(502, b"")) as (url, _):
        monkeypatch.setenv("HTTP_PROXY", url)
        async with api_of(FAR_URL) as api:
            with pytest.raises(ServerUnavailable, match=rf"HTTP 502 through the proxy {url} \(HTTP_PROXY\)"):
                await api.queue()


@pytest.mark.parametrize("value", ["socks://127.0.0.1:7890/", "ftp://a:1", "http://a:port", "http://:80"])
async def test_a_proxy_that_no_client_can_use_is_one_sentence(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    expected = rf"the proxy {value} \(ALL_PROXY\) cannot be used: give a URL with http://, https://, socks5://"
    with pytest.raises(FarmRefused, match=expected):
        async with api_of("http://127.0.0.1:8188"):
            pass
    async with SourceReader() as reader:
        with pytest.raises(SourceNotFound, match=expected):
            await reader.read("http://127.0.0.1:8188/list.json")


async def test_a_source_behind_a_dead_proxy_names_it(dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{dead}")
    async with SourceReader() as reader:
        with pytest.raises(SourceUnavailable, match=rf"the proxy http://{dead} \(HTTP_PROXY\) does not answer"):
            await reader.read("http://studio.example/list.json")


@pytest.mark.parametrize(
    ("variable", "value", "url", "expected"),
    [
        ("HTTPS_PROXY", "http://a:1", "https://b", "http://a:1"),
        ("HTTPS_PROXY", "http://a:1", "wss://b", "http://a:1"),
        ("HTTPS_PROXY", "http://a:1", "http://b", ""),
        ("HTTP_PROXY", "a:1", "ws://b", "http://a:1"),
        ("ALL_PROXY", "socks5://a:1", "wss://b", "socks5://a:1"),
        ("NO_PROXY", "*", "http://b", ""),
    ],
)
def test_the_proxy_of_a_url(
    variable: str, value: str, url: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    found = proxy_of(url)
    assert (found.url if found else "") == expected
    assert proxy_fault() == ""
