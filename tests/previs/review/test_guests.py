"""A guest link is a secret that the store does not hold, ends, and can be revoked."""

from datetime import UTC, datetime, timedelta

import pytest

from previs.errors import NotInStore
from previs.review.guests import find_guest, guests, invite, revoke
from previs.store import FolderStore, keys
from tests.previs.review.conftest import BOARD

NOW = datetime.now(UTC)


async def test_a_link_works_until_it_ends(reviewed: FolderStore) -> None:
    guest, secret = await invite(reviewed, "Bo", [BOARD], days=2, may="comment")
    assert await find_guest(reviewed, secret) == guest
    assert await find_guest(reviewed, secret, now=NOW + timedelta(days=1.9)) == guest
    assert await find_guest(reviewed, secret, now=NOW + timedelta(days=2.1)) is None
    assert await find_guest(reviewed, secret[:-1]) is None
    assert await find_guest(reviewed, "x" * 5000) is None


async def test_the_store_does_not_hold_the_secret(reviewed: FolderStore) -> None:
    guest, secret = await invite(reviewed, "Bo", [BOARD], days=2, may="look")
    content = await reviewed.get(keys.guest_key(guest.id))
    assert content
    assert secret.encode() not in content
    assert secret not in keys.guest_key(guest.id)


async def test_a_link_is_revoked_by_its_id_or_its_name(reviewed: FolderStore) -> None:
    made = [await invite(reviewed, name, [BOARD], days=2, may="look") for name in ("Bo", "Bo", "Cy")]
    assert len(await revoke(reviewed, "Bo")) == 2
    assert [await find_guest(reviewed, secret) is not None for _, secret in made] == [False, False, True]
    assert [each.id for each in await revoke(reviewed, made[2][0].id[:8])] == [made[2][0].id]
    assert len(await guests(reviewed)) == 3
    with pytest.raises(NotInStore, match="guest link 'Bo' that works: there is none"):
        await revoke(reviewed, "Bo")


async def test_a_board_that_does_not_exist_is_named(reviewed: FolderStore) -> None:
    with pytest.raises(NotInStore, match="夜景 2"):
        await invite(reviewed, "Bo", ["夜景 2"], days=2, may="look")
