"""Read the sheets of an ``.xlsx`` workbook."""

import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from previs.shots.text import MOST_COLUMNS
from previs.shots.workbook import Archive, Merge, Table, attribute, clock, number_text, whole

_Kind = Literal["date", "time", ""]
_DAY: Final = 86_400
_LONGEST_FORMAT: Final = 255  # Excel's own limit
_LAST_DAY: Final = 2_958_465  # 9999-12-31
_REFERENCE: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_ESCAPE: Final = re.compile("_x(?!D[89A-F])([0-9A-F]{4})_", re.IGNORECASE)  # _x000D_, as XML cannot hold it
_NO_LETTERS: Final = re.compile(r'"[^"]*+"|\\.|[_*].|\[(?!h+\]|m+\]|s+\])[^\]]*+\]', re.IGNORECASE)
_BUILT_IN: Final[dict[int, _Kind]] = {
    **dict.fromkeys((*range(14, 18), 22, *range(27, 37), *range(50, 59)), "date"),
    **dict.fromkeys((*range(18, 22), *range(45, 48)), "time"),
}


def read_xlsx(archive: Archive) -> list[Table]:
    """Return the sheets of a workbook, in their order.

    Raises:
        ShotListFaults: The workbook is damaged or too large.
    """
    book, relations, strings, styles = _Book(), _Relations(), _Strings(), _Styles()
    archive.parse("xl/workbook.xml", book)
    archive.parse("xl/_rels/workbook.xml.rels", relations)
    archive.parse("xl/sharedStrings.xml", strings)
    archive.parse("xl/styles.xml", styles)
    tables, kinds = [], styles.kinds()
    for table, relation in book.sheets:
        target = relations.targets.get(relation, "")
        part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        if "worksheets/" in part:
            sheet = _Sheet(archive, table, strings.texts, kinds, book.since)
            archive.parse(part, sheet)
            table.fill_down(sheet.merges, archive.budget)
            tables.append(table)
    return tables


class _Silent:
    def start(self, name: str, attributes: dict[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def text(self, data: str) -> None: ...


@dataclass
class _Book(_Silent):
    sheets: list[tuple[Table, str]] = field(default_factory=list)
    since: datetime = datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet has no time zones

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "sheet":
            table = Table(attribute(attributes, "name"), hidden=attributes.get("state", "visible") != "visible")
            self.sheets.append((table, next((text for key, text in attributes.items() if key.endswith(" id")), "")))
        elif name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            self.since = datetime(1904, 1, 1)  # noqa: DTZ001 - likewise


@dataclass
class _Relations(_Silent):
    targets: dict[str, str] = field(default_factory=dict)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship":
            self.targets[attributes.get("Id", "")] = attributes.get("Target", "")


@dataclass
class _Strings(_Silent):
    """Collect the shared texts; without furigana, which stand in ``rPh``."""

    texts: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    depth: int = 0
    reads: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - the signature of a handler
        if name == "rPh":
            self.depth += 1
        self.reads = name == "t" and not self.depth

    def end(self, name: str) -> None:
        if name == "rPh":
            self.depth -= 1
        elif name == "si":
            self.texts.append(_unescaped("".join(self.pieces)))
            self.pieces = []
        self.reads = False

    def text(self, data: str) -> None:
        if self.reads:
            self.pieces.append(data)


@dataclass
class _Styles(_Silent):
    formats: dict[int, str] = field(default_factory=dict)
    cells: list[int] = field(default_factory=list)
    is_cells: bool = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            self.formats[whole(attributes.get("numFmtId", ""), -1)] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self.is_cells = True
        elif name == "xf" and self.is_cells:
            self.cells.append(whole(attributes.get("numFmtId", ""), 0))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self.is_cells = False

    def kinds(self) -> list[_Kind]:
        """Return for each style whether its numbers are dates or times."""
        known = _BUILT_IN | {number: _kind_of(code) for number, code in self.formats.items()}
        return [known.get(number, "") for number in self.cells]


def _kind_of(code: str) -> _Kind:
    letters = set(_NO_LETTERS.sub("", code[:_LONGEST_FORMAT].partition(";")[0]).lower())
    if "general" in code.lower():
        return ""
    if letters & set("yd"):
        return "date"
    return "time" if letters & set("hs") else "date" if "m" in letters else ""


class _Sheet:
    def __init__(self, archive: Archive, table: Table, strings: list[str], kinds: list[_Kind], since: datetime) -> None:
        self._archive, self._table, self._strings, self._kinds, self._since = archive, table, strings, kinds, since
        self._row, self._column, self._cells = 0, -1, dict[int, str]()
        self._type, self._style, self._pieces, self._reads, self._phonetic = "", 0, list[str](), False, False
        self.merges: list[Merge] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            _, column = _place(attributes.get("r", ""))
            self._column = self._column + 1 if column is None else column
            self._type, self._style = attributes.get("t", "n"), whole(attributes.get("s", ""), 0)
            self._pieces = []
        elif name == "row":
            self._row = whole(attributes.get("r", ""), self._row + 1)
            self._column, self._cells = -1, {}
        elif name == "mergeCell":
            self._merge(attributes.get("ref", ""))
        elif name == "rPh":
            self._phonetic = True
        self._reads = name == "v" or (name == "t" and not self._phonetic)

    def end(self, name: str) -> None:
        self._reads = False
        if name == "c":
            if self._pieces and self._column < MOST_COLUMNS:
                self._cells[self._column] = self._value("".join(self._pieces)).strip()
        elif name == "row":
            self._table.add(self._row, self._cells, self._archive.budget)
        elif name == "rPh":
            self._phonetic = False

    def text(self, data: str) -> None:
        if self._reads:
            self._pieces.append(data)

    def _merge(self, reference: str) -> None:
        first, _, last = reference.partition(":")
        (top, left), (bottom, _) = _place(first), _place(last)
        if top is not None and left is not None and bottom is not None and bottom > top:
            self.merges.append((top, bottom, left))

    def _value(self, text: str) -> str:
        if self._type == "s":
            index = whole(text, len(self._strings))
            return self._strings[index] if index < len(self._strings) else ""
        if self._type == "b":
            return "TRUE" if text.strip() == "1" else "FALSE"
        return self._number(text) if self._type == "n" else _unescaped(text)

    def _number(self, text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return text
        kind = self._kinds[self._style] if self._style < len(self._kinds) else ""
        if not kind or not math.isfinite(value) or not 0 <= value <= _LAST_DAY:
            return number_text(value) if math.isfinite(value) else text
        if kind == "time" or value < 1:
            return clock(value * _DAY)
        moment = self._since + timedelta(seconds=round(value * _DAY))
        return str(moment.date()) if value.is_integer() else str(moment)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def _place(reference: str) -> tuple[int | None, int | None]:
    """Return the row number and the index of the column of a reference such as ``B12``."""
    found = _REFERENCE.fullmatch(reference)
    if not found:
        return None, None
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return int(found[2]), column - 1
