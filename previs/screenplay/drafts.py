"""Collect the elements of a shot before its prompt is worded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from previs.errors import Fault
from previs.screenplay import pace
from previs.screenplay.framings import Framing, camera_words
from previs.screenplay.headings import Setting
from previs.screenplay.models import Note
from previs.screenplay.text import is_east_asian, join_lines
from previs.screenplay.wording import joined, named_in, place_words, speaking, titled, usual_framing
from previs.shots.cells import with_reference_ids
from previs.shots.faults import display_value
from previs.shots.rules import is_blank, same_name

Kind = Literal["establishing", "action", "speech", "dual", "voice"]


@dataclass(frozen=True, slots=True)
class ScriptLook:
    """Hold what holds for a whole script: its first style, and the first look of each character."""

    style: str
    characters: Mapping[str, str]


@dataclass
class Draft:
    """Collect the elements of one shot.

    Attributes:
        kind: Subject: the place, an action, a speaker, two speakers at once, or the place under a voice.
        looks: Descriptions of characters, by name.
        framing: Framing that a note requests; empty for the usual one.
        opened_by: Framing that the action itself begins with.
        actions: Actions, in the script's words.
        speakers: Characters who are seen speaking.
        manners: Parentheticals of the speakers.
        dialogue: What is said, with the speakers.
        transitions: How the shot goes over to the next.
        remarks: Lines for the shot's notes.
        seconds: Duration that a note requests.
        prompt: Whole prompt that a note requests.
        last_cue: Last speaker and the extension of the cue; the same speaker may continue in this shot.
    """

    kind: Kind
    setting: Setting
    style: str
    looks: Mapping[str, str]
    framing: str = ""
    opened_by: Framing | None = None
    actions: list[str] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    manners: dict[str, None] = field(default_factory=dict)
    dialogue: list[str] = field(default_factory=list)
    transitions: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    references: list[Note] = field(default_factory=list)
    speech_seconds: float = 0.0
    action_seconds: float = 0.0
    seconds: float | None = None
    prompt: str = ""
    last_cue: tuple[str, str] | None = None

    def fields(self, shot_id: str, sequence: str, *, scene: str, look: ScriptLook) -> dict[str, Any]:
        """Return the shot as a shot list represents it.

        Args:
            shot_id: ID of the shot.
            sequence: Name of its sequence.
            scene: The scene's number in the script.
            look: What the list says of style and characters.
        """
        shot: dict[str, Any] = {
            "shot_id": shot_id,
            "sequence": sequence,
            "prompt": self.prompt or self._prompt(),
            "duration": self.seconds or pace.on_screen(self.action_seconds, self.speech_seconds),
        }
        chinese = self._is_chinese()
        framing = ",".join(filter(None, [self.framing, self.opened_by.words if self.opened_by else ""]))
        film = {
            "description": joined([self._actions(), self._seen()], chinese=chinese)
            if self.speakers
            else self._actions(),
            "camera": camera_words(framing, chinese=chinese),
            "dialogue": "\n".join(self.dialogue),
            "scene": scene,
            "location": place_words(replace(self.setting, time=""), chinese=chinese),
            "time_of_day": self.setting.time,
            "transition": "\n".join(self.transitions),
            "notes": "\n".join(filter(None, self.remarks)),
            **self._look(look),
        }
        shot |= {name: value for name, value in film.items() if value}
        if self.references:
            shot["references"] = with_reference_ids([(note.name, note.text) for note in self.references])
        return shot

    def _look(self, whole: ScriptLook) -> dict[str, Any]:
        """Return the shot's cast, and where its looks differ from those of the whole script."""
        described = list(named_in(f"{self._actions()} {' '.join(self.speakers)}", whole.characters))
        if self.prompt:  # it is the whole prompt
            described = []
        others = (name for name in map(titled, self.speakers) if name not in whole.characters)
        own = {name: self.looks.get(name, whole.characters[name]) for name in described}
        style = "" if self.prompt else self.style
        return {
            "cast": [*described, *others],
            "characters": {name: look for name, look in own.items() if look != whole.characters[name]},
            "style": {"after": style} if style != whole.style else None,
        }

    def faults(self) -> list[Fault]:
        """Return a fault for each repeated reference name."""
        first: dict[str, int] = {}
        found = []
        for note in self.references:
            name = same_name(note.name)
            if name in first:
                remedy = f"line {first[name]} has the same: each reference of a shot needs its own"
                found.append(Fault(f"line {note.line}", "reference", display_value(note.name), remedy))
            elif name:
                first[name] = note.line
        return found

    def _is_chinese(self) -> bool:
        """Return whether the words of the shot are to be Chinese."""
        return is_east_asian("".join([*self.actions, self.setting.place, self.setting.time, *self.speakers]))

    def _actions(self) -> str:
        return join_lines("\n".join(self.actions))

    def _seen(self) -> str:
        """Return who speaks, and how; empty if nobody does."""
        manner = ", ".join(self.manners)
        return speaking(self.speakers, manner, chinese=self._is_chinese()) if self.speakers else ""

    def _prompt(self) -> str:
        words, chinese = self._actions(), self._is_chinese()
        usual = usual_framing(self.kind, words, chinese=chinese)
        if self.opened_by and self.opened_by.opening == "shot":
            usual = ""
        where = place_words(self.setting, chinese=chinese)
        prompt = joined([self.framing or usual, words, self._seen(), where], chinese=chinese)
        return prompt if not is_blank(prompt) else usual_framing("voice", "", chinese=chinese)
