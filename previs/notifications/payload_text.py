"""Read the payload of ``shot-list.ready`` from JSON text, the form in which Prefect evaluates nothing in it; pure."""

import json
from typing import Final

from jinja2.utils import htmlsafe_json_dumps

from previs.errors import Fault, ShotListFaults
from previs.notifications.events import SHOT_LIST_READY
from previs.shots.from_json import read_json, too_deep
from previs.shots.tree import repeated_keys

LARGEST_PARAMETER: Final = 520_000
"""Bytes of a payload as a run's parameter; Prefect refuses parameters larger than 524,288 bytes in total."""

_SOURCE: Final = f"the event {SHOT_LIST_READY}"


def parse_payload(shots: object) -> object:
    """Return the object that a text starting with ``{`` holds, or the argument itself if it is anything else.

    Raises:
        ShotListFaults: The text is not JSON, or an object in it has a key twice.
    """
    if not isinstance(shots, str) or not shots.lstrip().startswith("{"):
        return shots
    payload = read_json(shots, _SOURCE)
    try:
        repeated = next(repeated_keys(payload), None)
    except RecursionError as error:
        raise too_deep(_SOURCE) from error
    if repeated is not None:
        *place, key = map(str, repeated)
        fault = Fault(", ".join(["the payload", *place]), key, "", "occurs twice in one object: keep one of them")
        raise ShotListFaults(_SOURCE, (fault,))
    return payload


def parameter_bytes(payload: object) -> int:
    """Return the size that Prefect counts for a payload which the trigger in prefect.yaml passes as JSON text.

    Jinja's ``tojson`` escapes ``<``, ``>``, ``&`` and ``'`` like non-ASCII characters, and Prefect counts the text as a
    JSON string, in which each quote and backslash has two bytes.
    """
    return len(json.dumps(htmlsafe_json_dumps(payload)))
