"""Suggest the name that a person probably meant."""

from collections.abc import Iterable
from typing import Final

_EDITS: Final = 2


def meant(name: str, names: Iterable[str]) -> str | None:
    """Return the closest of the names within two edits, or None; case makes no difference, nor do dashes and blanks."""
    by_edits = {each: _edits(_bare(name), _bare(each)) for each in names}
    closest = min(by_edits, key=by_edits.__getitem__, default=None)
    return closest if closest is not None and by_edits[closest] <= _EDITS else None


def _bare(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")


def _edits(one: str, other: str) -> int:
    """Return how many characters must be inserted, removed or replaced; beyond two, any larger number."""
    if abs(len(one) - len(other)) > _EDITS:
        return _EDITS + 1
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        above, row = row, [number]
        for place, another in enumerate(other):
            row.append(min(above[place + 1] + 1, row[-1] + 1, above[place] + (letter != another)))
    return row[-1]
