"""Split paragraphs and speeches at their notes; the readers of all notations of scripts share this."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from previs.screenplay.framings import Framing
from previs.screenplay.models import Element, Note, Passage, Speech
from previs.screenplay.notes import SplitScript
from previs.screenplay.text import join_lines


def paragraph(
    script: SplitScript, text: str, line: int, *, framing: Framing | None, plain: Callable[[str], str]
) -> Iterator[Element]:
    """Yield the parts of a paragraph of action and its notes; ``plain`` removes the notation's markup from a text."""
    continues = False
    for part in script.parts(text):
        if isinstance(part, Note):
            yield part
        elif kept := join_lines(plain(part)):
            yield Passage("action", kept, line, continues=continues, framing=framing)
            continues, framing = True, None


def speech(script: SplitScript, said: str, template: Speech, *, plain: Callable[[str], str]) -> Iterator[Element]:
    """Yield the parts of a speech and its notes; a speech without words is one part."""
    parts: Sequence[str | Note] = script.parts(said)
    if not any(isinstance(part, str) for part in parts):
        parts = [*parts, ""]
    for part in parts:
        yield part if isinstance(part, Note) else replace(template, text=join_lines(plain(part)))
