"""Say in words what frame QC found wrong with a take, and what became of the render that is not shown."""

from collections.abc import Iterable
from typing import Final

from previs.publishing.views.labels import Labels, labels
from previs.publishing.views.wording import one_line, shorten
from previs.records.manifest import Mark, Retried

_LONGEST: Final = 120
_WORDS: Final = {
    "black": "black frame",
    "grey": "flat grey frame",
    "blank": "blank frame, {detail}",
    "frozen": "frozen film",
    "aspect": "wrong aspect, {detail}",
    "same": "same picture as {detail}",
}
_ENGLISH: Final = labels("en")


def in_words(marks: Iterable[Mark], label: Labels = _ENGLISH) -> tuple[str, ...]:
    """Return each mark in a few words."""
    return tuple(label(_WORDS[mark.kind], detail=shorten(one_line(mark.detail), _LONGEST)) for mark in marks)


def retry_in_words(retried: Retried, label: Labels = _ENGLISH) -> str:
    """Return why a take was rendered once more, and with which seed the render was made that is not shown."""
    why = label(", ").join(in_words(retried.marks, label))
    seed = "?" if retried.seed is None else retried.seed
    if retried.shown == "second":
        return label("rendered once more with another seed: with seed {seed} it was a {why}", seed=seed, why=why)
    if retried.error:
        return label("rendered once more for: {why}; that failed", why=why)
    return label("rendered once more with seed {seed} for: {why}; that was no better", seed=seed, why=why)
