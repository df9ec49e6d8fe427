"""Define the parts of a screenplay. Line numbers start at 1."""

from dataclasses import dataclass
from typing import Final, Literal

from previs.screenplay.framings import Framing

Kind = Literal["action", "lyrics", "centred", "transition", "synopsis"]
NoteKind = Literal["shot", "prompt", "duration", "style", "character", "reference", "remark"]
USUAL_FPS: Final = 24.0


@dataclass(frozen=True, slots=True)
class Note:
    """Hold a note in double brackets: a direction for a shot, or a remark for people.

    Attributes:
        kind: Subject of the direction, or ``remark``.
        text: Direction without its key, or the whole remark.
        name: Name of the character or reference.
        seconds: Duration in seconds.
        ahead: Whether the note precedes the text of its paragraph or speech.
    """

    kind: NoteKind
    text: str
    line: int
    name: str = ""
    seconds: float = 0.0
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """Hold a paragraph, or a part of one.

    Attributes:
        continues: Whether only a note separates it from the part before.
        framing: What it starts within its scene, if it does.
    """

    kind: Kind
    text: str
    line: int
    continues: bool = False
    framing: Framing | None = None


@dataclass(frozen=True, slots=True)
class Speech:
    """Hold one character's speech, or a part of it between two notes.

    Attributes:
        character: Name as written in the cue.
        extension: Addition to the cue in brackets, such as ``V.O.``.
        manner: Parentheticals.
        dual: Whether the speech is simultaneous with the one before.
    """

    character: str
    text: str
    line: int
    extension: str = ""
    manner: str = ""
    dual: bool = False


Element = Passage | Speech | Note


@dataclass(frozen=True, slots=True)
class Scene:
    """Hold a heading and the elements up to the next heading.

    Attributes:
        heading: Heading without its number; empty for the text before the first heading.
        number: Number in the script; empty without one.
        notes: Notes in the line of the heading.
    """

    heading: str
    line: int
    elements: tuple[Element, ...]
    number: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Screenplay:
    """Hold a script without faults.

    Attributes:
        name: Name of the script in faults: a path or URL.
        title: Title on the title page; empty without one.
        style: Style on the title page, which every prompt repeats.
        fps: Frames per second of the film.
    """

    name: str
    title: str
    scenes: tuple[Scene, ...]
    style: str = ""
    fps: float = USUAL_FPS
