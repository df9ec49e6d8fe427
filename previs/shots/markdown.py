"""Find a shot list in Markdown: a table, or a fenced block such as language models write, with words around it."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from previs.shots.columns import known_columns
from previs.shots.text import MOST_VALUES, Notation, fault, notation_by_content, too_many_values

_FENCE: Final = re.compile(r"^(`{3,}+|~{3,}+)[ \t]*+([\w+-]*+)[^`\n]*+$", re.MULTILINE)
_OF_LISTS: Final[dict[str, Notation | None]] = {
    **dict.fromkeys(("", "text", "txt", "markdown", "md")),
    **dict.fromkeys(("json", "json5", "jsonc", "jsonl", "ndjson"), "json"),
    "yaml": "yaml",
    "yml": "yaml",
    "csv": "csv",
    "tsv": "csv",
}
_RULE: Final = re.compile(r"^\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)++\|?[ \t]*+\r?$", re.MULTILINE)
_CELL_ENDS: Final = re.compile(r"(?<!\\)\|")
_BREAK: Final = re.compile(r"<br ?/?>", re.IGNORECASE)
_MARKED: Final = re.compile(r"(\*\*|__|`|\*)(?=\S)([^*`]+)(?<=\S)\1")
_FEW: Final = 2


@dataclass(frozen=True, slots=True)
class _Block:
    """Hold a fenced block; blank lines before ``text`` give its lines the numbers that they have in the file."""

    text: str
    line: int
    notation: Notation | None
    fences: int


def unwrapped(text: str, expected: Notation | None, name: str) -> tuple[str, Notation, tuple[str, ...]]:
    """Return a list without the Markdown around it, its notation, and sentences on what is left out.

    A table becomes CSV.

    A fence counts at the start of a line, where neither JSON nor YAML can have one. A table counts if its columns are
    those of shots, and nothing says that the text is in another notation.

    Raises:
        ShotListFaults: Several blocks or tables may be the list.
    """
    notation = expected or notation_by_content(text)
    if notation == "csv":
        return text, notation, ()
    notices: tuple[str, ...] = ()
    if block := _fenced(text, name):
        if expected is None and _has_table(text) and not _has_table(block.text):
            remedy = "this fenced block and a table of the text may both be the list: leave the one with the shots"
            raise fault(name, f"line {block.line}", remedy)
        notices = _left_out(_filled(text) - _filled(block.text) - block.fences)
        text, expected = block.text, block.notation
        notation = expected or notation_by_content(text)
    if expected is None and notation == "yaml" and _RULE.search(text):
        table, used = _table_as_csv(text, name)
        return table, "csv", (*notices, *_left_out(_filled(text) - used))
    return text, notation, notices


def _filled(text: str) -> int:
    """Count the lines that are not blank."""
    return sum(1 for line in text.split("\n") if line.strip())


def _left_out(lines: int) -> tuple[str, ...]:
    count = "1 line around the list is" if lines == 1 else f"{lines:,} lines around the list are"
    return (f"{count} not used",) if lines > 0 else ()


def _has_table(text: str) -> bool:
    return _RULE.search(text) is not None and next(_tables(text.split("\n")), None) is not None


def _fenced(text: str, name: str) -> _Block | None:
    """Return the fenced block that may be a list; one of another language, such as ``python``, is passed over."""
    blocks = list(_blocks(text)) if "```" in text or "~~~" in text else []
    if len(blocks) > 1:
        lines = " and ".join(f"line {block.line}" for block in blocks[:_FEW])
        remedy = "several fenced blocks may be the list: leave the one with the shots, or join them"
        raise fault(name, lines, remedy, value=f"{len(blocks)} blocks")
    return blocks[0] if blocks else None


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the blocks with a text; one without an end goes to the end of the text."""
    at, line = 0, 1
    while opened := _FENCE.search(text, at):
        start = min(opened.end() + 1, len(text))
        fence = rf"^{opened[1][0]}{{{len(opened[1])},}}+[ \t]*+\r?$"
        closed = re.compile(fence, re.MULTILINE).search(text, start)
        end, after = (closed.start(), closed.end()) if closed else (len(text), len(text))
        line += text.count("\n", at, opened.start())
        language = opened[2].casefold()
        if language in _OF_LISTS and text[start:end].strip():
            yield _Block("\n" * line + text[start:end], line, _OF_LISTS[language], 2 if closed else 1)
        line += text.count("\n", opened.start(), after)
        at = after


def _table_as_csv(text: str, name: str) -> tuple[str, int]:
    """Return the tables of shots in a Markdown text as CSV, each row on its own line, and the number of their lines.

    Later tables with the same columns continue the first; other tables and words are left out.

    Raises:
        ShotListFaults: No table is one of shots; a later one has other columns; or there are too many cells.
    """
    if text.count("|") > MOST_VALUES:
        raise too_many_values(name)
    lines = text.split("\n")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    first: list[str] = []
    written = used = 0
    for start, rows in _tables(lines):
        if first and _plain(rows[0]) != _plain(first):
            place = f"line {start + 1}"
            remedy = "a second table of shots with other columns than the first: give both the same, or make two lists"
            raise fault(name, place, remedy, value=" | ".join(rows[0])[:60])
        out.write("\n" * (start - written))
        for index, row in enumerate(rows):
            if index == 1 or (first and index == 0):
                out.write("\n")
            else:
                writer.writerow(row if index else [" ".join(cell.split()) for cell in row])
        first, written = first or rows[0], start + len(rows)
        used += len(rows)
    if not first:
        remedy = "no table here has two known columns, such as shot_id, prompt and duration: name its columns so"
        raise fault(name, "the file", remedy, value="Markdown")
    return out.getvalue(), used


def _plain(cells: list[str]) -> list[str]:
    return [cell.casefold() for cell in cells]


def _tables(lines: list[str]) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield the index of each table of shots, and its rows: the header, the line below it, and the others."""
    index = 0
    while index + 1 < len(lines):
        header = lines[index]
        if "|" not in header or header[0].isspace() or not _RULE.fullmatch(lines[index + 1]):
            index += 1
            continue
        end = index + 2
        while end < len(lines) and "|" in lines[end]:
            end += 1
        if len(set(known_columns(_cells(header)).values())) > 1:
            yield index, [_cells(line) for line in lines[index:end]]
        index = end


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|")
    if inner.endswith("|") and not inner.endswith("\\|"):
        inner = inner[:-1]
    return [_cell(cell) for cell in _CELL_ENDS.split(inner)]


def _cell(cell: str) -> str:
    """Return a cell without Markdown's marks: escaped bars, breaks, and emphasis around the whole of it."""
    text = _BREAK.sub("\n", cell.replace("\\|", "|").strip())
    while found := _MARKED.fullmatch(text):
        text = found[2]
    return text
