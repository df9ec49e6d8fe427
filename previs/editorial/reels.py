"""Name the reels of an EDL, which have eight characters at most; pure."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

LONGEST: Final = 8
"""Characters of a reel's name in the CMX 3600 format."""

_OTHERS: Final = re.compile(r"[^A-Z0-9]+")
# Names that readers of EDLs take for black, bars, or a source without a name.
_TAKEN: Final = ("BL", "BLACK", "BARS", "AX")


def reel_names(labels: Iterable[str]) -> Iterator[str]:
    """Yield a name for each shot: its letters and digits, or the last eight; a number where that is no name of its own.

    Args:
        labels: Labels of the shots, in the order of the board.
    """
    used = set(_TAKEN)
    for number, label in enumerate(labels, 1):
        plain = _OTHERS.sub("", label.upper())
        found = plain[-LONGEST:]
        whole = all(sign.isascii() for sign in label if sign.isalnum())
        if not found or found in used or not whole:
            found = _numbered(number, used)
        used.add(found)
        yield found


def _numbered(number: int, used: set[str]) -> str:
    """Return a free name with a number: ``S0000012``."""
    return next(name for letter in "SABCDEFGHIJKLMNOPQRTUVWXYZ" if (name := f"{letter}{number:07d}") not in used)
