"""Read Fountain, a plain-text format for screenplays: https://fountain.io/syntax.

Chinese forms are read as well: headings such as ``内景 渔港 - 夜``, transitions such as ``切至：``, full-width brackets
and colons.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from previs.errors import Fault
from previs.screenplay.elements import paragraph, speech
from previs.screenplay.framings import Framing, framing_of, listed
from previs.screenplay.headings import split_heading
from previs.screenplay.models import Element, Kind, Passage, Scene, Speech
from previs.screenplay.notes import Line, SplitScript, note_marks, split_notes, without_notes
from previs.screenplay.text import join_lines, plain_text, script_text
from previs.screenplay.title_page import TitlePage, read_title_page

_LONGEST_CUE: Final = 120
_PAGE_BREAK: Final = re.compile(r"={3,}")
_TRANSITION: Final = re.compile(
    r"[^a-z]*\bTO:|FADE (?:IN|OUT|UP|TO BLACK)[:.]?"
    r"|(?:(?:SMASH|MATCH|JUMP|TIME|HARD)[ -])?CUT(?: TO (?:BLACK|WHITE|CREDITS|TITLES?))?[:.]"
    r"|(?:CROSS[ -])?DISSOLVE[:.]"
    r"|(?:切至|切到|切换|淡入|淡出|叠化|化入|化出|转场|黑场)[^，,]{0,10}[:：。.]?"
)
_EXTENSION: Final = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*$")
_MANNER: Final = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*")


def read_fountain(content: bytes, name: str) -> tuple[TitlePage, tuple[Scene, ...], list[Fault]]:
    """Return the title page and the scenes of a Fountain file, and the faults of its notes.

    Raises:
        ShotListFaults: The file cannot be read.
    """
    script = split_notes(script_text(content, name))
    page = read_title_page(script.lines)
    return page, tuple(_scenes(script, script.lines[page.lines :])), list(script.faults)


def _scenes(script: SplitScript, lines: Sequence[Line]) -> Iterator[Scene]:
    """Yield the scenes; text before the first heading makes a first scene without a heading."""
    scene = Scene("", lines[0].number if lines else 1, ())
    elements: list[Element] = []
    for each in _Parser(script, lines).parse():
        if not isinstance(each, Scene):
            elements.append(each)
            continue
        if scene.heading or elements:
            yield replace(scene, elements=tuple(elements))
        scene, elements = each, []
    if scene.heading or elements:
        yield replace(scene, elements=tuple(elements))


@dataclass
class _Block:
    """Hold the lines of a paragraph of action, or of a speech if there is a cue, until it is complete."""

    line: int
    texts: list[str]
    cue: str | None = None
    framing: Framing | None = None


@dataclass
class _Parser:
    """Parse the lines in one pass; the line after an element completes it.

    Attributes:
        pending_notes: Marks of notes alone on their lines, which belong to the next line.
        in_montage: Whether the items of a list are shots.
    """

    script: SplitScript
    lines: Sequence[Line]
    block: _Block | None = None
    pending_notes: list[str] = field(default_factory=list)
    in_montage: bool = False
    found: list[Element | Scene] = field(default_factory=list)

    def parse(self) -> Iterator[Element | Scene]:
        for index, line in enumerate(self.lines):
            following = self.lines[index + 1] if index + 1 < len(self.lines) else Line(0, "")
            if line.text_only:
                self._take(line, following)
            else:
                self._take_empty(line)
            yield from self.found
            self.found.clear()
        self._close()
        yield from self.found

    def _take_empty(self, line: Line) -> None:
        if not line.is_blank and self.block:
            self.block.texts.append(line.text)
        elif not line.is_blank:
            self.pending_notes.append(note_marks(line.text))
        elif not (self.block and self.block.cue is not None and len(line.text) > 1):
            # Fountain: a line of two spaces does not end a speech.
            self._close()

    def _take(self, line: Line, following: Line) -> None:
        text_only = line.text_only
        if self.block and self.block.cue is not None:
            self.block.texts.append(line.text.strip())
        elif _PAGE_BREAK.fullmatch(text_only) or text_only.startswith("#"):
            self._close()
            self.found.extend(self.script.notes_in(line.text))
        elif kind := self._one_line_kind(text_only, following):
            self._close()
            self._passage(kind, line, _STRIP_MARKERS[kind])
        elif (self.block is None or text_only.startswith(".")) and (heading := _heading(text_only)):
            self._close()
            self.in_montage = False
            number = unicodedata.normalize("NFC", heading[1])
            notes = self.script.notes_in(line.text)
            self.found.append(Scene(join_lines(plain_text(heading[0])), line.number, (), number, notes))
        elif self._opens_shot(line, text_only):
            pass
        elif self.block is None and self._is_cue(text_only, following):
            self.block = _Block(line.number, [self._take_pending() + note_marks(line.text)], text_only)
        else:
            self._action(line)

    def _opens_shot(self, line: Line, text_only: str) -> bool:
        """Start a shot within the scene if the line says so; return whether it does."""
        if self.in_montage and (item := listed(line.text)):
            self._close()
            self._action(replace(line, text=item), Framing("item"))
            return True
        if self.block is not None or text_only.startswith(("!", "@")):
            return False
        framing = framing_of(join_lines(plain_text(text_only)))
        if framing is None:
            return False
        self.in_montage = framing.opening == "montage" or (self.in_montage and framing.opening != "return")
        if framing.opening == "return":
            self._passage("transition", line, str, framing)
        else:
            self._action(line, framing)
        return True

    def _one_line_kind(self, text_only: str, following: Line) -> Kind | None:
        """Return the kind of an element of one line, other than a heading; None for any other line."""
        if text_only.startswith("~"):
            return "lyrics"
        if text_only.startswith("=") and not text_only.startswith("=="):
            return "synopsis"
        if text_only.startswith(">"):
            return "centred" if text_only.endswith("<") and len(text_only) > 1 else "transition"
        if self.block is None and following.is_blank and _TRANSITION.fullmatch(plain_text(text_only)):
            return "transition"
        return None

    @staticmethod
    def _is_cue(text_only: str, following: Line) -> bool:
        if following.is_blank or text_only.startswith("!") or len(text_only) > _LONGEST_CUE:
            return False
        name = split_cue(text_only)[0]
        if text_only.startswith("@"):
            return bool(name)
        return name == name.upper() and name.upper() != name.lower()

    def _action(self, line: Line, framing: Framing | None = None) -> None:
        text = line.text.strip()
        if line.text_only.startswith("!"):
            text = text.replace("!", "", 1)
        if self.block is None:
            self.block = _Block(line.number, [self._take_pending() + text], framing=framing)
        else:
            self.block.texts.append(text)

    def _passage(self, kind: Kind, line: Line, strip: Callable[[str], str], framing: Framing | None = None) -> None:
        text = join_lines(plain_text(strip(line.text_only)))
        if text:
            self.found.append(Passage(kind, text, line.number, framing=framing))
        self.found.extend(self.script.notes_in(line.text))

    def _take_pending(self) -> str:
        marks = "".join(self.pending_notes)
        self.pending_notes.clear()
        return marks

    def _close(self) -> None:
        """Complete the current block."""
        block, self.block = self.block, None
        if block is None:
            self.found.extend(self.script.notes_in(self._take_pending()))
        elif block.cue is None:
            self.found.extend(self._paragraph(block))
        else:
            self.found.extend(self._speech(block, block.cue))

    def _paragraph(self, block: _Block) -> Iterator[Element]:
        framing = block.framing
        if framing and len(block.texts) > 1:
            framing = replace(framing, title=False)
        return paragraph(self.script, "\n".join(block.texts), block.line, framing=framing, plain=plain_text)

    def _speech(self, block: _Block, cue: str) -> Iterator[Element]:
        character, extension, dual = split_cue(cue)
        manners: list[str] = []
        said = "\n".join(_without_manner(text, manners) for text in block.texts)
        template = Speech(character, "", block.line, extension, ", ".join(manners), dual)
        return speech(self.script, said, template, plain=plain_text)


_STRIP_MARKERS: Final[dict[Kind, Callable[[str], str]]] = {
    "lyrics": lambda text: text.lstrip("~"),
    "synopsis": lambda text: text.lstrip("="),
    "centred": lambda text: text[1:-1],
    "transition": lambda text: text.removeprefix(">"),
}


def _heading(text_only: str) -> tuple[str, str] | None:
    """Return a heading, also one in bold, and its number."""
    plain = plain_text(text_only)
    return split_heading(text_only) or (split_heading(plain) if plain != text_only else None)


def split_cue(text_only: str) -> tuple[str, str, bool]:
    """Return the name, the extension, and whether the speech is simultaneous with the one before."""
    name = text_only.removeprefix("@").rstrip()
    dual = name.endswith("^")
    name = name.rstrip("^").rstrip()
    extensions: list[str] = []
    while found := _EXTENSION.search(name):
        extensions.insert(0, join_lines(found[1]))
        name = name[: found.start()]
    return join_lines(plain_text(name)), ", ".join(filter(None, extensions)), dual


def _without_manner(text: str, manners: list[str]) -> str:
    """Move the parenthetical at the start of a line of speech to ``manners``; keep the notes in the line."""
    found = _MANNER.match(text)
    if found is None:
        return text.lstrip("~")
    if manner := join_lines(plain_text(without_notes(found[1]))):
        manners.append(manner)
    return note_marks(found[0]) + text[found.end() :]
