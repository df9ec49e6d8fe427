"""Find the proxy that the environment names for a URL, and name it where it is at fault.

httpx and websockets read ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` themselves, in upper or lower
case; only httpx reads ``ALL_PROXY``.
"""

import os
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_SCHEMES = ("http", "https", "socks5", "socks5h")
_VARIABLES = {"http": "HTTP_PROXY", "https": "HTTPS_PROXY", "all": "ALL_PROXY"}
_OF_SOCKET = {"ws": "http", "wss": "https"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """Represent a proxy.

    Attributes:
        url: Its URL, perhaps with a password.
        source: Variable that names it, or ``the system's settings``.
    """

    url: str
    source: str

    def __str__(self) -> str:
        return f"the proxy {_without_password(self.url)} ({self.source})"

    @property
    def remedy(self) -> str:
        """Return what a person can do if it does not work."""
        return f"start it, change {self.source}, or add the host to NO_PROXY"


def proxy_of(url: str) -> Proxy | None:
    """Return the proxy for an HTTP or WebSocket URL; None if it is reached directly."""
    scheme = urlsplit(url).scheme
    if proxy_bypass(urlsplit(url).hostname or ""):
        return None
    proxies = _proxies()
    return proxies.get(_OF_SOCKET.get(scheme, scheme)) or proxies.get("all")


def proxy_fault() -> str:
    """Say which proxy of the environment no client can use; empty if there is none.

    Clients read all of them when they are created, even for a host that ``NO_PROXY`` excludes.
    """
    for proxy in _proxies().values():
        scheme, port_is_readable = urlsplit(proxy.url).scheme, True
        try:
            port_is_readable = urlsplit(proxy.url).port != 0
        except ValueError:
            port_is_readable = False
        if scheme not in _SCHEMES or not port_is_readable or not urlsplit(proxy.url).hostname:
            kinds = ", ".join(f"{each}://" for each in _SCHEMES)
            return f"{proxy} cannot be used: give a URL with {kinds} and host:port, or unset {proxy.source}"
    return ""


def _proxies() -> dict[str, Proxy]:
    """Return the proxies by scheme; ``all`` is for any scheme."""
    named = getproxies()
    if named.get("no", "").strip() == "*":
        return {}
    return {
        scheme: Proxy(url if "://" in url else f"http://{url}", _source(variable))
        for scheme, variable in _VARIABLES.items()
        if (url := named.get(scheme))
    }


def _source(variable: str) -> str:
    return next((name for name in (variable.lower(), variable) if os.environ.get(name)), "the system's settings")


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
