"""List names in a sentence."""

from collections.abc import Sequence


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first names with commas between them, and the number of the others."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
