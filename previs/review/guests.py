"""Make, find and revoke guest links: a secret in the link, of which the store holds only a hash."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import ValidationError

from previs.boards.runs import each_file, list_names, name_of
from previs.errors import NotInStore
from previs.records.reviews import GuestLink, Right
from previs.store import Store, keys
from previs.store.record_files import get_record

_SECRET_BYTES: Final = 32
_LONGEST_SECRET: Final = 100
_ID_DIGITS: Final = 32
_JSON: Final = "application/json"


async def invite(
    store: Store, name: str, boards: Sequence[str], *, days: float, may: Right, now: datetime | None = None
) -> tuple[GuestLink, str]:
    """Make a guest link, and return its record and its secret, which is kept nowhere.

    Args:
        store: Store of the boards.
        name: Name of the guest, which stands beside what the guest says.
        boards: Names of the boards that the guest may see, or their parts of keys.
        days: Days until the link ends.
        may: What the guest may do.
        now: Present time, aware.

    Raises:
        NotInStore: A board does not exist.
        ValidationError: The name is empty or too long.
    """
    now = now or datetime.now(UTC)
    names = [await name_of(store, board) for board in dict.fromkeys(boards)]
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    digest = _digest(secret)
    guest = GuestLink(
        id=digest[:_ID_DIGITS],
        secret_sha256=digest,
        name=name,
        boards=tuple(names),
        may=may,
        created=now,
        ends=now + timedelta(days=days),
    )
    await _put(store, guest)
    return guest, secret


async def find_guest(store: Store, secret: str, *, now: datetime | None = None) -> GuestLink | None:
    """Return the guest of a secret, or None if there is none, or the link has ended or was revoked."""
    if len(secret) > _LONGEST_SECRET:
        return None
    digest = _digest(secret)
    content = await get_record(store, keys.guest_key(digest[:_ID_DIGITS]))
    guest = None if content is None else _parsed("", content)
    if guest is None or not hmac.compare_digest(guest.secret_sha256, digest):
        return None
    return guest if works(guest, now or datetime.now(UTC)) else None


def works(guest: GuestLink, now: datetime) -> bool:
    """Return whether a link has neither ended nor been revoked."""
    return guest.revoked is None and now < guest.ends


async def guests(store: Store) -> list[GuestLink]:
    """Return all guest links, the youngest first; without records that cannot be read."""
    found = await each_file(store, await store.entries(keys.GUESTS), _parsed)
    return sorted((guest for guest in found.values() if guest), key=lambda guest: guest.created, reverse=True)


async def revoke(store: Store, wanted: str) -> list[GuestLink]:
    """Revoke the link with an ID, or the start of one, or all links of a name that still work; return them.

    Raises:
        NotInStore: There is no such link that works.
    """
    now = datetime.now(UTC)
    working = [guest for guest in await guests(store) if works(guest, now)]
    found = [guest for guest in working if wanted in {guest.id, guest.id[:8], guest.name}]
    if not found:
        raise NotInStore(store.name, f"guest link {wanted!r} that works", list_names(wanted, [g.name for g in working]))
    for guest in found:
        await _put(store, guest.model_copy(update={"revoked": now}))
    return found


async def _put(store: Store, guest: GuestLink) -> None:
    content = guest.model_dump_json(by_alias=True, indent=1).encode()
    await store.put(keys.guest_key(guest.id), content, media_type=_JSON)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _parsed(_: str, content: bytes) -> GuestLink | None:
    try:
        return GuestLink.model_validate_json(content)
    except ValidationError:
        return None
