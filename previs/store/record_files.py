"""Read records, whoever wrote them."""

from previs.errors import RecordUnreadable
from previs.store.interface import Store


async def get_record(store: Store, key: str) -> bytes | None:
    """Return the bytes of a record, or None if there is none; no bytes, as if it were damaged, if it is too large.

    Raises:
        StoreRefused, StoreUnavailable: The store cannot be read.
    """
    try:
        return await store.get(key)
    except RecordUnreadable:
        return b""
