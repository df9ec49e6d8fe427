"""Write results of commands to standard output, and the rest to standard error; all of it is visible."""

import contextlib
import json
import os
import sys
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from previs.errors import Fault, ShotListFaults, WorkflowFaults
from previs.text.visible import visible, visible_json

_BAD_INPUT = 2


def write_json(content: Mapping[str, Any]) -> None:
    """Write an object to standard output as indented JSON in UTF-8."""
    text = visible_json(json.dumps(content, ensure_ascii=False, indent=2))
    sys.stdout.buffer.write(text.encode() + b"\n")
    sys.stdout.buffer.flush()


def write_line(text: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(visible(text) + "\n")
    sys.stdout.flush()


def write_error(text: str) -> None:
    """Write to standard error; the text may have several lines."""
    sys.stderr.write(visible(text, lines=True) + "\n")


def write_new(path: Path, content: bytes) -> None:
    """Write a file that does not exist yet, and say so.

    Raises:
        ShotListFaults: It exists, or cannot be written.
    """
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError as error:
        raise not_written(path, "it already exists: move it away, or give another name") from error
    except OSError as error:
        raise not_written(path, os.strerror(error.errno or 0)) from error
    write_error(f"written: {path}")


def not_written(path: Path, remedy: str) -> ShotListFaults:
    """Return the fault of a file that cannot be written."""
    return ShotListFaults(str(path), (Fault("the file", "write", "", remedy),))


@contextlib.contextmanager
def needs_extra() -> Iterator[None]:
    """Exit with a package's own sentence if the extra that it needs is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        write_error(str(error))
        sys.exit(_BAD_INPUT)


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
