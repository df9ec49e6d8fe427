"""Shots in the making: what a scene's elements put together before it is worded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from previs.errors import Fault
from previs.screenplay import pace
from previs.screenplay.headings import Setting
from previs.screenplay.models import Note
from previs.screenplay.text import flowing, is_east_asian
from previs.screenplay.wording import framing, joined, looks_of, place_words, speaking
from previs.shots.faults import display_value
from previs.shots.rules import is_blank, same_name

Kind = Literal["establishing", "action", "speech", "dual", "voice"]


@dataclass
class Draft:
    """A shot in the making.

    Attributes:
        kind: what is seen: the place, an action, who speaks, two who speak at once, or the place under a voice.
        asked: the framing that a note asks for; empty for the usual one.
        actions: what happens, in the script's words.
        speakers: who is seen to speak.
        said: what is spoken, line by line, with who speaks it.
        seconds: what a note asks for.
        prompt: what a note asks for, whole.
        looks: of characters, by their names.
        last: who spoke last, with what the cue added: whose words may go on in this shot.
    """

    kind: Kind
    setting: Setting
    style: str
    looks: Mapping[str, str]
    asked: str = ""
    actions: list[str] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    manners: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    references: list[Note] = field(default_factory=list)
    spoken: float = 0.0
    shown: float = 0.0
    seconds: float | None = None
    prompt: str = ""
    last: tuple[str, str] | None = None

    def fields(self, shot_id: str, sequence: str) -> dict[str, Any]:
        """The shot as a shot list has it."""
        shot: dict[str, Any] = {
            "shot_id": shot_id,
            "sequence": sequence,
            "prompt": self.prompt or self._prompt(),
            "duration": self.seconds or pace.on_screen(self.shown, self.spoken),
        }
        if self.references:
            shot["references"] = self._references()
        if notes := "\n".join(filter(None, self.remarks)):
            shot["notes"] = notes
        return shot

    def faults(self) -> list[Fault]:
        """References of the shot that have one name."""
        first: dict[str, int] = {}
        found = []
        for note in self.references:
            name = same_name(note.name)
            if name in first:
                remedy = f"also that of line {first[name]}: each reference of a shot needs its own"
                found.append(Fault(f"line {note.line}", "reference", shown(note.name), remedy))
            elif name:
                first[name] = note.line
        return found

    def _prompt(self) -> str:
        words = flowing("\n".join(self.actions))
        chinese = is_east_asian(words + self.setting.place + self.setting.time + "".join(self.speakers))
        seen = speaking(self.speakers, ", ".join(self.manners), chinese=chinese) if self.speakers else ""
        usual = framing(self.kind, words, chinese=chinese)
        looks = looks_of(f"{words} {' '.join(self.speakers)}", self.looks)
        where = place_words(self.setting, chinese=chinese)
        prompt = joined([self.asked or usual, words, seen, *looks, where, self.style], chinese=chinese)
        return prompt if not is_blank(prompt) else framing("voice", "", chinese=chinese)

    def _references(self) -> list[dict[str, str]]:
        taken = {same_name(note.name) for note in self.references}
        named = []
        for place, note in enumerate(self.references, 1):
            name = note.name or _free(place, taken)
            taken.add(name)
            named.append({"url": note.text, "reference_id": name})
        return named


def _free(place: int, taken: set[str]) -> str:
    while (name := f"ref_{place}") in taken:
        place += 1
    return name
