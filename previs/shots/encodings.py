"""Tell the encoding of a sheet that is not UTF-8, by the names of its columns or else by what its letters look like."""

import codecs
import re
from collections.abc import Iterable
from typing import Final

from charset_normalizer import from_bytes

from previs.shots.columns import field_of, first_lines

SPREADSHEET_ENCODINGS: Final = {
    "gb18030": "GB18030",
    "big5hkscs": "Big5",
    "cp932": "Shift-JIS",
    "cp949": "CP949",
    "cp1252": "CP1252",
    "cp1251": "CP1251",
}
"""What Excel writes as "CSV" on machines of other languages, with the names that people know."""

_SAMPLE: Final = 32_000  # bytes
_NOT_ASCII: Final = re.compile(rb"[\x80-\xff]")
_PAIRS: Final = re.compile(rb"[\xa1-\xfe]{2}")
_CHINESE_SHARE: Final = 0.7
_ALIKE: Final = 0.02
_SLIPS: Final = 20
_ROWS: Final = 30
_ZEROS: Final = 0.3
_SAME: Final = {"big5": "big5hkscs", "cp950": "big5hkscs", "shift_jis": "cp932", "euc_kr": "cp949"}


def wide_encoding(content: bytes) -> str | None:
    """Return UTF-16 without a byte order mark, recognized by its zeros; None for anything else."""
    sample = content[:_SAMPLE]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if not sample or max(even, odd) < _ZEROS * len(sample) / 2 or min(even, odd) * 10 > max(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def is_damaged_utf8(content: bytes) -> bool:
    """Return whether nearly all letters of a content are UTF-8."""
    text = _sample(content).decode("utf-8", "surrogateescape")
    wrong = sum("\udc80" <= char <= "\udcff" for char in text)
    right = sum(not char.isascii() for char in text) - wrong
    return right > _SLIPS * wrong


def by_columns(content: bytes) -> str | None:
    """Return the one encoding in which columns have known names that are not ASCII, if it is one."""
    found = {encoding: _known_names(content, encoding) for encoding in SPREADSHEET_ENCODINGS}
    best = max(found.values())
    winners = [encoding for encoding, count in found.items() if count == best]
    return winners[0] if best and len(winners) == 1 else None


def by_letters(content: bytes) -> list[str]:
    """Return the encodings that a content may have, the likeliest first."""
    sample = _sample(content)
    matches = from_bytes(sample, cp_isolation=[*SPREADSHEET_ENCODINGS, *_SAME])
    ranked = [(match.chaos, _SAME.get(match.encoding, match.encoding)) for match in matches]
    alike = [encoding for chaos, encoding in ranked if chaos <= ranked[0][0] + _ALIKE]
    # A few characters fit several encodings; a list that was read as Chinese stays so.
    first = ["gb18030"] if "gb18030" in alike and _has_pairs(sample) else []
    return list(dict.fromkeys((*first, *(encoding for _, encoding in ranked))))


def listed(names: Iterable[str]) -> str:
    """Return names as a text: ``A, B or C``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def _known_names(content: bytes, encoding: str) -> int:
    text = codecs.getincrementaldecoder(encoding)("replace").decode(content[:_SAMPLE])
    rows = (re.split("[,;\t]", line) for line in first_lines(text, _ROWS))
    return max(
        (sum(not name.isascii() and field_of(name.strip(' "')) is not None for name in row) for row in rows), default=0
    )


def _sample(content: bytes) -> bytes:
    start = _NOT_ASCII.search(content)
    at = start.start() if start else 0
    return content[at : at + _SAMPLE]


def _has_pairs(sample: bytes) -> bool:
    """Return whether most bytes that are not ASCII are in pairs, as in Chinese."""
    return 2 * len(_PAIRS.findall(sample)) >= _CHINESE_SHARE * len(_NOT_ASCII.findall(sample))
