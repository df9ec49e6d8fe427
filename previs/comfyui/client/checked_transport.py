"""Connect for a sender: resolve, check every address, and connect to exactly what was checked.

A resolver that answers differently the second time gains nothing, since it is asked once for each connection. Each
redirect is a request of its own, and passes the same check. The module lives in the lowest package with sockets, below
all that use it: readers of lists and references, and the clients of servers that a sender names.
"""

import asyncio
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

import httpx

from previs.comfyui.client.proxies import Proxy, proxy_of

IPAddress = IPv4Address | IPv6Address

NOT_ALLOWED: Final = "the operator does not allow its address"
# Extension of a request: name of a further host that it may reach.
BESIDE: Final = "previs.beside"
_RESOLVE_SECONDS: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}
# A kept connection to an address could serve another host, whose certificate it does not have.
_KEEP_NONE: Final = httpx.Limits(max_keepalive_connections=0)


class AddressRefused(httpx.TransportError):
    """Report that a sender may not reach an address."""


class Policy(Protocol):
    """Decide which addresses may be reached; :class:`previs.ingest.access.Allowed` does."""

    def names(self, host: str) -> bool:
        """Return whether a host is allowed by its name."""

    def fault_of(self, host: str, address: IPAddress) -> str:
        """Return why a connection to a host's address is refused; empty if it is allowed."""

    def with_host(self, host: str | None) -> Self:
        """Return the policy with one more host."""


async def checked_addresses(url: str, host: str, port: int | None, policy: Policy) -> list[IPAddress]:
    """Return the addresses of a URL's host, all of them allowed; none if a proxy resolves the host.

    Behind a proxy nobody here can see which address is reached, so it is used for hosts that are allowed by name alone.

    Raises:
        AddressRefused: An address of the host is not allowed.
        httpx.ConnectError: The host has no address.
    """
    if proxy := proxy_of(url):
        if policy.names(host):
            return []
        msg = (
            f"{host} is reached by {proxy}, behind which its address cannot be checked: the host in the block "
            "AllowedSources allows it, or NO_PROXY reaches it directly"
        )
        raise AddressRefused(msg)
    addresses = await _resolve(host, port or _PORTS[urlsplit(url).scheme])
    for address in addresses:
        if fault := policy.fault_of(host, address):
            raise AddressRefused(fault)
    return addresses


class CheckedTransport(httpx.AsyncBaseTransport):
    """Send requests to allowed addresses."""

    def __init__(
        self, policy: Policy, *, verify: ssl.SSLContext | bool = True, limits: httpx.Limits = _KEEP_NONE
    ) -> None:
        """Set up a transport.

        Args:
            policy: Which addresses may be reached.
            verify: Certificates to trust.
            limits: Connections to open and keep; only a transport for a single host may keep any.
        """
        self._policy = policy
        self._verify, self._limits = verify, limits
        self._direct = httpx.AsyncHTTPTransport(verify=verify, limits=limits)
        self._proxied: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address of its host that accepts a connection.

        Raises:
            AddressRefused: An address of the host is not allowed; nothing was connected to.
            httpx.ConnectError: The host has no address, or none accepts a connection.
        """
        host = request.url.raw_host.decode("ascii")
        policy = self._policy.with_host(request.extensions.get(BESIDE))
        url = str(request.url)
        addresses = await checked_addresses(url, host, request.url.port, policy)
        if proxy := proxy_of(url):
            return await self._through(proxy).handle_async_request(request)
        failure = httpx.ConnectError(f"{host} has no address", request=request)
        for address in addresses:
            try:
                return await self._direct.handle_async_request(_sent_to(address, request, host))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = httpx.ConnectError(str(error) or type(error).__name__, request=request)
                failure.__cause__ = error
        raise failure

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in (self._direct, *self._proxied.values()):
            await transport.aclose()

    def _through(self, proxy: Proxy) -> httpx.AsyncHTTPTransport:
        if proxy.url not in self._proxied:
            self._proxied[proxy.url] = httpx.AsyncHTTPTransport(
                verify=self._verify, limits=self._limits, proxy=proxy.url
            )
        return self._proxied[proxy.url]


async def _resolve(host: str, port: int) -> list[IPAddress]:
    """Return the addresses of a host, whatever its spelling; an address is resolved to itself."""
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise httpx.ConnectError(str(error) or type(error).__name__) from error
    return list(dict.fromkeys(ip_address(str(sockaddr[0])) for *_, sockaddr in found))


def _sent_to(address: IPAddress, request: httpx.Request, host: str) -> httpx.Request:
    """Return a request that is sent to an address; its Host header and the name on its certificate stay the host's."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": host},
    )
