"""What commands write for programs."""

import json
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from previs.errors import ShotListFaults, WorkflowFaults

_BAD_INPUT = 2


def write_json(content: Mapping[str, Any]) -> None:
    """Write an object to standard output, readable, in UTF-8."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    # Half of a surrogate pair, which JSON can hold and UTF-8 cannot, is written as JSON escapes it.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def printable(text: str) -> str:
    """A text that does nothing to a terminal but write on it."""
    return "".join(c if c.isprintable() else " " for c in text)


async def with_faults(work: Coroutine[Any, Any, int], schema: str, *, as_json: bool) -> int:
    """Do a command's work, and write faults of its input as JSON if that is the form that was asked for.

    Raises:
        ShotListFaults, WorkflowFaults: where it is not.
    """
    try:
        return await work
    except (ShotListFaults, WorkflowFaults) as error:
        if not as_json:
            raise
        write_json({"schema": schema, "source": error.source, "faults": [asdict(fault) for fault in error.faults]})
        return _BAD_INPUT
