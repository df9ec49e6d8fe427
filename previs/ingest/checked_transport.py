"""Connect to web servers for a sender: resolve, check every address, and connect to exactly what was checked.

A resolver that answers differently the second time gains nothing, since it is asked once for each connection. Each
redirect is a request of its own, and passes the same check.
"""

import asyncio
import socket
from ipaddress import ip_address
from typing import Final

import httpx

from previs.comfyui.client.proxies import Proxy, proxy_of
from previs.ingest.access import Allowed, IPAddress

# Extension of a request: name of a further host that it may reach.
BESIDE: Final = "previs.beside"
_RESOLVE_SECONDS: Final = 10.0
_PORTS: Final = {"http": 80, "https": 443}
_LIMITS: Final = httpx.Limits(max_keepalive_connections=0)


class AddressRefused(httpx.TransportError):
    """Report that a sender may not reach an address."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Send requests to allowed addresses; keep no connection, so that none is shared between hosts.

    Behind a proxy nobody here can see which address is reached, so it is used for hosts that are allowed by name alone.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._direct = httpx.AsyncHTTPTransport(limits=_LIMITS)
        self._proxied: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address of its host that accepts a connection.

        Raises:
            AddressRefused: An address of the host is not allowed; nothing was connected to.
            httpx.ConnectError: The host has no address, or none accepts a connection.
        """
        host = request.url.raw_host.decode("ascii")
        allowed = self._allowed.with_host(request.extensions.get(BESIDE))
        if proxy := proxy_of(str(request.url)):
            return await self._by_proxy(proxy, allowed, request)
        addresses = await _resolve(host, request.url.port or _PORTS[request.url.scheme], request)
        for address in addresses:
            if fault := allowed.fault_of(host, address):
                raise AddressRefused(fault, request=request)
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

    async def _by_proxy(self, proxy: Proxy, allowed: Allowed, request: httpx.Request) -> httpx.Response:
        if not allowed.names(request.url.host):
            raise AddressRefused(
                f"{request.url.host} is reached by {proxy}, behind which its address cannot be checked: the host in "
                "the block AllowedSources allows it, or NO_PROXY reaches it directly",
                request=request,
            )
        if proxy.url not in self._proxied:
            self._proxied[proxy.url] = httpx.AsyncHTTPTransport(proxy=proxy.url, limits=_LIMITS)
        return await self._proxied[proxy.url].handle_async_request(request)


async def _resolve(host: str, port: int, request: httpx.Request) -> list[IPAddress]:
    """Return the addresses of a host, whatever its spelling; an address is resolved to itself."""
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        raise httpx.ConnectError(str(error) or type(error).__name__, request=request) from error
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
