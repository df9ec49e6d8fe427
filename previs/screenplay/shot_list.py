"""Derive a shot list from a screenplay by fixed rules; see docs/screenplays.md."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, Literal

from previs.errors import Fault, ShotListFaults
from previs.screenplay import pace
from previs.screenplay.drafts import Draft, Kind, ScriptLook
from previs.screenplay.headings import Setting, is_omitted, setting_of
from previs.screenplay.models import Note, Passage, Scene, Screenplay, Speech
from previs.screenplay.text import is_east_asian
from previs.screenplay.wording import titled
from previs.shots import ShotList, read_shot_list

_MOST_SHOTS: Final = 5_000  # a feature film has one to three thousand
_MOST_CHARACTERS: Final = 500  # each is looked for in each later prompt
_MOST_TEXT: Final = 10_000_000  # characters: at most 40 MB; a list's file may have 50
# "OFF" counts only on its own: in "off the phone" the speaker is seen.
_UNSEEN: Final = re.compile(
    r"(?<!\w)(?:V(?:\.\s*)?O|O(?:\.\s*)?[SC]|OFF[\s-]?(?:SCREEN|CAMERA|STAGE)|VOICE[\s-]?OVER)(?!\w)"
    r"|(?:^|[,，、;；/])\s*OFF\s*\.?\s*(?:$|[,，、;；/])"
    r"|画外|旁白|内心",
    re.IGNORECASE | re.ASCII,
)


def make_shot_list(screenplay: Screenplay, *, title: str = "") -> ShotList:
    """Return the shots of a screenplay: one that establishes each scene, then the scene's beats.

    A change in one scene changes no shot_id of another: a shot_id starts with the scene's number in the script, or else
    with its position among the scenes. ``title`` is the list's title if the script has no title page.

    Raises:
        ShotListFaults: Notes cannot apply to their shots; or the list would have too many shots or too much text.
    """
    builder = _Builder(style=screenplay.style)
    size = _Size()
    shots: list[dict[str, Any]] = []
    faults: list[Fault] = []
    look = ScriptLook(screenplay.style, _first_looks(screenplay.scenes))
    for sequence, scene in zip(_sequences(screenplay.scenes), screenplay.scenes, strict=True):
        drafts = builder.scene(scene)
        faults.extend(fault for draft in drafts for fault in draft.faults())
        size.shots += len(drafts)
        for number, draft in enumerate(drafts, 1):
            if size.fault() is None and len(builder.looks) <= _MOST_CHARACTERS:
                shots.append(draft.fields(f"{sequence}_SH{10 * number:03d}", sequence, scene=scene.number, look=look))
                size.text += _length(shots[-1], look)
    if len(builder.looks) > _MOST_CHARACTERS:
        remedy = f"at most {_MOST_CHARACTERS} characters can be described in one script: split the script"
        faults.insert(0, Fault("the script", "character", f"more than {_MOST_CHARACTERS}", remedy))
    if oversize := size.fault():
        faults.insert(0, oversize)
    if faults:
        raise ShotListFaults(screenplay.name, tuple(faults))
    looks = {"style": look.style or None, "characters": look.characters or None}
    whole = {"title": screenplay.title or title, "fps": screenplay.fps, **looks, "shots": shots}
    return read_shot_list({name: value for name, value in whole.items() if value is not None}, name=screenplay.name)


def _length(shot: Mapping[str, Any], look: ScriptLook) -> int:
    """Return the number of characters in a shot's texts and in the looks that go into its prompt."""
    texts = [value for value in shot.values() if isinstance(value, str)]
    described = sum(len(look.characters.get(name, "")) for name in shot.get("cast", ()))
    return sum(map(len, texts)) + described + len(look.style)


def _first_looks(scenes: tuple[Scene, ...]) -> dict[str, str]:
    """Return the first description of each character in the script, by name."""
    found: dict[str, str] = {}
    for scene in scenes:
        for each in (*scene.notes, *scene.elements):
            if isinstance(each, Note) and each.kind == "character":
                found.setdefault(titled(each.name), each.text)
    return dict(islice(found.items(), _MOST_CHARACTERS))


@dataclass
class _Size:
    """Count shots and text: one character of a script may make a shot, and one style may repeat in every prompt."""

    shots: int = 0
    text: int = 0

    def fault(self) -> Fault | None:
        if self.shots > _MOST_SHOTS:
            remedy = f"at most {_MOST_SHOTS:,} can come from one script: split the script"
            return Fault("the script", "", f"{self.shots:,} shots", remedy)
        if self.text > _MOST_TEXT:
            remedy = f"over {_MOST_TEXT:,} characters: shorten styles and characters, or split the script"
            return Fault("the script", "", "its shots' prompts and other texts", remedy)
        return None


def _sequences(scenes: tuple[Scene, ...]) -> list[str]:
    """Return a unique name for each scene: ``SQ`` with its number in the script, or else its position in tens."""
    names: dict[str, None] = {}
    place = 0
    for scene in scenes:
        place += bool(scene.heading)
        name = f"SQ{scene.number}" if scene.number else f"SQ{10 * place:03d}"
        while name in names:
            name += "_2"
        names[name] = None
    return list(names)


@dataclass
class _Builder:
    """Build the shots in one pass over the script.

    Attributes:
        setting: Setting of the scene; empty before the first heading.
        looks: Descriptions of characters from the notes so far.
        drafts: Shots of the scene.
        pending_notes: Notes for the next shot.
        requested_shot: Note that requests the next shot, if any.
        accepts: Which action may still join the last shot.
    """

    style: str
    setting: Setting = field(default_factory=Setting)
    looks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    drafts: list[Draft] = field(default_factory=list)
    pending_notes: list[Note] = field(default_factory=list)
    requested_shot: Note | None = None
    accepts: Literal["nothing", "short", "any"] = "nothing"

    def scene(self, scene: Scene) -> list[Draft]:
        """Return the shots of a scene: at least one if it has a heading, other than OMITTED."""
        self.drafts = []
        if scene.heading and not is_omitted(scene.heading):
            self._start_scene(scene)
        for element in scene.elements:
            match element:
                case Note():
                    self._note(element)
                case Speech():
                    self._speech(element)
                case Passage(kind="action"):
                    self._action(element)
                case Passage():
                    self._remark(element)
        self._start_requested_shot()
        return self.drafts

    def _start_scene(self, scene: Scene) -> None:
        setting = setting_of(scene.heading)
        before = self.setting.time
        self.setting = replace(setting, time=before) if setting.same_time else setting
        framings = [note for note in scene.notes if note.kind == "shot"]
        self.requested_shot = framings[-1] if framings else None
        draft = self._begin("establishing")
        draft.action_seconds = pace.ESTABLISHING
        for note in scene.notes:
            if note.kind != "shot":
                self._direct(draft, note)

    def _begin(self, kind: Kind) -> Draft:
        """Start a shot, and apply the notes before it."""
        framing = self.requested_shot.text if self.requested_shot else ""
        if len(self.drafts) > _MOST_SHOTS:
            self.drafts[-1].looks = {}  # it is counted only
        draft = Draft(kind, self.setting, self.style, self.looks, framing)
        notes, self.pending_notes, self.requested_shot, self.accepts = self.pending_notes, [], None, "nothing"
        self.drafts.append(draft)
        for note in notes:
            self._direct(draft, note)
        return draft

    def _note(self, note: Note) -> None:
        if note.kind == "shot":
            self._start_requested_shot()
            self.requested_shot = note
        elif note.ahead or self.requested_shot or not self.drafts:
            self.pending_notes.append(note)
        else:
            self._direct(self.drafts[-1], note)

    def _start_requested_shot(self) -> None:
        """Start the shot that a note requests if no text followed the note."""
        if note := self.requested_shot:
            self._begin("action").action_seconds = pace.action_seconds(note.text)

    def _direct(self, draft: Draft, note: Note) -> None:
        match note.kind:
            case "prompt":
                draft.prompt = note.text
            case "duration":
                draft.seconds = note.seconds
            case "style":
                self.style = draft.style = note.text
            case "character" if len(self.looks) <= _MOST_CHARACTERS:
                self.looks = draft.looks = MappingProxyType({**self.looks, titled(note.name): note.text})
            case "reference":
                draft.references.append(note)
            case "character":
                pass  # make_shot_list reports that there are too many
            case _:
                draft.remarks.append(note.text)

    def _remark(self, passage: Passage) -> None:
        self.accepts = "nothing"
        if not self.drafts:
            return
        draft = self.drafts[-1]
        if passage.kind == "transition" and not passage.framing:
            draft.transitions.append(passage.text)
        else:
            draft.remarks.append(passage.text)
        if passage.framing:
            draft.last_cue = None

    def _action(self, passage: Passage) -> None:
        seconds = pace.action_seconds(passage.text)
        framing = passage.framing
        if framing and framing.opening == "item" and self._is_title_of_montage():
            self.drafts[-1].remarks.append(self.drafts[-1].actions.pop())
            self.drafts[-1].action_seconds, self.drafts[-1].opened_by = 0.0, framing
        elif framing or not self._belongs_to_last(seconds, continues=passage.continues):
            self._begin("action").opened_by = framing
        draft = self.drafts[-1]
        if draft.actions and self.accepts == "any" and is_east_asian(draft.actions[-1][-1]):
            draft.actions[-1] += "，"  # a title has no full stop, and Chinese lines are joined without a space
        draft.actions.append(passage.text)
        draft.action_seconds += seconds
        draft.last_cue = None
        self.accepts = "any" if framing and framing.title else "short"

    def _is_title_of_montage(self) -> bool:
        """Return whether the last shot is the title of a montage alone, such as ``MONTAGE - THE STORM``."""
        opened_by = self.drafts[-1].opened_by if self.drafts else None
        return bool(opened_by and opened_by.opening == "montage" and self.accepts == "any") and not self.requested_shot

    def _belongs_to_last(self, seconds: float, *, continues: bool) -> bool:
        """Return whether an action belongs to the last shot: it continues it, or is too short for a shot of its own."""
        if self.requested_shot or not self.drafts or self.drafts[-1].kind != "action":
            return False
        if continues:
            return True
        short = seconds < pace.TOO_SHORT_ALONE and self.drafts[-1].action_seconds + seconds <= pace.LONGEST_ACTION
        return (self.accepts == "any" or (short and self.accepts == "short")) and not self.pending_notes

    def _speech(self, speech: Speech) -> None:
        unseen = _UNSEEN.search(speech.extension) is not None
        draft = self._draft_for(speech, unseen=unseen)
        seconds = pace.speech_seconds(speech.text)
        together = speech.dual and not unseen and draft.kind == "dual"
        draft.speech_seconds = max(draft.speech_seconds, seconds) if together else draft.speech_seconds + seconds
        if not unseen and speech.character not in draft.speakers:
            draft.speakers.append(speech.character)
        if speech.manner and not unseen:
            draft.manners[speech.manner] = None
        if speech.text:
            who = f"{speech.character} ({speech.extension})" if speech.extension else speech.character
            draft.dialogue.append(f"{who}: {speech.text}")
        draft.last_cue = speech.character, speech.extension
        self.accepts = "nothing"

    def _draft_for(self, speech: Speech, *, unseen: bool) -> Draft:
        """Return the shot of a speech: the last one if the speaker is unseen or already in it, else a new one."""
        last = self.drafts[-1] if self.drafts and not self.requested_shot else None
        if last and unseen:
            return last
        if last and not self.pending_notes:
            if last.kind in {"speech", "dual"} and last.last_cue == (speech.character, speech.extension):
                return last
            if speech.dual and last.kind == "speech":
                last.kind = "dual"
                return last
        return self._begin("voice" if unseen else "speech")
