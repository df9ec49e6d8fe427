"""Check the texts, ids and unknown fields of a shot list against rules that types cannot express.

Each check raises ``PydanticCustomError``, so it applies wherever the models are used: for a file, for a flow's
parameters and in Python.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator

from pydantic import JsonValue
from pydantic_core import PydanticCustomError

LONGEST_SHOT_ID = 200
DEEPEST = 60
_LARGEST_NUMBER = 10**300
_SURROGATE = re.compile("[\ud800-\udfff]")
_INVISIBLE = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
_BREAK = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # categories Cc, Zl, Zp and Cs


def is_blank(text: str) -> bool:
    """Return whether a text has no visible character."""
    return all(unicodedata.category(char) in _INVISIBLE for char in text.strip())


def has_breaks(text: str) -> bool:
    """Return whether a text contains control characters, line breaks or halves of a surrogate pair."""
    return _BREAK.search(text) is not None


def usable_shot_id(value: object) -> object:
    """Refuse a value that cannot be a shot_id; an integer stays an integer and text stays text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("shot_id", "a shot_id is a whole number or text")
    if isinstance(value, int):
        if abs(value) >= 10**LONGEST_SHOT_ID:
            raise PydanticCustomError("shot_id", "a shot_id has at most 200 digits")
    elif len(value) > LONGEST_SHOT_ID or is_blank(value) or has_breaks(value):
        raise PydanticCustomError("shot_id", "a shot_id is not blank, on one line and at most 200 characters long")
    return value


def visible(text: str) -> str:
    """Refuse a blank text."""
    if is_blank(text):
        raise PydanticCustomError("text", "a text that is not blank is needed")
    return text


def without_surrogates(text: str) -> str:
    """Refuse halves of surrogate pairs, which UTF-8 cannot encode."""
    if _SURROGATE.search(text):
        raise PydanticCustomError("text", "a text of whole characters is needed")
    return text


def one_line(text: str) -> str:
    """Refuse a text that is blank or contains control characters."""
    if is_blank(text) or has_breaks(text):
        raise PydanticCustomError("text", "a text on one line is needed")
    return text


def number_as_text(value: object) -> object:
    """Return a whole number as text, for fields that people number: scene 12, reference 1."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER:
        return str(value)
    return value


def random_as_none(value: object) -> object:
    """Return None for -1, which means "random" in other tools."""
    return None if value == -1 and not isinstance(value, bool) else value


def none_as(default: object) -> Callable[[object], object]:
    """Return a validator that replaces None with a default."""
    return lambda value: default if value is None else value


def as_json(value: JsonValue) -> JsonValue:
    """Refuse what a JSON file cannot hold: NaN, infinities, halves of surrogate pairs, endless nesting."""
    if not _fits_json(value, DEEPEST):
        raise PydanticCustomError("json", "a value that JSON can hold is needed")
    return value


def _fits_json(value: JsonValue, depth: int) -> bool:
    if isinstance(value, str):
        return not _SURROGATE.search(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) < _LARGEST_NUMBER
    if isinstance(value, dict):
        return depth > 0 and all(_fits_json(key, 0) and _fits_json(item, depth - 1) for key, item in value.items())
    if isinstance(value, list):
        return depth > 0 and all(_fits_json(item, depth - 1) for item in value)
    return True


def same_name(value: object) -> str:
    """Return a form that is equal for names that look the same: 1 and ``1``, composed and decomposed accents.

    Texts too long for a name stay as they are: the time to normalize accents grows with the square of their number.
    """
    name = str(value)
    return unicodedata.normalize("NFC", name).strip() if len(name) <= LONGEST_SHOT_ID else name


def repeats(names: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """Yield the index of each repeated name, and the index of its first use."""
    first: dict[Hashable, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield index, first[name]
