"""JSON: the text to plain values."""

import json
from typing import Any

from previs.errors import ShotListFaults
from previs.shots.text import fault
from previs.shots.tree import Pairs

_MOST_DIGITS = 300


def read_json(text: str, name: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """The values of a JSON text, objects as :class:`~previs.shots.tree.Pairs`.

    NaN, Infinity and numbers too large for a float come through as such floats, so that the rules report them in
    their place.

    Raises:
        ShotListFaults: it is no JSON.
    """
    try:
        return json.loads(text, object_pairs_hook=Pairs.of, parse_int=_integer)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        remedy = "no valid JSON here: look for a missing comma, quote or bracket just before"
        raise fault(name, place, remedy, value=error.msg) from error
    except RecursionError as error:
        raise too_deep(name) from error


def too_deep(name: str) -> ShotListFaults:
    """The fault of values nested deeper than any shot list is."""
    return fault(name, "the list", "lists and objects are nested too deeply for a shot list")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)
