"""Read the paragraphs of a Final Draft file (.fdx): XML, of which declarations of document types are refused."""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from previs.comfyui.protocol.documents import describe_document
from previs.screenplay.text import LARGEST, decoded
from previs.shots.text import encoding_of, fault

LARGEST_FILE: Final = 20_000_000  # bytes: the markup of a long script takes five times as many as its text
_SCRIPT: Final = ("FinalDraft", "Content", "Paragraph")
_DUAL: Final = (*_SCRIPT, "DualDialogue", "Paragraph")
_TITLE: Final = ("FinalDraft", "TitlePage", "Content", "Paragraph")
_NOTE: Final = ("ScriptNote", "Paragraph", "Text")
_DEEPEST: Final = len(_DUAL) + len(_NOTE)
_START: Final = 1_000


@dataclass
class Paragraph:
    """Hold a paragraph of a script.

    Attributes:
        kind: Type in Final Draft, such as ``Scene Heading``; ``Title Page`` for one of the title page.
        number: Number of a scene.
        dual: Whether it is part of the second of two simultaneous speeches.
        pieces: Parts of its text, with notes in double brackets and without struck-out text.
    """

    kind: str
    line: int
    number: str = ""
    dual: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the text without blanks around it."""
        return "".join(self.pieces).strip()


def is_xml(content: bytes) -> bool:
    """Return whether a script begins as a Final Draft file, or other XML, does."""
    encoding, mark = encoding_of(content)
    start = content[len(mark) : len(mark) + _START].decode(encoding, errors="replace")
    return start.lstrip().startswith(("<?xml", "<FinalDraft"))


def read_paragraphs(content: bytes, name: str) -> list[Paragraph]:
    """Return the paragraphs of the script and its title page that have a text, in their order.

    Raises:
        ShotListFaults: The file is too large, not XML, not Final Draft's, or declares a document type.
    """
    if len(content) > LARGEST_FILE:
        remedy = f"at most {LARGEST_FILE // 1_000_000} MB are read: split the script"
        raise fault(name, "the script", remedy, value="too large")
    collector = _Collector(content, name)
    try:
        # A text, so that the encoding that the file names is not looked up.
        collector.parser.Parse(decoded(content, name), True)  # noqa: FBT003 - the method has no keywords
    except expat.ExpatError as error:
        remedy = "this is not valid XML: save the script in Final Draft again"
        raise fault(name, f"line {error.lineno}", remedy, value=expat.ErrorString(error.code) or "") from error
    return collector.paragraphs


class _Collector:
    """Collect paragraphs from the events of the parser."""

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        self.content = content
        self.paragraphs: list[Paragraph] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self._path: list[str] = []
        self._open: list[Paragraph] = []
        self._speakers = 0
        self._struck = False
        self._size = 0

    def _refuse(self, *_: object) -> None:
        remedy = "a script needs none: save it in Final Draft again"
        raise fault(self.name, self._line(), remedy, value="a document type declaration")

    def _line(self) -> str:
        return f"line {self.parser.CurrentLineNumber}"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != "FinalDraft":
            remedy = "XML, but not of Final Draft: save the script as .fdx, or as Fountain (plain text)"
            raise fault(self.name, "the script", remedy, value=describe_document(self.content))
        self._path.append(tag)
        path = self._known_path()
        if path in (_SCRIPT, _DUAL, _TITLE):
            kind = attributes.get("Type", "") if path != _TITLE else "Title Page"
            self._speakers += path == _DUAL and kind == "Character"
            dual = path == _DUAL and self._speakers > 1
            number = attributes.get("Number", "").strip()
            self._open.append(Paragraph(kind, self.parser.CurrentLineNumber, number, dual))
        elif tag == "DualDialogue":
            self._speakers = 0
        elif tag == "Text":
            self._struck = "Strikeout" in attributes.get("Style", "")
        elif path and self._is_note(path):
            self._add("[[")

    def _end(self, _: str) -> None:
        path = self._known_path()
        if path in (_SCRIPT, _DUAL, _TITLE):
            done = self._open.pop()
            if done.text:
                self.paragraphs.append(done)
        elif path and self._is_note(path):
            self._add("]]")
        self._path.pop()

    def _text(self, data: str) -> None:
        path = self._known_path()
        if path is None or path[-1] != "Text" or not self._open or self._struck:
            return
        if path[:-1] in (_SCRIPT, _DUAL, _TITLE):
            self._add(data)
        elif path[-3:] == _NOTE and self._is_note(path[:-2]):
            self._add(" ".join(data.replace("]]", "] ]").split("\n")))

    def _add(self, data: str) -> None:
        self._size += len(data)
        if self._size > LARGEST:
            remedy = f"at most {LARGEST:,} characters are read: split the script"
            raise fault(self.name, "the script", remedy, value="too large")
        self._open[-1].pieces.append(data.replace("\t", " "))

    def _known_path(self) -> tuple[str, ...] | None:
        return tuple(self._path) if len(self._path) <= _DEEPEST else None

    @staticmethod
    def _is_note(path: tuple[str, ...]) -> bool:
        return path[-1] == "ScriptNote" and path[:-1] in (_SCRIPT, _DUAL)
