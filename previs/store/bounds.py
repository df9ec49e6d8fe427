"""Set bounds to what is read from a store: whoever may write to it decides how large its files are."""

from typing import Final

from previs.errors import RecordUnreadable

RECORD_BYTES: Final = 32_000_000
"""Most bytes of a record; a frame with its thumbnail takes some 17 KB of it."""

MANIFEST_BYTES: Final = 500_000_000
"""Most bytes of a manifest; with its thumbnails one of ten thousand shots has some 200 MB."""


def too_large(uri: str, limit: int) -> RecordUnreadable:
    """Return the error for a file with more bytes than are read."""
    return RecordUnreadable(uri, f"it has more than {limit:,} bytes, which is the most that is read of it")
