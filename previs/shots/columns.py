"""Recognize the columns of a spreadsheet by their names in many languages."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator

from previs.shots.column_names import MORE_NAMES, NAMES, NO_SLIPS, OTHER_NAMES, SECOND_MEANINGS
from previs.text.similar import closest, meant

DELIMITERS = ",;\t"
_LONGEST_NAME = 200  # characters
_LONG_ENOUGH = (5, 7)  # letters for one and for two wrong ones
_LIKE = 0.75  # of words in letters: at 0.6, a client is like a length
_LIKE_SIGNS = 0.6
_LONGEST_HEADER = 100_000  # characters of the first row in which names are looked for
_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"  # as in str.splitlines
_BLANK = re.compile(rf'[{DELIMITERS} "{_BREAKS}]*+')
_REST_OF_LINE = re.compile(rf"[^{_BREAKS}]*+")

_OVERRIDE = re.compile(r"(?:overrides?|覆盖|改写)(?:\s*[:：]\s*|\s+)(.+)", re.IGNORECASE)
_ACCENTS = re.compile("[\u0300-\u036f]")
_IN_FRAMES = re.compile(r"\W(?:frames?|fr|f|帧|幀|コマ)\W*", re.IGNORECASE)
_ALTERNATIVES = re.compile(r"[/／・&＆]")
_LOWEST = 1_000  # rank of a name that is not in the lists itself
_UNIT = re.compile(
    r"[(（\[]\s*(ms|msec|milliseconds?|毫秒|min|mins?|minutes?|分钟?|分鐘?|s|secs?|seconds?|sek|seg|сек|秒钟?|初|초)\.?\s*[)）\]]|"
    r"[,，]\s*(ms|min|мин|s|sec|sek|seg|сек|с)\.?\s*$",
    re.IGNORECASE,
)
_UNITS = {
    **dict.fromkeys(("ms", "mse", "mil", "毫秒"), 0.001),
    **dict.fromkeys(("min", "мин", "分", "分钟", "分鐘"), 60.0),
}
_NUMBER_SIGNS = {"#": "no", "№": "no"}


def plain_name(header: str) -> str:
    """Strip case, accents, spaces, punctuation and brackets from a header: ``Durée (s)`` becomes ``duree``."""
    if len(header) > _LONGEST_NAME:
        return header
    if header in _NUMBER_SIGNS:
        return _NUMBER_SIGNS[header]
    header = _UNIT.sub("", header)
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", header).casefold())
    text = unicodedata.normalize("NFC", _ACCENTS.sub("", text))
    return re.sub(r"\([^()]*+\)|\[[^\[\]]*+\]|[\s_\-#*:.°'/]", "", text)


def _ranks() -> dict[str, tuple[str, int]]:
    """Return the field and the rank of each name; a name of several languages has the rank of the first."""
    found: dict[str, tuple[str, int]] = {}
    rows = (OTHER_NAMES.replace("\n  ", " ") + MORE_NAMES).strip().splitlines()
    others: dict[str, str] = {}
    for field, _, names in (row.partition("|") for row in rows):
        others[field.strip()] = f"{others.get(field.strip(), '')} {names}"
    for field, names in NAMES.items():
        for rank, name in enumerate(f"{names} {others.get(field, '')}".replace("|", " ").split()):
            plain = plain_name(name)
            found.setdefault(plain, (field, rank + _LOWEST * (plain in SECOND_MEANINGS)))
    return found


_RANKS = _ranks()
_USUAL = [plain_name(name) for names in NAMES.values() for name in names.partition("|")[0].split()]
_ENGLISH = list(filter(str.isascii, _USUAL))
_NO_SLIPS = frozenset(NO_SLIPS.split())


def unit_of(header: str) -> float | None:
    """Return the seconds of the unit in a name such as ``Duration (ms)`` or ``Хронометраж, сек``; None without one."""
    found = _UNIT.search(header) if len(header) <= _LONGEST_NAME else None
    return _UNITS.get((found[1] or found[2]).casefold()[:3], 1.0) if found else None


def overridden(header: str) -> str | None:
    """Return the input that a column overrides: ``4.ckpt_name`` for ``override 4.ckpt_name``."""
    found = _OVERRIDE.fullmatch(header) if len(header) <= _LONGEST_NAME else None
    return found[1].strip() if found else None


def known_columns(header: list[str]) -> dict[int, str]:
    """Return the field of each known column, by index; several may hold ``references`` (``reference 1``, ``2``).

    Two columns with the same name are both returned, so that a person decides between them.
    """
    found = {index: known for index, name in enumerate(header) if (known := _known(name))}
    best: dict[str, int] = {}
    for field, rank in found.values():
        best[field] = min(rank, best.get(field, rank))
    chosen = (item for item in found.items() if item[1][0] == "references" or item[1][1] == best[item[1][0]])
    fields = {index: field for index, (field, _) in chosen}
    for index in found.keys() - fields.keys():
        second = SECOND_MEANINGS.get(plain_name(header[index]))
        if second and second not in fields.values():
            fields[index] = second
    return fields


def closest_field(name: str) -> str | None:
    """Return the field whose English or Chinese name is most similar to a name, if it is."""
    if len(name) > _LONGEST_NAME:
        return None
    plain = plain_name(name)
    found = closest(plain, _USUAL, most=1, cutoff=_LIKE if plain.isascii() else _LIKE_SIGNS)
    return _RANKS[found[0]][0] if found else None


def misspelled_column(name: str) -> str | None:
    """Return the known English name of a column that a long enough name must mean, by one or two letters, or None."""
    plain = plain_name(name)
    most = sum(len(plain) >= length for length in _LONG_ENOUGH)
    if not most or len(plain) > _LONGEST_NAME or plain in _RANKS or plain in _NO_SLIPS or not plain.isascii():
        return None
    return meant(plain, _ENGLISH, most=most)


def delimiter_of(text: str, rows: int = 1) -> str | None:
    """Return the delimiter with which one of the first rows that are not blank has known names; None without one."""
    lines = list(first_lines(text, rows))
    counts = {delimiter: max((_count_known(line, delimiter) for line in lines), default=0) for delimiter in DELIMITERS}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    return best if counts[best] > 1 else None


def count_known(names: list[str]) -> int:
    """Return how many fields have a column among those with these names."""
    return len(set(known_columns(names).values()))


def field_of(name: str) -> str | None:
    """Return the field of a column with this name."""
    known = _known(name)
    return known[0] if known else None


def first_lines(text: str, most: int) -> Iterator[str]:
    """Yield the first lines that are not blank, or the start of a very long one, of 100,000 characters in all."""
    end, left = 0, _LONGEST_HEADER
    for _ in range(most):
        blank = _BLANK.match(text, end)
        end = blank.end() if blank else end
        start = max(text.rfind(each, 0, end) for each in _BREAKS) + 1
        line = _REST_OF_LINE.match(text, start, start + left)
        if not line or end >= len(text):
            return
        yield line[0]
        end, left = line.end(), left - len(line[0])
        if not left:
            return


def _count_known(line: str, delimiter: str) -> int:
    cells: Iterable[list[str]] = csv.reader([line], delimiter=delimiter)
    try:
        return count_known(next(iter(cells), []))
    except csv.Error:
        return 0


def _known(header: str) -> tuple[str, int] | None:
    """Return the field and the rank of a name; columns of references may end in a number.

    A name such as ``Dialogue / VO`` has the field of its first known part, or that of shots.
    """
    name = plain_name(header)
    if name == "time" and unit_of(header):
        return "duration", _LOWEST
    if name not in _RANKS and len(header) <= _LONGEST_NAME and len(parts := _ALTERNATIVES.split(header)) > 1:
        fields = [found[0] for part in parts if (found := _RANKS.get(plain_name(part)))]
        return ("shot_id" if "shot_id" in fields else fields[0], _LOWEST) if fields else None
    field, rank = _RANKS.get(name) or _RANKS.get(name.rstrip("0123456789"), ("", 0))
    if field == "duration" and len(header) <= _LONGEST_NAME and _IN_FRAMES.search(header):
        return "frames", 0
    if name in _RANKS:
        return field, rank
    return ("references", 0) if field == "references" and name[-1:].isdigit() else None
