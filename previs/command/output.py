"""Write results of commands to standard output."""

import json
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import Any

from previs.errors import ShotListFaults, WorkflowFaults

_BAD_INPUT = 2


def write_json(content: Mapping[str, Any]) -> None:
    """Write an object to standard output as indented JSON in UTF-8."""
    text = json.dumps(content, ensure_ascii=False, indent=2)
    # JSON can hold half of a surrogate pair and UTF-8 cannot: it is written as an escape.
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def printable(text: str) -> str:
    """Replace control characters by spaces, so that the text cannot control a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


async def with_faults(work: Coroutine[Any, Any, int], schema: str, *, as_json: bool) -> int:
    """Await a command's work; with ``as_json``, write faults of its input as JSON and return 2.

    Raises:
        ShotListFaults, WorkflowFaults: The input has faults, and ``as_json`` is false.
    """
    try:
        return await work
    except (ShotListFaults, WorkflowFaults) as error:
        if not as_json:
            raise
        faults = [asdict(fault) for fault in error.faults]
        write_json({"schema": schema, "source": error.source, "faults": faults, "more": error.more})
        return _BAD_INPUT
