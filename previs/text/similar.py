"""Find the names that a person may have meant, at a bounded cost."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from heapq import nlargest
from itertools import islice, pairwise
from typing import Final

LONGEST: Final = 60
"""Characters of a name that are compared: of a longer one, the first and the last half of them."""

MOST_COMPARED: Final = 50
"""Names that are compared letter by letter: those that share the most pairs of letters with the wanted one."""

MOST_CONSIDERED: Final = 5_000
"""Names that are looked at for one suggestion, the first ones."""

MOST_PER_REPORT: Final = 20_000
"""Names that are looked at for all suggestions of one report."""

_EDITS: Final = 2


@dataclass(slots=True, eq=False)
class Budget:
    """Count the work for one report, which may have a suggestion for each of its faults.

    Attributes:
        left: Names that may still be looked at; after that there are no suggestions.
    """

    left: int = MOST_PER_REPORT


def closest(
    wanted: str,
    names: Iterable[str],
    *,
    budget: Budget | None = None,
    most: int = 3,
    cutoff: float = 0.6,
    key: Callable[[str], str] = str,
) -> list[str]:
    """Return the names most similar to the wanted one, the best first; of equal ones, in the order of the alphabet.

    Args:
        wanted: What a person wrote.
        names: What there is.
        budget: Shared by all suggestions of a report.
        most: Largest number of names to return.
        cutoff: Least similarity, from 0 to 1.
        key: Returns what counts of a name, also of the wanted one.
    """
    budget = budget or Budget()
    by_text: dict[str, list[str]] = {}
    for name in islice(dict.fromkeys(names), min(MOST_CONSIDERED, budget.left)):
        by_text.setdefault(_ends(key(name)), []).append(name)
        budget.left -= 1
    text = _ends(key(wanted))
    matcher = SequenceMatcher(None, "", text)
    scored: list[tuple[float, str]] = []
    for each in _alike(text, by_text):
        matcher.set_seq1(each)
        if matcher.quick_ratio() >= cutoff and (ratio := matcher.ratio()) >= cutoff:
            scored += [(-ratio, name) for name in by_text[each]]
    return [name for _, name in sorted(scored)[:most]]


def _ends(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST // 2] + text[-LONGEST // 2 :]


def _alike(text: str, texts: Iterable[str]) -> list[str]:
    """Return the few texts that share the most pairs of letters with one, relative to their lengths."""
    pairs = _pairs(text)

    def shared(other: str) -> float:
        others = _pairs(other)
        return len(pairs & others) / (len(pairs) + len(others) or 1)

    return nlargest(MOST_COMPARED, texts, key=shared)


def _pairs(text: str) -> set[str]:
    return set(map("".join, pairwise(text))) or {text}


def meant(name: str, names: Iterable[str], *, most: int = _EDITS) -> str | None:
    """Return the closest of the names within so many edits, at most two, or None.

    Case makes no difference, nor do dashes and blanks.
    """
    by_edits = {each: _edits(_bare(name), _bare(each)) for each in names}
    closest = min(by_edits, key=by_edits.__getitem__, default=None)
    return closest if closest is not None and by_edits[closest] <= most else None


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
