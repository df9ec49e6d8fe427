"""Break texts into lines by their measured width, and shorten those that do not fit."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

Measure = Callable[[str], float]
"""Returns the width of a text, as a multiple of its size: the sum of the widths of its characters."""

# A line may end behind each character of Chinese, Japanese and Korean, and behind each word of other scripts.
_WORDS: Final = re.compile(r"\s+|[^\s\u1100-\u11ff\u2e80-\U0003ffff]+|.", re.DOTALL)
_NOT_FIRST: Final = frozenset("，。、；：？！）》」』】〉〕〗·…—～％,.;:?!)%”’")
_NOT_LAST: Final = frozenset("（《「『【〈〔〖“‘")
_ELLIPSIS: Final = "…"
_OVERHANG: Final = 1.0  # of the size: what must not begin a line


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a line of text.

    Attributes:
        grey: How many of its first characters are grey: a label.
    """

    text: str
    grey: int = 0


@dataclass(frozen=True, slots=True)
class Field:
    """Hold a text with its label.

    Attributes:
        is_grey: Whether all of it is grey.
    """

    text: str
    label: str = ""
    is_grey: bool = False


def lines_of(field: Field, width: float, measure: Measure) -> list[Line]:
    """Return a text as lines of at most a width; an empty text has none."""
    if not field.text.strip():
        return []
    head = f"{field.label}  " if field.label else ""
    paragraphs = (head + field.text.strip()).splitlines()
    found = [line for each in paragraphs for line in _broken(each, width, measure)]
    if field.is_grey:
        return [Line(line, len(line)) for line in found]
    return [Line(line, 0 if number else min(len(field.label), len(line))) for number, line in enumerate(found)]


def fit(fields: Sequence[Field], width: float, most: int, measure: Measure) -> tuple[list[Line], bool]:
    """Return the lines of some texts, at most so many, and whether any text is shortened.

    Long texts are shortened before short ones, and end with ``…``.

    Args:
        fields: Texts, the most important first.
        width: Of a line, as a multiple of the size.
        most: Lines that there is room for.
        measure: Measures a text.
    """
    whole = [lines for field in fields if (lines := lines_of(field, width, measure))]
    kept = _shares([len(lines) for lines in whole], most)
    short = any(share < len(lines) for share, lines in zip(kept, whole, strict=True))
    cut = [_cut(lines, share, width, measure) for share, lines in zip(kept, whole, strict=True)]
    return [line for lines in cut for line in lines], short


def one_line(text: str, width: float, measure: Measure) -> str:
    """Return a text on one line of at most a width, shortened if need be."""
    text = " ".join(text.split())
    if measure(text) <= width:
        return text
    [line] = _cut([Line(text), Line("")], 1, width, measure)
    return line.text


def _shares(wanted: Sequence[int], most: int) -> list[int]:
    """Return how many lines each text gets: one more for each in turn, the first before the others."""
    shares = [0] * len(wanted)
    while most > 0 and shares != list(wanted):
        for number, count in enumerate(wanted):
            if shares[number] < count and most > 0:
                shares[number] += 1
                most -= 1
    return shares


def _cut(lines: list[Line], most: int, width: float, measure: Measure) -> list[Line]:
    if most >= len(lines):
        return lines
    if most < 1:
        return []
    last = lines[most - 1]
    left, kept = width - measure(_ELLIPSIS), 0
    for character in last.text:
        left -= measure(character)
        if left < 0:
            break
        kept += 1
    text = last.text[:kept].rstrip() + _ELLIPSIS
    return [*lines[: most - 1], Line(text, min(last.grey, len(text)))]


def _broken(paragraph: str, width: float, measure: Measure) -> Iterator[str]:
    line, used = "", 0.0
    for word in _words(paragraph, width, measure):
        wide = measure(word)
        most = width + (_OVERHANG if word in _NOT_FIRST else 0)
        if line.strip() and word.strip() and used + wide > most:
            # What must not end a line goes to the next.
            carried = line[-1] if line[-1] in _NOT_LAST and len(line) > 1 else ""
            yield line.removesuffix(carried).strip()
            line, used = carried, measure(carried)
        if line or word.strip():
            line, used = line + word, used + wide
    if line.strip():
        yield line.strip()


def _words(paragraph: str, width: float, measure: Measure) -> Iterator[str]:
    """Yield words, and single characters of what is wider than a line or needs no spaces."""
    for word in _WORDS.findall(paragraph):
        if measure(word) > width and word.strip():
            yield from word
        else:
            yield word
