"""Test that HTTP and socket URLs lead to the same server for any base URL."""

import pytest

from previs.comfyui.client.address import Address
from previs.comfyui.client.tls import Tls

SECRET = "tok-4711-secret"  # noqa: S105 - opens nothing


@pytest.mark.parametrize(
    ("url", "socket", "jobs"),
    [
        ("http://a:8188", "ws://a:8188/ws", "api/jobs"),
        ("http://a:8188/", "ws://a:8188/ws", "api/jobs"),
        ("https://a/comfy", "wss://a/comfy/ws", "api/jobs"),
        ("http://a:8188/api", "ws://a:8188/api/ws", "jobs"),
        ("https://a/comfy/api/", "wss://a/comfy/api/ws", "jobs"),
        ("http://a/my-api", "ws://a/my-api/ws", "api/jobs"),
    ],
)
def test_socket_and_jobs_are_below_the_base_url(url: str, socket: str, jobs: str) -> None:
    address = Address(url)
    assert (address.socket_url, address.jobs_path) == (socket, jobs)


def test_an_address_shows_no_header_and_no_authority() -> None:
    address = Address("https://user:pass@a/comfy/", {"X-Key": SECRET}, Tls("-----BEGIN CERTIFICATE-----"))
    assert address.name == "https://a/comfy"
    assert SECRET not in repr(address)
    assert "BEGIN" not in repr(address)
