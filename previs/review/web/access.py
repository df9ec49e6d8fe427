"""Decide who a browser is: sessions of people with the password, guests, and how often a wrong secret may be tried."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import Response

from previs.publishing.views.wording import one_line, shorten
from previs.records.reviews import MOST_NAME, GuestLink
from previs.review.deciding import Person
from previs.review.guests import find_guest
from previs.store import Store

SESSION: Final = "previs_session"
GUEST: Final = "previs_guest"
NAME: Final = "previs_name"
_SESSION_SECONDS: Final = 14 * 24 * 3600
_NAME_SECONDS: Final = 365 * 24 * 3600
_GUEST_SECONDS: Final = 5.0
_MOST_GUESTS: Final = 1_000
_SALT: Final = b"previs.serve/1 "
_TRIES_SECONDS: Final = 60.0
_LONGEST_COOKIE: Final = 1_000


@dataclass(slots=True)
class Throttle:
    """Count wrong passwords and links by address, and refuse more of them for a while.

    Attributes:
        most_of_one: Failures of one address within a minute.
        most_of_all: Failures of all addresses within a minute.
        clock: Returns the time in seconds.
    """

    most_of_one: int = 5
    most_of_all: int = 100
    clock: Callable[[], float] = time.monotonic
    _failed: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def wait(self, address: str) -> float:
        """Return for how many seconds an address may not try; 0 if it may."""
        now = self.clock()
        return max(self._left(address, self.most_of_one, now), self._left("", self.most_of_all, now))

    def failed(self, address: str) -> None:
        """Count a failure."""
        now = self.clock()
        for name in (address, ""):
            kept = [at for at in self._failed.get(name, ()) if now - at < _TRIES_SECONDS]
            self._failed[name] = [*kept, now]
            self._failed.move_to_end(name)
        while len(self._failed) > _MOST_GUESTS:
            self._failed.popitem(last=False)

    def _left(self, name: str, most: int, now: float) -> float:
        recent = [at for at in self._failed.get(name, ()) if now - at < _TRIES_SECONDS]
        return max(0.0, recent[-most] + _TRIES_SECONDS - now) if len(recent) >= most else 0.0


@dataclass(slots=True)
class Access:
    """Find out who sends a request.

    A person's session is a signed cookie, whose key comes from the password, so that it outlives the server and ends
    when the password changes. A guest's cookie is the secret of the link, looked up in the store.

    Attributes:
        store: Store of the guest links.
        password: Password; empty if there is none, and then everybody who reaches the server has all rights.
        clock: Returns the time in seconds since 1970.
        throttle: Wrong passwords.
        links: Links that do not work.
    """

    store: Store
    password: str = field(repr=False)
    clock: Callable[[], float] = time.time
    throttle: Throttle = field(default_factory=Throttle)
    links: Throttle = field(default_factory=Throttle)
    _key: bytes = field(default=b"", repr=False)
    _guests: OrderedDict[str, tuple[float, GuestLink | None]] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        """Derive the key of sessions; slowly, so that nobody finds the password from a cookie."""
        salt = _SALT + self.store.name.encode()
        secret = self.password.encode() or secrets.token_bytes(32)
        self._key = hashlib.scrypt(secret, salt=salt, n=1 << 14, r=8, p=1, maxmem=64 << 20)

    async def person(self, request: HTTPConnection) -> Person | None:
        """Return who sends a request; None if nobody who may see anything."""
        name = _clean_name(_decoded(request.cookies.get(NAME, "")))
        if not self.password:
            return Person(name)
        if self._has_session(request.cookies.get(SESSION, "")):
            return Person(name)
        guest = await self.guest(request.cookies.get(GUEST, ""))
        return Person(guest.name, guest.may, guest.id, guest.boards) if guest else None

    async def guest(self, secret: str) -> GuestLink | None:
        """Return the guest of a secret; the answer may be five seconds old."""
        if not secret:
            return None
        name = hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
        now = self.clock()
        known = self._guests.get(name)
        if (
            known is None
            or not 0 <= now - known[0] <= _GUEST_SECONDS
            or (known[1] and known[1].ends.timestamp() <= now)
        ):
            known = self._guests[name] = now, await find_guest(self.store, secret)
            self._guests.move_to_end(name)
            while len(self._guests) > _MOST_GUESTS:
                self._guests.popitem(last=False)
        return known[1]

    def opens(self, password: str) -> bool:
        """Return whether this is the password, in a time that does not depend on it."""
        return bool(self.password) and hmac.compare_digest(_digest(password), _digest(self.password))

    def start_session(self, response: Response, request: HTTPConnection, name: str) -> None:
        """Set the cookies of a person who gave the password."""
        until = int(self.clock()) + _SESSION_SECONDS
        body = _coded(json.dumps([until, secrets.token_hex(8)]))
        set_cookie(response, request, SESSION, f"{body}.{self._signature(body)}", _SESSION_SECONDS)
        set_name(response, request, name)

    def _has_session(self, cookie: str) -> bool:
        body, _, signature = cookie.partition(".")
        if len(cookie) > _LONGEST_COOKIE or not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return False
        until = json.loads(_decoded(body))[0]
        return bool(self.clock() < until)

    def _signature(self, body: str) -> str:
        return hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def set_name(response: Response, request: HTTPConnection, name: str) -> None:
    """Keep the name that a person gave; it stands beside what the person says."""
    cleaned = _clean_name(name)
    if cleaned:
        set_cookie(response, request, NAME, _coded(cleaned), _NAME_SECONDS)


def set_cookie(response: Response, request: HTTPConnection, name: str, value: str, seconds: int) -> None:
    """Set a cookie that no script reads and no other site's page sends."""
    path = f"{request.scope.get('root_path', '')}/"
    response.set_cookie(
        name, value, max_age=seconds, path=path, secure=request.url.scheme == "https", httponly=True, samesite="lax"
    )


def end_session(response: Response, request: HTTPConnection) -> None:
    """Remove the cookies of a person or guest, but not the name."""
    for name in (SESSION, GUEST):
        response.delete_cookie(name, path=f"{request.scope.get('root_path', '')}/")


def _coded(text: str) -> str:
    """Return a text as a cookie's value, which needs no quotes."""
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _decoded(value: str) -> str:
    """Return the text of a cookie's value; empty if it is none."""
    try:
        return base64.urlsafe_b64decode(f"{value}{'=' * (-len(value) % 4)}".encode("ascii")).decode()
    except (ValueError, UnicodeError):
        return ""


def _clean_name(name: str) -> str:
    return shorten(one_line(name), MOST_NAME)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
