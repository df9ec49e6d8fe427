"""Hold the settings of the server, and decide which of them are safe together."""

import ipaddress
from dataclasses import dataclass, field
from typing import Final

from previs.errors import ReviewRefused

LEAST_PASSWORD: Final = 8
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Hold how boards are served.

    Attributes:
        password: Password for people without a guest link; empty for none, on this machine only.
        host: Address to listen on.
        names: Names under which browsers reach the server; others are refused. Empty for any, if there is a password.
        root_path: Path before all others, behind a proxy that strips it.
        given_store: The store as a run names it: a path, URL or ``block:NAME``.
    """

    password: str = field(default="", repr=False)
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    root_path: str = ""
    given_store: str = ""

    def checked(self) -> "ServeSettings":
        """Return the settings with names that suit the address.

        Raises:
            ReviewRefused: Others could see the boards without a password, or a setting cannot be used.
        """
        if self.password and len(self.password) < LEAST_PASSWORD:
            raise ReviewRefused(f"the password has fewer than {LEAST_PASSWORD} characters: choose a longer one")
        if not self.password and not _is_loopback(self.host):
            raise ReviewRefused(
                f"{self.host} can be reached from other machines: give a password with --password-file or in "
                "PREVIS_SERVE_PASSWORD, or listen on 127.0.0.1"
            )
        root = self.root_path.strip("/")
        if (
            any(part in {"", ".", ".."} or not part.isascii() or not part.isprintable() for part in root.split("/"))
            and root
        ):
            raise ReviewRefused(f"--root-path {self.root_path!r} is no path of ASCII names, such as /review")
        names = self.names if self.names or self.password else _LOCAL_NAMES
        return ServeSettings(
            self.password, self.host, tuple(map(str.lower, names)), f"/{root}" if root else "", self.given_store
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
