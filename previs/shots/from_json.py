"""Read JSON into plain values."""

import json
from typing import Any

from previs.errors import ShotListFaults
from previs.shots.text import MOST_VALUES, fault, too_many_values
from previs.shots.tree import Pairs
from previs.text.json_values import has_more_values

_MOST_DIGITS = 300


def read_json(text: str, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the values of a JSON text, objects as :class:`~previs.shots.tree.Pairs`.

    NaN, Infinity and numbers too large for a float become such floats, so that the rules report them together with
    their shot and field.

    Raises:
        ShotListFaults: The text is not JSON, or has too many values.
    """
    if has_more_values(text, MOST_VALUES):
        raise too_many_values(name)
    try:
        return json.loads(text, object_pairs_hook=Pairs.of, parse_int=_integer)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        remedy = "this is not valid JSON: look for a missing comma, quote or bracket just before"
        raise fault(name, place, remedy, value=error.msg) from error
    except RecursionError as error:
        raise too_deep(name) from error


def too_deep(name: str) -> ShotListFaults:
    """Return the fault for values nested deeper than any shot list."""
    return fault(name, "the list", "lists and objects are nested too deeply for a shot list")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
