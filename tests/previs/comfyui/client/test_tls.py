"""Test that requests and the socket trust the same certificates, and explain a rejected one."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from previs.comfyui.client.address import Address
from previs.comfyui.client.api import Api
from previs.comfyui.client.socket import Socket
from previs.comfyui.client.tls import Tls
from previs.errors import FarmRefused, ServerUnreachable
from tests.conftest import Serve
from tests.previs.comfyui.client.forwarder import forwarder

AUTHORITY = trustme.CA()
PEM = AUTHORITY.cert_pem.bytes().decode()
NOT_TRUSTED = (
    "its certificate is not trusted: give the farm block the authority that signed it (Certificate authority), "
    "or turn Verify certificates off"
)


def server_context(*names: str, **about: datetime) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(*(names or ("127.0.0.1",)), **about).configure_cert(context)
    return context


@pytest.fixture
async def encrypted(simulate: Serve) -> AsyncIterator[Callable[..., object]]:
    _, url = await simulate()
    async with contextlib.AsyncExitStack() as forwarded:

        async def start(context: ssl.SSLContext) -> str:
            return await forwarded.enter_async_context(forwarder(url, tls=context))

        yield start


@contextlib.asynccontextmanager
async def client(address: Address) -> AsyncIterator[tuple[Api, Socket]]:
    api = Api(address)
    try:
        async with Socket(address, on_frame=lambda _: None, on_open=lambda: None) as socket:
            yield api, socket
    finally:
        await api.aclose()


async def reasons_of_both(address: Address) -> set[str]:
    """Return the reasons that requests and the socket give for a failed connection."""
    async with client(address) as (api, socket):
        with pytest.raises(ServerUnreachable) as caught:
            await api.system_stats()
        async with asyncio.timeout(10):
            while not socket.reason:
                await asyncio.sleep(0.01)
        return {caught.value.reason, socket.reason}


async def answers(address: Address) -> bool:
    async with client(address) as (api, socket):
        return bool(await api.system_stats()) and await socket.opened(10)


async def test_a_certificate_of_a_private_authority_is_trusted(
    encrypted: Callable[..., object], tmp_path: Path
) -> None:
    url = await encrypted(server_context())
    file = tmp_path / "证书 authority.pem"
    file.write_text(f"# the studio's own, Köln\n{PEM}", encoding="utf-8")
    for authority in (PEM, str(file), f" {file}\n"):
        assert await answers(Address(url, tls=Tls(authority)))


@pytest.mark.parametrize("written", [PEM.replace("\n", " "), PEM.replace("\n", "\\n"), PEM.replace("\n", "\r\n")])
async def test_a_text_that_lost_its_line_ends_in_a_form_is_still_read(
    written: str, encrypted: Callable[..., object]
) -> None:
    assert await answers(Address(await encrypted(server_context()), tls=Tls(written)))


async def test_of_several_authorities_each_one_counts(encrypted: Callable[..., object]) -> None:
    other = trustme.CA().cert_pem.bytes().decode()
    url = await encrypted(server_context())
    assert await answers(Address(url, tls=Tls(other + PEM)))
    assert await answers(Address(url, tls=Tls(PEM + other)))


async def test_an_authority_that_the_environment_names_counts_for_both(
    encrypted: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "authority.pem"
    file.write_text(PEM)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert await answers(Address(await encrypted(server_context())))


async def test_an_untrusted_certificate_is_refused_with_a_remedy(
    encrypted: Callable[..., object],
) -> None:
    url = await encrypted(server_context())
    assert await reasons_of_both(Address(url)) == {NOT_TRUSTED}
    assert await reasons_of_both(Address(url, tls=Tls(trustme.CA().cert_pem.bytes().decode()))) == {NOT_TRUSTED}


async def test_a_certificate_that_has_expired_says_so(encrypted: Callable[..., object]) -> None:
    url = await encrypted(
        server_context(not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2021, 1, 1, tzinfo=UTC))
    )
    assert await reasons_of_both(Address(url, tls=Tls(PEM))) == {"its certificate has expired: renew it"}


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_a_certificate_for_other_names_says_so(name: str, encrypted: Callable[..., object]) -> None:
    url = (await encrypted(server_context("render-01.studio.lan", "10.0.0.1"))).replace("127.0.0.1", name)
    [reason] = await reasons_of_both(Address(url, tls=Tls(PEM)))
    assert reason.startswith("its certificate is for other names")


async def test_without_verification_any_certificate_is_accepted(encrypted: Callable[..., object]) -> None:
    assert await answers(Address(await encrypted(server_context("elsewhere.lan")), tls=Tls(verify=False)))


async def test_https_to_a_plain_http_server_says_so(simulate: Serve) -> None:
    _, url = await simulate()
    [reason] = await reasons_of_both(Address(url.replace("http:", "https:")))
    assert reason.startswith("TLS failed")


async def test_a_refused_connection_is_not_blamed_on_certificates() -> None:
    closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    assert await reasons_of_both(Address(f"https://127.0.0.1:{port}")) == {
        "the connection was refused or not possible",
        "no connection",
    }


def test_servers_that_share_their_settings_share_one_context() -> None:
    tls = Tls(PEM)
    first, second = Address("https://a", tls=tls), Address("https://b", tls=tls)
    assert first.tls_context is second.tls_context is first.tls_context
    assert Address("http://c", tls=tls).tls_context is None


def test_a_private_authority_needs_no_key_identifiers() -> None:
    assert not Tls(PEM).context.verify_flags & ssl.VERIFY_X509_STRICT


def test_the_systems_certificates_stay_trusted_beside_a_private_authority() -> None:
    known = ssl.create_default_context().cert_store_stats()["x509_ca"]
    assert Tls(PEM).context.cert_store_stats()["x509_ca"] == known + 1


@pytest.mark.parametrize(
    ("authority", "reason"),
    [
        ("/nowhere/authority.pem", "Certificate authority '/nowhere/authority.pem' cannot be read (No such file"),
        ("/", "Certificate authority '/' cannot be read (Is a directory)"),
        ("a\x00b", "Certificate authority holds no readable certificate"),
        ("", "Certificate authority '' cannot be read"),
        ("-----BEGIN CERTIFICATE-----", "Certificate authority holds no readable certificate"),
        (PEM.replace("M", "%", 40), "Certificate authority holds no readable certificate"),
        (PEM[:200] + PEM[300:], "Certificate authority holds no readable certificate"),
        (AUTHORITY.private_key_pem.bytes().decode(), "Certificate authority holds no readable certificate"),
    ],
)
def test_an_unreadable_authority_names_its_field_and_the_remedy(authority: str, reason: str) -> None:
    with pytest.raises(FarmRefused) as caught:
        _ = Tls(authority).context
    assert caught.value.reason.startswith(reason)
    assert caught.value.reason.endswith("give the text of a PEM file, or its path on the machine that runs the flow")
    assert "PRIVATE KEY" not in str(caught.value)
