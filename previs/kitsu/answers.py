"""Say in sentences what Kitsu answers, and check its address."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import requests
from gazu.exception import (
    AuthFailedException,
    NotAllowedException,
    NotAuthenticatedException,
    ParameterException,
    RouteNotFoundException,
    TooBigFileException,
    ValidationException,
)

from previs.errors import KitsuRefused, KitsuUnavailable
from previs.text.visible import shortened, visible

_API: Final = "/api"
_LONGEST: Final = 300
_THIS_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})

# Of several that fit, the first counts.
_REFUSED: Final[Sequence[tuple[tuple[type[Exception], ...], str]]] = (
    (
        (AuthFailedException,),
        "it rejects the login: the password is wrong, or it wants a second factor (then use KITSU_TOKEN of a bot)",
    ),
    ((NotAuthenticatedException,), "it does not accept the token, or the login has expired"),
    ((NotAllowedException,), "this account may not read or write {what}: give it the role of a manager there"),
    ((TooBigFileException,), "{what}: the file is too large for it, or for a proxy before it"),
    ((ParameterException, ValidationException), "{what} is refused: {said}"),
    ((RouteNotFoundException,), "{what}: not found; is this the address of Kitsu's page?"),
    (
        (requests.TooManyRedirects,),
        "it redirects to another address: give that one, such as https:// in place of http://",
    ),
    (
        (requests.exceptions.SSLError,),
        "its certificate is not trusted here, or TLS failed: set SSL_CERT_FILE to the certificates to trust",
    ),
    ((requests.exceptions.JSONDecodeError,), "{what}: the answer is no JSON; is this the address of Kitsu's page?"),
)
_UNAVAILABLE: Final[Sequence[tuple[type[Exception], str]]] = (
    (requests.Timeout, "{what}: no answer in time"),
    (requests.ConnectionError, "{what}: it cannot be reached, or the connection broke off"),
)


def api_url(host: str) -> str:
    """Return the URL of the API of Kitsu.

    Raises:
        KitsuRefused: It is no URL of a host, or it has a user or a password.
    """
    given = host.strip().rstrip("/")
    try:
        parts = urlsplit(given)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise KitsuRefused(shortened(given.rpartition("@")[2]), "give its URL, such as https://kitsu.studio.example")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise KitsuRefused(shortened(parts.hostname or ""), "give its URL without user, password and query")
    return given if given.endswith(_API) else given + _API


def is_private(url: str) -> bool:
    """Return whether nobody on the way to a server can read what it gets: by TLS, or because it is this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in _THIS_MACHINE


def translated(host: str, what: str, error: Exception) -> KitsuRefused | KitsuUnavailable:
    """Return the error for what gazu or requests raised.

    Args:
        host: URL of Kitsu.
        what: What was asked for, such as ``the shots``.
        error: What they raised.
    """
    said = shortened(visible(" ".join(str(error).split())), _LONGEST)
    for kinds, sentence in _REFUSED:
        if isinstance(error, kinds):
            return KitsuRefused(host, sentence.format(what=what, said=said))
    for kind, sentence in _UNAVAILABLE:
        if isinstance(error, kind):
            return KitsuUnavailable(host, sentence.format(what=what))
    return KitsuUnavailable(host, f"{what}: {said or type(error).__name__}")


def quoted(name: str) -> str:
    """Return a name as a sentence shows it."""
    return f"{visible(shortened(name))!r}"
