"""Say in words what frame QC found wrong with a take, and what became of the render that is not shown."""

from collections.abc import Iterable
from typing import Final

from previs.publishing.views.labels import Labels, labels
from previs.publishing.views.wording import one_line, shorten
from previs.records.marks import Mark, Retried

_LONGEST: Final = 120
_WORDS: Final = {
    "black": "black frame",
    "grey": "flat grey frame",
    "blank": "blank frame, {detail}",
    "frozen": "frozen film",
}
_ENGLISH: Final = labels("en")


def in_words(marks: Iterable[Mark], label: Labels = _ENGLISH) -> tuple[str, ...]:
    """Return each mark in a few words."""
    return tuple(_words(mark.kind, shorten(one_line(mark.detail), _LONGEST), label) for mark in marks)


def _words(kind: str, detail: str, label: Labels) -> str:
    if kind == "aspect":
        size, _, asked = detail.partition(" / ")
        return label("wrong aspect, {size} for {asked}", size=size, asked=asked)
    if kind == "same":
        shot, _, take = detail.rpartition(" · take ")
        return label("same picture as {take}", take=label("{shot} · take {take}", shot=shot, take=take))
    return label(_WORDS[kind], detail=detail)


def retry_in_words(retried: Retried, label: Labels = _ENGLISH) -> str:
    """Return why a take was rendered once more, and what became of the render that is not shown."""
    why, seed = ", ".join(in_words(retried.marks, label)), str(retried.seed)
    if retried.shown == "second":
        return label("rendered once more: seed {seed} gave {why}", seed=seed, why=why)
    if not retried.frames:
        return label("rendered once more for {why}: that failed", why=why)
    return label("rendered once more for {why}: seed {seed} was no better", seed=seed, why=why)
