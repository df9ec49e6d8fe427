"""What a screenplay is made of. Lines are counted from 1."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["action", "lyrics", "centred", "transition", "synopsis"]
Asks = Literal["shot", "prompt", "duration", "style", "character", "reference", "remark"]
USUAL_FPS: Final = 24.0


@dataclass(frozen=True, slots=True)
class Note:
    """What stands in double brackets: a direction for a shot, or a remark for people.

    Attributes:
        asks: what it directs.
        text: the direction without its key, or the whole remark.
        name: of the character or reference that it is about.
        seconds: of a duration.
        ahead: whether it stands in a paragraph or speech before the text of it.
    """

    asks: Asks
    text: str
    line: int
    name: str = ""
    seconds: float = 0.0
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph, or the part of one between two notes.

    Attributes:
        continues: whether only a note stands between this and the part before it.
    """

    kind: Kind
    text: str
    line: int
    continues: bool = False


@dataclass(frozen=True, slots=True)
class Speech:
    """What one character says without a break, or the part of it between two notes.

    Attributes:
        character: the name as it stands in the cue.
        extension: what the cue adds in brackets, such as ``V.O.``.
        manner: the parentheticals.
        dual: whether it is spoken at the same time as the speech before it.
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
    """A heading and what follows it up to the next.

    Attributes:
        heading: without its number; empty for what stands before the first heading.
        number: as the script gives it; empty if it gives none.
        notes: what stands in the heading's own line.
    """

    heading: str
    line: int
    elements: tuple[Element, ...]
    number: str = ""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Screenplay:
    """A script that was read without a fault.

    Attributes:
        name: what its faults are told of: a path or address.
        title: of the title page; empty without one.
        style: what the title page has every prompt say.
        fps: frames per second of the film.
    """

    name: str
    title: str
    scenes: tuple[Scene, ...]
    style: str = ""
    fps: float = USUAL_FPS
