"""What a shot list's texts, ids and unknown fields may hold.

These are rules that types cannot say. Each raises ``PydanticCustomError``, so it is at work wherever the models
are used: in a file, in a flow's parameters, in Python.
"""

import math
import unicodedata
from collections.abc import Hashable, Iterable, Iterator

from pydantic import JsonValue
from pydantic_core import PydanticCustomError

LONGEST_SHOT_ID = 200
DEEPEST = 60
_LARGEST_NUMBER = 10**300
_INVISIBLE = {"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"}
_BREAKS = {"Cc", "Cs", "Zl", "Zp"}


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen."""
    return all(unicodedata.category(char) in _INVISIBLE for char in text)


def has_breaks(text: str) -> bool:
    """Whether a text holds control characters, line breaks or halves of a surrogate pair."""
    return any(unicodedata.category(char) in _BREAKS for char in text)


def usable_shot_id(value: object) -> object:
    """Refuse what cannot name a shot; an integer stays an integer and text stays text."""
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


def whole(text: str) -> str:
    """Refuse halves of surrogate pairs, which no file and no server can hold."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise PydanticCustomError("text", "a text of whole characters is needed")
    return text


def one_line(text: str) -> str:
    """Refuse a blank text and one with control characters."""
    if is_blank(text) or has_breaks(text):
        raise PydanticCustomError("text", "a text on one line is needed")
    return text


def number_as_text(value: object) -> object:
    """Write a whole number as text, for names that people number: a scene 12, a reference 1."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST_NUMBER:
        return str(value)
    return value


def random_as_none(value: object) -> object:
    """Read -1, the "random" of other tools, as no seed given."""
    return None if value == -1 and not isinstance(value, bool) else value


def as_json(value: JsonValue) -> JsonValue:
    """Refuse what a JSON file in UTF-8 cannot hold: NaN, infinities, halves of surrogate pairs, nesting without end."""
    if not _fits_json(value, DEEPEST):
        raise PydanticCustomError("json", "a value that JSON can hold is needed")
    return value


def _fits_json(value: JsonValue, depth: int) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= char <= "\udfff" for char in value)
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
    """What two names share when a person takes them for one: 1 and ``1``, composed and decomposed accents."""
    return unicodedata.normalize("NFC", str(value)).strip()


def repeats(names: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """For each name that came before: its index, and the index where it came first."""
    first: dict[Hashable, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield index, first[name]
