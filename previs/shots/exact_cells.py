"""Write values of a list into cells so that they are read back as the same values; pure.

A cell is what a person would write, or else ``json:`` and the value in JSON.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from previs.shots import cells
from previs.shots.from_json import loads
from previs.shots.models import Shot
from previs.shots.parts import Camera
from previs.shots.sheet_rows import FORMULA_ERRORS
from previs.shots.workbook import number_text
from previs.text.json_values import has_more_values
from previs.text.visible import visible_json

JSON: Final = "json:"
"""Begins a cell that holds JSON."""

LONGEST_CELL: Final = 32_767
"""Characters of a cell, in UTF-16: Excel's own limit."""

# Control characters, and what XML cannot hold: spreadsheets lose or change them.
_LOST: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_FORMULA: Final = ("=", "+", "-", "@")
_LONGEST_NUMBER: Final = 15  # digits: spreadsheets round what is longer
_MOST_INNER: Final = 10_000  # values: as many as a shot may have


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    **dict.fromkeys(("prompt", "description", "dialogue", "sound", "scene", "location", "time_of_day"), str),
    **dict.fromkeys(("transition", "negative_prompt", "sequence", "notes", "title", "prompt_template", "aspect"), str),
    "qc": str,
    **dict.fromkeys(Camera.model_fields, str),
    **dict.fromkeys(("seed", "takes", "width", "height"), cells.whole),
    "shot_id": cells.shot_id,
    "references": lambda cell: cells.references([cell]),
    **dict.fromkeys(("duration", "fps"), lambda cell: cells.decimal(cell, cell)),
}
FIELDS: Final = frozenset((*Shot.model_fields, *Camera.model_fields))
"""Fields of a shot that have a column of their own."""


def value_of(field: str, cell: str) -> Any:  # noqa: ANN401 - whatever the field holds
    """Return the value of a cell that is not empty.

    Raises:
        ValueError: The cell has no valid JSON behind ``json:``, or JSON of too many values.
    """
    if not cell.startswith(JSON):
        return _READERS.get(field, cells.value)(cell)
    text = cell.removeprefix(JSON)
    if has_more_values(text, _MOST_INNER):
        raise ValueError(text)
    try:
        return loads(text)
    except RecursionError as error:
        raise ValueError(text) from error


def cell_of(field: str, value: Any, *, formulas: bool = True) -> str:  # noqa: ANN401 - likewise
    """Return the text of the cell for a value.

    Args:
        field: Name of the field, known or not.
        value: Plain JSON.
        formulas: Whether the file can mark a text as no formula; else a text that begins as one becomes JSON.
    """
    plain = _plain(value)
    formula = not formulas and isinstance(value, str | list) and is_formula(plain)
    if survives(plain) and not formula and same(value_of(field, plain), value):
        return plain
    text = json.dumps(value, ensure_ascii=False)
    return JSON + (json.dumps(value) if _LOST.search(text) else visible_json(text))


def number_in(field: str, cell: str) -> float | None:
    """Return the number that a spreadsheet may hold for the text of a cell; None if it must stay text."""
    if _READERS.get(field) is str or len(cell) > _LONGEST_NUMBER:
        return None
    value = cells.value(cell)
    return None if isinstance(value, bool | str) or number_text(float(value)) != cell else value


def is_formula(text: str) -> bool:
    """Return whether spreadsheets take a text for a formula when a person types it, or opens it as CSV."""
    return text.startswith(_FORMULA)


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether two values are the same JSON: 1, 1.0, true and "1" are not."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def survives(cell: str) -> bool:
    """Return whether spreadsheets keep the text of a cell, and it has no other meaning here."""
    lost = cell != cell.strip() or _LOST.search(cell) or cell in FORMULA_ERRORS
    return bool(cell) and not lost and not cell.startswith(JSON)


def utf16_length(text: str) -> int:
    """Return the characters of a text as spreadsheets count them."""
    return len(text) + sum(character > "\uffff" for character in text)


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value) if isinstance(value, int) else number_text(value)
    if isinstance(value, list) and all(_is_plain_reference(each) for each in value):
        named = ((number, each["reference_id"], each["url"]) for number, each in enumerate(value, 1))
        return "; ".join(url if name == f"ref_{number}" else f"{name}={url}" for number, name, url in named)
    return value if isinstance(value, str) else ""


def _is_plain_reference(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return isinstance(value, dict) and value.keys() == {"url", "reference_id"}
