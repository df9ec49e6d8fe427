"""Read JSON, and JSON lines, into plain values."""

import json
from typing import Any

from previs.errors import ShotListFaults
from previs.shots.fields import MOST_SHOTS
from previs.shots.text import MOST_VALUES, fault, too_many_shots, too_many_values
from previs.shots.tree import Pairs
from previs.text.json_values import has_more_values

_MOST_DIGITS = 300


def read_json(text: str, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the values of a JSON text, objects as :class:`~previs.shots.tree.Pairs`; of JSON lines, a list of them.

    NaN, Infinity and numbers too large for a float become such floats, so that the rules report them together with
    their shot and field.

    Raises:
        ShotListFaults: The text is not JSON, or has too many values.
    """
    if has_more_values(text, MOST_VALUES):
        raise too_many_values(name)
    try:
        return loads(text)
    except json.JSONDecodeError as error:
        if _is_first_of_lines(text, error):
            return _read_lines(text, name)
        raise _not_json(error, error.lineno, name) from error
    except RecursionError as error:
        raise too_deep(name) from error


def loads(text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the values of a JSON text as :func:`read_json` does.

    Raises:
        json.JSONDecodeError, RecursionError: The text is not JSON, or nested too deeply.
    """
    return json.loads(text, object_pairs_hook=Pairs.of, parse_int=_integer)


def _is_first_of_lines(text: str, error: json.JSONDecodeError) -> bool:
    """Return whether an object on one line has another below it, where the parser stopped."""
    first = text[: error.pos].lstrip()
    ends_line = first.endswith("\n") and "\n" not in first.rstrip()
    return ends_line and first.startswith("{") and text.startswith("{", error.pos)


def _read_lines(text: str, name: str) -> list[Any]:
    found: list[Any] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(found) == MOST_SHOTS:
            raise too_many_shots(name)
        try:
            found.append(loads(line))
        except json.JSONDecodeError as error:
            raise _not_json(error, number, name) from error
    return found


def _not_json(error: json.JSONDecodeError, line: int, name: str) -> ShotListFaults:
    remedy = "this is not valid JSON: look for a missing comma, quote or bracket just before"
    return fault(name, f"line {line}, column {error.colno}", remedy, value=error.msg)


def too_deep(name: str) -> ShotListFaults:
    """Return the fault for values nested deeper than any shot list."""
    return fault(name, "the list", "lists and objects are nested too deeply for a shot list")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
