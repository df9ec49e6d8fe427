"""Reads Fountain, the plain text of screenplays: https://fountain.io/syntax.

What is read beyond it is Chinese: headings such as ``内景 渔港 - 夜``, transitions such as ``切至：``, and brackets and
colons of full width.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from previs.errors import Fault, ShotListFaults
from previs.screenplay.headings import split_heading
from previs.screenplay.models import Element, Kind, Note, Passage, Scene, Screenplay, Speech
from previs.screenplay.notes import Lifted, Line, lift, marks_of, without_notes
from previs.screenplay.text import flowing, plain, script_text
from previs.screenplay.title_page import read_title_page

_LONGEST_CUE: Final = 120
_PAGE_BREAK: Final = re.compile(r"={3,}")
_TRANSITION: Final = re.compile(
    r"[^a-z]*\bTO:|FADE (?:IN|OUT|UP|TO BLACK)[:.]?"
    r"|(?:切至|切到|切换|淡入|淡出|叠化|化入|化出|转场|黑场)[^，,]{0,10}[:：。.]?"
)
_EXTENSION: Final = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*$")
_MANNER: Final = re.compile(r"\s*[(（]([^()（）]*)[)）]\s*")
_NEEDS_SCENE: Final = (
    "there is no scene: a scene begins with a heading such as INT. HARBOUR - NIGHT, or a line that starts with a dot"
)


def read_screenplay(content: bytes, name: str) -> Screenplay:
    """A screenplay from the contents of a Fountain file.

    Args:
        content: UTF-8, or UTF-16 or UTF-32 with a byte order mark.
        name: what faults call the script: its path or address.

    Raises:
        ShotListFaults: every fault, each with its line.
    """
    lifted = lift(script_text(content, name))
    page = read_title_page(lifted.lines)
    scenes = tuple(_scenes(lifted, lifted.lines[page.lines :]))
    faults = [*lifted.faults, *page.faults, *_repeated_numbers(scenes)]
    if not any(scene.heading for scene in scenes):
        faults.append(Fault("the script", "", "" if scenes else "nothing in it", _NEEDS_SCENE))
    if faults:
        raise ShotListFaults(name, tuple(sorted(faults, key=_line_of)))
    return Screenplay(name, page.title, scenes, page.style, page.fps)


def _line_of(fault: Fault) -> int:
    number = fault.place.removeprefix("line ")
    return int(number) if number.isdecimal() else 0


def _repeated_numbers(scenes: Sequence[Scene]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for scene in scenes:
        if scene.number and (line := first.setdefault(scene.number, scene.line)) != scene.line:
            yield Fault(
                f"line {scene.line}",
                "scene number",
                scene.number,
                f"also that of line {line}: each scene needs its own",
            )


def _scenes(lifted: Lifted, lines: Sequence[Line]) -> Iterator[Scene]:
    """Scene by scene; one without a heading comes first, if anything precedes the first heading."""
    scene = Scene("", lines[0].number if lines else 1, ())
    elements: list[Element] = []
    for each in _Reader(lifted, lines).read():
        if not isinstance(each, Scene):
            elements.append(each)
            continue
        if scene.heading or elements:
            yield _with(scene, elements)
        scene, elements = each, []
    if scene.heading or elements:
        yield _with(scene, elements)


def _with(scene: Scene, elements: list[Element]) -> Scene:
    return Scene(scene.heading, scene.line, tuple(elements), scene.number, scene.notes)


@dataclass
class _Block:
    """Lines that are still being gathered: a paragraph of action, or a speech if it has a cue."""

    line: int
    texts: list[str]
    cue: str | None = None


@dataclass
class _Reader:
    """Goes through the lines once; an element is complete when the line after it is known.

    Attributes:
        waiting: marks of notes that stood alone on their lines, with nothing between them and the next line.
    """

    lifted: Lifted
    lines: Sequence[Line]
    block: _Block | None = None
    waiting: str = ""
    found: list[Element | Scene] = field(default_factory=list)

    def read(self) -> Iterator[Element | Scene]:
        for index, line in enumerate(self.lines):
            following = self.lines[index + 1] if index + 1 < len(self.lines) else Line(0, "")
            if line.bare:
                self._take(line, following)
            else:
                self._take_empty(line)
            yield from self.found
            self.found.clear()
        self._close()
        yield from self.found

    def _take_empty(self, line: Line) -> None:
        if not line.is_blank:
            self._add(line.text)
        elif not (self.block and self.block.cue is not None and len(line.text) > 1):
            # A line of two spaces does not end a speech.
            self._close()

    def _add(self, text: str) -> None:
        if self.block:
            self.block.texts.append(text)
        else:
            self.waiting += marks_of(text)

    def _take(self, line: Line, following: Line) -> None:
        bare = line.bare
        if self.block and self.block.cue is not None:
            self.block.texts.append(line.text.strip())
        elif _PAGE_BREAK.fullmatch(bare) or bare.startswith("#"):
            self._close()
            self._notes_of(line)
        elif kind := self._single(bare, following):
            self._close()
            self._passage(kind, line, _MARKS_OF[kind])
        elif heading := self._heading(bare):
            self._close()
            number = unicodedata.normalize("NFC", heading[1])
            notes = self.lifted.notes_in(line.text)
            self.found.append(Scene(flowing(plain(heading[0])), line.number, (), number, notes))
        elif self.block is None and self._is_cue(bare, following):
            self.block = _Block(line.number, [self.waiting + marks_of(line.text)], bare)
            self.waiting = ""
        else:
            self._action(line)

    def _single(self, bare: str, following: Line) -> Kind | None:
        """What the line is if it stands for itself, other than a heading."""
        if bare.startswith("~"):
            return "lyrics"
        if bare.startswith("=") and not bare.startswith("=="):
            return "synopsis"
        if bare.startswith(">"):
            return "centred" if bare.endswith("<") and len(bare) > 1 else "transition"
        if self.block is None and following.is_blank and _TRANSITION.fullmatch(bare):
            return "transition"
        return None

    def _heading(self, bare: str) -> tuple[str, str] | None:
        return split_heading(bare) if self.block is None or bare.startswith(".") else None

    @staticmethod
    def _is_cue(bare: str, following: Line) -> bool:
        if following.is_blank or bare.startswith("!") or len(bare) > _LONGEST_CUE:
            return False
        name = _cue(bare)[0]
        if bare.startswith("@"):
            return bool(name)
        return name == name.upper() and name.upper() != name.lower()

    def _action(self, line: Line) -> None:
        text = line.text.strip()
        if line.bare.startswith("!"):
            text = text.replace("!", "", 1)
        if self.block is None:
            self.block = _Block(line.number, [self.waiting + text])
            self.waiting = ""
        else:
            self.block.texts.append(text)

    def _notes_of(self, line: Line) -> None:
        self.found.extend(self.lifted.notes_in(line.text))

    def _passage(self, kind: Kind, line: Line, strip: Callable[[str], str]) -> None:
        text = flowing(plain(strip(line.bare)))
        if text:
            self.found.append(Passage(kind, text, line.number))
        self._notes_of(line)

    def _close(self) -> None:
        """Put what was gathered among the elements that are complete."""
        block, self.block = self.block, None
        if block is None:
            self.found.extend(self.lifted.notes_in(self.waiting))
            self.waiting = ""
        elif block.cue is None:
            self.found.extend(self._paragraph(block))
        else:
            self.found.extend(self._speech(block, block.cue))

    def _paragraph(self, block: _Block) -> Iterator[Element]:
        continues = False
        for part in self.lifted.parts("\n".join(block.texts)):
            if isinstance(part, Note):
                yield part
            elif text := flowing(plain(part)):
                yield Passage("action", text, block.line, continues=continues)
                continues = True

    def _speech(self, block: _Block, cue: str) -> Iterator[Element]:
        character, extension, dual = _cue(cue)
        manners: list[str] = []
        said = "\n".join(_without_manner(text, manners) for text in block.texts)
        manner = ", ".join(manners)
        parts = self.lifted.parts(said)
        if not any(isinstance(part, str) for part in parts):
            parts = [*parts, ""]
        for part in parts:
            if isinstance(part, Note):
                yield part
            else:
                yield Speech(character, flowing(plain(part)), block.line, extension, manner, dual)


_MARKS_OF: Final[dict[Kind, Callable[[str], str]]] = {
    "lyrics": lambda text: text.lstrip("~"),
    "synopsis": lambda text: text.lstrip("="),
    "centred": lambda text: text[1:-1],
    "transition": lambda text: text.removeprefix(">"),
}


def _cue(bare: str) -> tuple[str, str, bool]:
    """Name, extension, and whether it is spoken at the same time as the speech before."""
    name = bare.removeprefix("@").rstrip()
    dual = name.endswith("^")
    name = name.rstrip("^").rstrip()
    extensions: list[str] = []
    while found := _EXTENSION.search(name):
        extensions.insert(0, flowing(found[1]))
        name = name[: found.start()]
    return flowing(plain(name)), ", ".join(filter(None, extensions)), dual


def _without_manner(text: str, manners: list[str]) -> str:
    """A line of a speech without the parenthetical that it begins with, which is added to the others; notes stay."""
    found = _MANNER.match(text)
    if found is None:
        return text.lstrip("~")
    if manner := flowing(plain(without_notes(found[1]))):
        manners.append(manner)
    return marks_of(found[0]) + text[found.end() :]
