"""Make, list and revoke guest links."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from rich.table import Table
from rich.text import Text

from previs.boards.runs import only_board
from previs.command.console import console
from previs.command.farm_and_store import option_store
from previs.command.output import write_error, write_json, write_line
from previs.errors import ReviewRefused
from previs.publishing.views.wording import moment, one_line
from previs.records.reviews import MOST_NAME, GuestLink, Right
from previs.review.guests import guests, invite, revoke, works

SCHEMA: Final = "previs.guests/1"


@dataclass(frozen=True, slots=True)
class InviteOrder:
    """Hold the options of ``previs serve invite``; see its help."""

    store: str | None
    name: str
    boards: tuple[str, ...] = ()
    days: float = 7
    may: Right = "comment"
    url: str = "http://127.0.0.1:8500/"


async def invite_guest(order: InviteOrder) -> int:
    """Make a link, print it and return the exit code.

    Raises:
        NotInStore: A board does not exist.
        ReviewRefused: The name or the URL cannot be used.
        StoreRefused, StoreUnavailable: The store cannot be used.
    """
    name = one_line(order.name)
    if not 0 < len(name) <= MOST_NAME:
        raise ReviewRefused(f"the name of a guest has 1 to {MOST_NAME} characters, not {len(name)}")
    if urlsplit(order.url).scheme not in {"http", "https"} or not urlsplit(order.url).netloc:
        raise ReviewRefused(f"--url {order.url!r} is no URL such as https://review.studio.lan/")
    async with await option_store(order.store) as store:
        boards = order.boards or (await only_board(store),)
        guest, secret = await invite(store, name, boards, days=order.days, may=order.may)
    write_line(f"{order.url.rstrip('/')}/guest/{secret}")
    write_error(
        f"{guest.name} may {guest.may} until {moment(guest.ends)}: {', '.join(map(one_line, guest.boards))}; "
        f"end it with: previs serve revoke {guest.id[:8]}"
    )
    return 0


async def list_guests(option: str | None, *, as_json: bool) -> int:
    """Print all links and return the exit code.

    Raises:
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    async with await option_store(option) as store:
        found = await guests(store)
        name = store.name
    if as_json:
        write_json({"schema": SCHEMA, "store": name, "guests": list(map(_as_json, found))})
    elif not found:
        write_line(f"{name} has no guest link")
    else:
        table = Table("ID", "guest", "may", "boards", "until", "", box=None, pad_edge=False)
        for guest in found:
            names = ", ".join(map(one_line, guest.boards))
            table.add_row(guest.id[:8], *map(Text, (one_line(guest.name), guest.may, names)), *_until(guest))
        console().print(table)
    return 0


async def revoke_guest(option: str | None, wanted: str) -> int:
    """Revoke links, print them and return the exit code.

    Raises:
        NotInStore: There is no such link that works.
        StoreRefused, StoreUnavailable: The store cannot be used.
    """
    async with await option_store(option) as store:
        found = await revoke(store, wanted)
    for guest in found:
        write_line(f"revoked: {guest.id[:8]} of {guest.name}")
    return 0


def _until(guest: GuestLink) -> tuple[str, str]:
    state = "" if works(guest, datetime.now(UTC)) else "revoked" if guest.revoked else "ended"
    return moment(guest.ends), state


def _as_json(guest: GuestLink) -> dict[str, Any]:
    return guest.model_dump(mode="json", exclude={"schema_name", "secret_sha256"}) | {
        "works": works(guest, datetime.now(UTC))
    }
