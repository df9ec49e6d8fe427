"""Hold a server's URL, what its proxy requires, and the size of files that are fetched from it."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from previs.comfyui.client.checked_transport import IPAddress, Policy, checked_addresses
from previs.comfyui.client.tls import Tls

LARGEST_FILE: Final = 8_000_000_000
"""Most bytes of a file that a server made, unless its address sets another limit."""

_SHOWN: Final = 60
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+(?:[ \t]+[\x21-\x7e]+)*")


@dataclass(frozen=True, slots=True)
class Address:
    """Hold a server's URL, what its proxy requires, and the size of files that are fetched from it.

    Attributes:
        url: Base URL, including the path if the server is behind one.
        headers: Headers sent with every request and with the socket; secret, so never shown.
        tls: Certificates to trust; servers may share it.
        largest_file: Most bytes of one file that is fetched from the server.
        policy: The :class:`~previs.comfyui.client.checked_transport.Policy` for its address, if a sender named it.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Tls = field(default_factory=Tls, repr=False)
    largest_file: int = LARGEST_FILE
    # Blocks hand addresses over as JSON, whose model must not need the type.
    policy: Any = field(default=None, repr=False)

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """Return the TLS context for requests and the socket, or None for plain HTTP."""
        return self.tls.context if self.url.startswith("https:") else None

    @property
    def socket_url(self) -> str:
        """Return the URL of ``/ws``."""
        return "ws" + self.url.rstrip("/").removeprefix("http") + "/ws"

    async def checked(self, policy: Policy) -> list[IPAddress]:
        """Return the addresses of the host as a policy allows them; raises as :func:`checked_addresses` does."""
        parts = urlsplit(self.url)
        return await checked_addresses(self.url, parts.hostname or "", parts.port, policy)

    @property
    def jobs_path(self) -> str:
        """Return the path of ``/api/jobs`` relative to the base URL; which exists only below ``/api``."""
        return "jobs" if self.url.rstrip("/").endswith("/api") else "api/jobs"

    @property
    def name(self) -> str:
        """Return the base URL without credentials, for people and records."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def base_url(text: str) -> str:
    """Return a server's checked base URL, with the scheme in lower case.

    Raises:
        ValueError: The text is no such URL. The message gives the reason and shows nothing that may be a password.
    """
    url = text.strip().rstrip("/")
    shown = repr(re.split(r"[?#]", url)[0][:_SHOWN]) if "@" not in url else "an address with an @"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\x00-\x1f]", url):
        msg = f"{shown} is no server's address: write it like http://render-01:8188"
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = (
            f"the address of {parts.hostname} holds a user, a password or a query: "
            "save a ComfyUI farm block and put credentials into its headers or token"
        )
        raise ValueError(msg)
    return parts.geturl()


def header(name: str, value: str) -> tuple[str, str]:
    """Return a header that can be sent, without whitespace around its value.

    Raises:
        ValueError: It cannot be sent. The message does not show the value.
    """
    if not _HEADER_NAME.fullmatch(name):
        msg = "a header's name has only letters, digits and hyphens"
        raise ValueError(msg)
    stripped = value.strip()
    if not _HEADER_VALUE.fullmatch(stripped):
        msg = f"the value of {name} is empty or has characters that no header can hold: copy it again as plain text"
        raise ValueError(msg)
    return name, stripped
