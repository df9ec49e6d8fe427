"""Make scenes of the paragraphs of a Final Draft file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from previs.errors import Fault
from previs.screenplay.elements import paragraph, speech
from previs.screenplay.fdx import Paragraph
from previs.screenplay.fountain import split_cue
from previs.screenplay.framings import Framing, framing_of, listed
from previs.screenplay.headings import split_heading
from previs.screenplay.models import USUAL_FPS, Element, Kind, Passage, Scene, Speech
from previs.screenplay.notes import Line, SplitScript, split_notes, without_notes
from previs.screenplay.text import join_lines
from previs.screenplay.title_page import TitlePage, read_title_page

_NOT_PLAYED: Final = {"Cast List", "New Act", "End of Act", "Act Break", "Show/Ep. Title", "Outline Body"}
_REMARKS: Final[dict[str, Kind]] = {"Transition": "transition", "Lyrics": "lyrics", "Singing": "lyrics"}
_OF_SPEECH: Final = {"Dialogue", "Parenthetical", "Lyrics", "Singing"}


def title_page_of(paragraphs: Iterable[Paragraph]) -> TitlePage:
    """Return the title page: its first paragraph is the title; ``Style: …`` and ``FPS: …`` are read anywhere on it."""
    lines: list[Line] = []
    for each in paragraphs:
        text = join_lines(each.text)
        own = read_title_page([Line(each.line, text)])
        if not lines:
            lines.append(Line(each.line, text if own.title else f"Title: {text}"))
        elif own.style or own.faults or own.fps != USUAL_FPS:
            lines.append(Line(each.line, text))
    return read_title_page(lines)


def scenes_of(paragraphs: Sequence[Paragraph], faults: list[Fault]) -> Iterator[Scene]:
    """Yield the scenes; text before the first heading makes a first scene without one. Faults of notes are added."""
    first = paragraphs[0].line if paragraphs else 1
    builder = _Builder(Scene("", first, ()), faults)
    for each in paragraphs:
        if each.kind.startswith("Scene Heading"):  # also "(Top of Page)"
            if scene := builder.ended():
                yield scene
            builder = builder.at(each)
        else:
            builder.take(each)
    if scene := builder.ended():
        yield scene


@dataclass
class _Speech:
    """Hold a speech until another paragraph ends it."""

    template: Speech
    manners: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass
class _Builder:
    """Build the elements of a scene."""

    scene: Scene
    faults: list[Fault]
    elements: list[Element] = field(default_factory=list)
    speech: _Speech | None = None
    in_montage: bool = False

    def at(self, heading: Paragraph) -> "_Builder":
        """Return the builder of the next scene."""
        script, text = self._split(heading.text, heading.line)
        plain = join_lines(without_notes(text))
        found, number = split_heading(plain) or (plain, "")
        scene = Scene(found, heading.line, (), heading.number or number, script.notes)
        return _Builder(scene, self.faults)

    def ended(self) -> Scene | None:
        """Return the scene; None for one without heading and elements."""
        self._end_speech()
        return replace(self.scene, elements=tuple(self.elements)) if self.scene.heading or self.elements else None

    def take(self, each: Paragraph) -> None:
        """Add a paragraph that is no heading."""
        if each.kind == "Character":
            self._end_speech()
            script, text = self._split(each.text, each.line)
            character, extension, dual = split_cue(join_lines(without_notes(text)))
            self.elements.extend(replace(note, ahead=True) for note in script.notes)
            self.speech = _Speech(Speech(character, "", each.line, extension, dual=dual or each.dual))
        elif self.speech and each.kind in _OF_SPEECH:
            if each.kind == "Parenthetical":
                self.speech.manners.append(join_lines(each.text.strip("()（） ")))
            else:
                self.speech.said.append(each.text)
        else:
            self._end_speech()
            for text in each.text.split("\n") if self.in_montage else [each.text]:
                self._passage(replace(each, pieces=[text]))

    def _passage(self, each: Paragraph) -> None:
        script, text = self._split(each.text, each.line)
        if each.kind in _NOT_PLAYED or each.kind.startswith("Outline"):
            self.elements.extend(script.notes)
            return
        plain = join_lines(without_notes(text))
        framing = framing_of(plain)
        if self.in_montage and (item := listed(text)):
            framing, text = Framing("item"), item
        elif framing and framing.opening in ("montage", "return"):
            self.in_montage = framing.opening == "montage"
        kind = _REMARKS.get(each.kind)
        if kind or (framing and framing.opening == "return"):
            self.elements.extend([Passage(kind or "transition", plain, each.line, framing=None if kind else framing)])
            self.elements.extend(script.notes)
            return
        if each.kind == "Shot":
            framing = replace(framing, title=True) if framing else Framing("shot", plain, title=True)
        self.elements.extend(paragraph(script, text, each.line, framing=framing, plain=str))

    def _end_speech(self) -> None:
        pending, self.speech = self.speech, None
        if pending:
            script, said = self._split("\n".join(pending.said), pending.template.line)
            template = replace(pending.template, manner=", ".join(filter(None, pending.manners)))
            self.elements.extend(speech(script, said, template, plain=str))

    def _split(self, text: str, line: int) -> tuple[SplitScript, str]:
        """Return the notes of a text, and the text with their marks."""
        script = split_notes(text, line=line)
        self.faults.extend(script.faults)
        return script, "\n".join(each.text for each in script.lines)
