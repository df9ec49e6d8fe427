"""From a screenplay to a shot list, by fixed rules; see docs/screenplays.md."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from previs.errors import Fault, ShotListFaults
from previs.screenplay import pace
from previs.screenplay.drafts import Draft, Kind
from previs.screenplay.headings import Setting, setting_of
from previs.screenplay.models import Note, Passage, Scene, Screenplay, Speech
from previs.shots import ShotList, read_shot_list

_MOST_SHOTS: Final = 5_000  # a feature film has one to three thousand
_MOST_TEXT: Final = 10_000_000  # characters, which are 40 MB at most; of a list's file 50 are read
# "OFF" counts where nothing else is said; "off the phone" is somebody who is seen.
_UNSEEN: Final = re.compile(
    r"(?<!\w)(?:V(?:\.\s*)?O|O(?:\.\s*)?[SC]|OFF[\s-]?(?:SCREEN|CAMERA|STAGE)|VOICE[\s-]?OVER)(?!\w)"
    r"|(?:^|[,，、;；/])\s*OFF\s*\.?\s*(?:$|[,，、;；/])"
    r"|画外|旁白|内心",
    re.IGNORECASE | re.ASCII,
)


def make_shot_list(screenplay: Screenplay, *, title: str = "") -> ShotList:
    """The shots of a screenplay: of each scene one that establishes it, then its beats.

    What stands in a scene changes no shot_id of another one: these follow from the scene's number, or else from its
    place among the scenes.

    Args:
        screenplay: as read.
        title: of the list where the script has no title page.

    Raises:
        ShotListFaults: notes that cannot hold for the shots that they are about; or more shots, or more text in them,
            than one list should have.
    """
    making = _Making(style=screenplay.style)
    size = _Size()
    shots: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for sequence, scene in zip(_sequences(screenplay.scenes), screenplay.scenes, strict=True):
        drafts = making.scene(scene)
        faults.extend(fault for draft in drafts for fault in draft.faults())
        size.shots += len(drafts)
        for number, draft in _tens(drafts):
            if size.fault() is None:
                shots.append(draft.fields(f"{sequence}_SH{number:03d}", sequence))
                size.text += len(shots[-1]["prompt"]) + len(shots[-1].get("notes", ""))
    if too_much := size.fault():
        faults.insert(0, too_much)
    if faults:
        raise ShotListFaults(screenplay.name, tuple(faults))
    whole = {"title": screenplay.title or title, "fps": screenplay.fps, "shots": shots}
    return read_shot_list(whole, name=screenplay.name)


@dataclass
class _Size:
    """How large a list becomes: a character of a script may be a shot, and its prompt may repeat a million others."""

    shots: int = 0
    text: int = 0

    def fault(self) -> Fault | None:
        if self.shots > _MOST_SHOTS:
            remedy = f"at most {_MOST_SHOTS:,} can come from one script: split the script"
            return Fault("the script", "", f"{self.shots:,} shots", remedy)
        if self.text > _MOST_TEXT:
            remedy = f"more than {_MOST_TEXT:,} characters: shorten styles and characters, or split the script"
            return Fault("the script", "", "its shots' prompts and notes", remedy)
        return None


def _tens(drafts: list[Draft]) -> Iterator[tuple[int, Draft]]:
    return ((10 * number, draft) for number, draft in enumerate(drafts, 1))


def _sequences(scenes: tuple[Scene, ...]) -> list[str]:
    """A name for each scene: ``SQ`` with the script's number, or else with its place in tens.

    Where both make one name, the later scene's gets an end of its own.
    """
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
class _Making:
    """Goes through the script once.

    Attributes:
        setting: of the scene; none before the first heading.
        looks: what characters look like, as notes have said so far.
        drafts: of the scene.
        waiting: notes for the next shot.
        shot: the note that asks for the next shot, if one does.
        joins: whether a short action may still be added to the last shot.
    """

    style: str
    setting: Setting = field(default_factory=Setting)
    looks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    drafts: list[Draft] = field(default_factory=list)
    waiting: list[Note] = field(default_factory=list)
    shot: Note | None = None
    joins: bool = False

    def scene(self, scene: Scene) -> list[Draft]:
        """The shots of a scene, one at least if it has a heading."""
        self.drafts = []
        if scene.heading:
            self._establish(scene)
        for element in scene.elements:
            match element:
                case Note():
                    self._note(element)
                case Speech():
                    self._speech(element)
                case Passage(kind="action"):
                    self._action(element)
                case Passage():
                    self._remark(element.text)
        self._asked_alone()
        return self.drafts

    def _establish(self, scene: Scene) -> None:
        setting = setting_of(scene.heading)
        before = self.setting.time
        self.setting = replace(setting, time=before) if setting.same_time else setting
        framings = [note for note in scene.notes if note.asks == "shot"]
        self.shot = framings[-1] if framings else None
        draft = self._begin("establishing")
        draft.shown = pace.ESTABLISHING
        for note in scene.notes:
            if note.asks != "shot":
                self._direct(draft, note)

    def _begin(self, kind: Kind) -> Draft:
        """A new shot, with what notes before it asked for."""
        draft = Draft(kind, self.setting, self.style, self.looks, self.shot.text if self.shot else "")
        waiting, self.waiting, self.shot, self.joins = self.waiting, [], None, False
        self.drafts.append(draft)
        for note in waiting:
            self._direct(draft, note)
        return draft

    def _note(self, note: Note) -> None:
        if note.asks == "shot":
            self._asked_alone()
            self.shot = note
        elif note.ahead or self.shot or not self.drafts:
            self.waiting.append(note)
        else:
            self._direct(self.drafts[-1], note)

    def _asked_alone(self) -> None:
        """Make the shot that a note asked for and no text followed."""
        if note := self.shot:
            self._begin("action").shown = pace.action_seconds(note.text)

    def _direct(self, draft: Draft, note: Note) -> None:
        match note.asks:
            case "prompt":
                draft.prompt = note.text
            case "duration":
                draft.seconds = note.seconds
            case "style":
                self.style = draft.style = note.text
            case "character":
                self.looks = draft.looks = MappingProxyType({**self.looks, note.name: note.text})
            case "reference":
                draft.references.append(note)
            case _:
                draft.remarks.append(note.text)

    def _remark(self, text: str) -> None:
        self.joins = False
        if self.drafts:
            self.drafts[-1].remarks.append(text)

    def _action(self, passage: Passage) -> None:
        seconds = pace.action_seconds(passage.text)
        if not self._joins_last(seconds, continues=passage.continues):
            self._begin("action")
        draft = self.drafts[-1]
        draft.actions.append(passage.text)
        draft.shown += seconds
        draft.last = None
        self.joins = True

    def _joins_last(self, seconds: float, *, continues: bool) -> bool:
        """Whether an action belongs to the last shot: only a note divides them, or it is too short to stand alone."""
        if self.shot or not self.drafts or self.drafts[-1].kind != "action":
            return False
        if continues:
            return True
        short = seconds < pace.TOO_SHORT_ALONE and self.drafts[-1].shown + seconds <= pace.LONGEST_ACTION
        return short and self.joins and not self.waiting

    def _speech(self, speech: Speech) -> None:
        unseen = _UNSEEN.search(speech.extension) is not None
        draft = self._shot_of(speech, unseen=unseen)
        heard = pace.speech_seconds(speech.text)
        together = speech.dual and not unseen and draft.kind == "dual"
        draft.spoken = max(draft.spoken, heard) if together else draft.spoken + heard
        if not unseen and speech.character not in draft.speakers:
            draft.speakers.append(speech.character)
        if speech.manner and not unseen and speech.manner not in draft.manners:
            draft.manners.append(speech.manner)
        if speech.text:
            who = f"{speech.character} ({speech.extension})" if speech.extension else speech.character
            draft.remarks.append(f"{who}: {speech.text}")
        draft.last = speech.character, speech.extension
        self.joins = False

    def _shot_of(self, speech: Speech, *, unseen: bool) -> Draft:
        """The shot in which something is said: the last one, if the speaker is not seen or is the one in it already."""
        last = self.drafts[-1] if self.drafts and not self.shot else None
        if last and unseen:
            return last
        if last and not self.waiting:
            if last.kind in {"speech", "dual"} and last.last == (speech.character, speech.extension):
                return last
            if speech.dual and last.kind == "speech":
                last.kind = "dual"
                return last
        return self._begin("voice" if unseen else "speech")
