"""Separate notes and struck-out text ("boneyard") from a script."""

import math
import re
from dataclasses import dataclass, replace
from typing import Final

from previs.errors import Fault
from previs.screenplay.models import Note, NoteKind
from previs.screenplay.text import join_lines
from previs.shots.faults import display_value
from previs.shots.fields import LONGEST_SHOT
from previs.shots.rules import LONGEST_SHOT_ID, is_blank

_OPENS: Final = re.compile(r"\[\[|/\*")
_NOTE_ENDS: Final = re.compile(r"\]\]|\n ?(?=\n)")  # a line of two spaces does not end a note
_NOTE, _BREAK, _STRUCK = "\x00", "\x01", "\x02"  # control characters, which script_text removes from every script
_MARK: Final = re.compile(f"{_NOTE}([0-9]+){_NOTE}")
_KEY: Final = re.compile(r"\s*([^\W\d_]+)\s*[:：](.*)", re.DOTALL)
_KEYS: Final[dict[str, NoteKind]] = {
    "shot": "shot",
    "镜头": "shot",
    "prompt": "prompt",
    "提示词": "prompt",
    "duration": "duration",
    "时长": "duration",
    "style": "style",
    "风格": "style",
    "character": "character",
    "人物": "character",
    "角色": "character",
    "reference": "reference",
    "参考": "reference",
}
_MAY_BE_EMPTY: Final = {"shot", "style"}
_REPEATED: Final = {"style", "character"}
LONGEST_REPEATED: Final = 1_000
TOO_LONG: Final = f"at most {LONGEST_REPEATED} characters, because every prompt that uses it repeats it"
_SECONDS: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(?:s|sec|secs|seconds?|秒)?", re.IGNORECASE)
_NAMED: Final = re.compile(r"([^=:：]+)[=:：](.+)")
_AS: Final = re.compile(r"(\S.*?)(?:\s+(?:as|作为)\s+(\S.*))?")


@dataclass(frozen=True, slots=True)
class Line:
    """Hold a numbered line of a script, with a mark in place of each note, and without struck-out text."""

    number: int
    text: str

    @property
    def text_only(self) -> str:
        """Return the line without its notes."""
        return without_notes(self.text).strip()

    @property
    def is_blank(self) -> bool:
        """Return whether the line has neither text nor a note."""
        return not self.text.strip()


@dataclass(frozen=True, slots=True)
class SplitScript:
    """Hold a script's lines and its notes; the number in a mark is the index of the note."""

    lines: tuple[Line, ...]
    notes: tuple[Note, ...]
    faults: tuple[Fault, ...]

    def parts(self, text: str) -> list[str | Note]:
        """Split a text at its notes; notes before all of the text are flagged as ``ahead``."""
        split = _MARK.split(text)
        texts = [index for index in range(0, len(split), 2) if split[index].strip()]
        first = texts[0] if texts else 0
        parts: list[str | Note] = []
        for index, part in enumerate(split):
            if index % 2:
                parts.append(replace(self.notes[int(part)], ahead=index < first))
            elif part.strip():
                parts.append(part)
        return parts

    def notes_in(self, text: str) -> tuple[Note, ...]:
        """Return the notes of a text."""
        return tuple(self.notes[int(number)] for number in _MARK.findall(text))


def without_notes(text: str) -> str:
    """Remove the marks of notes from a text."""
    return _MARK.sub("", text)


def note_marks(text: str) -> str:
    """Return the marks of a text's notes, without the text."""
    return "".join(mark[0] for mark in _MARK.finditer(text))


def split_notes(text: str, *, line: int = 1) -> SplitScript:
    """Separate notes and struck-out text from a script, or from a part of one that begins at a line."""
    out: list[str] = []
    notes: list[Note] = []
    faults: list[Fault] = []
    first, at = line, 0
    while opened := _OPENS.search(text, at):
        out.append(text[at : opened.start()])
        line += text.count("\n", at, opened.start())
        start, is_note = opened.end(), opened[0] == "[["
        end, closed = _end_of_note(text, start) if is_note else _end_of_struck(text, start)
        breaks = _BREAK * text.count("\n", start, end)
        if not closed:
            faults.append(_not_closed(line, is_note=is_note))
            out.append(breaks)
        elif is_note:
            read = read_note(text[start : end - 2], line)
            if isinstance(read, Note):
                out.append(f"{_NOTE}{len(notes)}{_NOTE}{breaks}")
                notes.append(read)
            else:
                out.append(breaks)
                faults.append(read)
        else:
            out.append(_STRUCK + breaks)
        line, at = line + len(breaks), end
    out.append(text[at:])
    return SplitScript(tuple(_lines("".join(out), first)), tuple(notes), tuple(faults))


def _end_of_note(text: str, start: int) -> tuple[int, bool]:
    found = _NOTE_ENDS.search(text, start)
    if found is None:
        return len(text), False
    return (found.end(), True) if found[0] == "]]" else (found.start(), False)


def _end_of_struck(text: str, start: int) -> tuple[int, bool]:
    end = text.find("*/", start)
    return (end + 2, True) if end >= 0 else (len(text), False)


def _not_closed(line: int, *, is_note: bool) -> Fault:
    if is_note:
        return Fault(f"line {line}", "", "[[", "this note is not closed: put ]] at its end, before the next blank line")
    return Fault(f"line {line}", "", "/*", "this struck-out text is not closed: put */ at its end")


def _lines(text: str, number: int) -> list[Line]:
    lines = []
    for line in text.split("\n"):
        kept = line.replace(_BREAK, "").replace(_STRUCK, "")
        if kept.strip() or _STRUCK not in line:
            lines.append(Line(number, kept))
        number += 1 + line.count(_BREAK)
    return lines


def read_note(text: str, line: int) -> Note | Fault:
    """Read a note as a direction if it begins with a known key, else as a remark."""
    whole = join_lines(text)
    found = _KEY.fullmatch(whole)
    kind = _KEYS.get((found[1] if found else whole).casefold())
    if kind is None or (found is None and kind != "shot"):
        return Note("remark", whole, line)
    value = found[2].strip() if found else ""
    if is_blank(value) and kind not in _MAY_BE_EMPTY:
        return Fault(f"line {line}", kind, "", "this note has nothing after its colon")
    if kind in _REPEATED and len(value) > LONGEST_REPEATED:
        return Fault(f"line {line}", kind, display_value(value), TOO_LONG)
    return _direction(kind, value, line)


def _direction(kind: NoteKind, value: str, line: int) -> Note | Fault:
    match kind:
        case "duration":
            found = _SECONDS.fullmatch(value)
            seconds = float(found[1]) if found else math.nan
            if not 0 < seconds <= LONGEST_SHOT:
                remedy = f"seconds, a number above 0 and at most {LONGEST_SHOT}, such as 4 or 2.5"
                return Fault(f"line {line}", kind, display_value(value), remedy)
            return Note(kind, value, line, seconds=seconds)
        case "character":
            named = _NAMED.fullmatch(value)
            if named is None or is_blank(named[1]) or is_blank(named[2]):
                remedy = "the name and what the character looks like, such as MEI = a girl of ten in a red coat"
                return Fault(f"line {line}", kind, display_value(value), remedy)
            return Note(kind, named[2].strip(), line, name=named[1].strip())
        case "reference":
            split = _AS.fullmatch(value)
            url, name = (split[1], split[2] or "") if split else (value, "")
            if is_blank(url) or (name and is_blank(name)):
                remedy = "a path or URL, such as references/mei.jpg as mei"
                return Fault(f"line {line}", kind, display_value(value), remedy)
            if len(name) > LONGEST_SHOT_ID:
                return Fault(f"line {line}", kind, display_value(name), f"at most {LONGEST_SHOT_ID} characters")
            return Note(kind, url, line, name=name)
        case _:
            return Note(kind, value, line)
