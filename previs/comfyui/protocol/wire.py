"""Read JSON as servers send it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from previs.text.json_values import has_more_values

# No node of ComfyUI takes a larger number than a seed; larger ones of a server say nothing.
_LARGEST = 2.0**64
_DEEPEST = 100  # ComfyUI's own answers nest twenty levels.
MOST_VALUES: Final = 4_000_000
"""Values of an answer; a server with thousands of node classes describes them with 1,500,000."""


class TooManyValuesError(ValueError):
    """Report JSON of more values than are read."""


def read_json(text: str | bytes, most: int = MOST_VALUES) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Parse JSON and replace each lone half of a surrogate pair with a replacement character.

    JSON can hold such halves, escaped. UTF-8 cannot, so messages and records made from them could not be written.

    Raises:
        TooManyValuesError: It has more than ``most`` values.
        ValueError, RecursionError: The text is not JSON, or is nested over 100 levels deep.
    """
    decoded = text.decode(json.detect_encoding(text)) if isinstance(text, bytes) else text
    if has_more_values(decoded, most):
        raise TooManyValuesError
    value = json.loads(decoded)
    if decoded.count("[") + decoded.count("{") > _DEEPEST:
        _check_depth(value)
    return _without_surrogates(value) if "\\ud" in decoded.lower() else value


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty mapping for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return a JSON array as it is, and an empty list for anything else."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return a text as it is, and an empty text for anything else."""
    return value if isinstance(value, str) else ""


def as_number(value: object) -> float | None:
    """Return a number from -2^64 to 2^64 as it is, and None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -_LARGEST <= value <= _LARGEST else None


def _check_depth(value: object) -> None:
    """Refuse what Python reads, but could not compare, copy or write again everywhere: that takes deeper stacks."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return
    raise RecursionError


def _without_surrogates(value: object) -> object:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_without_surrogates(each) for each in value]
        case dict():
            return {_without_surrogates(name): _without_surrogates(each) for name, each in value.items()}
        case _:
            return value
