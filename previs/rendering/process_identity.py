"""Which process on which machine this is, and whether another one of this machine has ended."""

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path
from typing import Final

_PROCESS: Final = re.compile(r"[1-9][0-9]{0,6} [0-9]+")


def has_ended(machine: str | None, process: str | None) -> bool:
    """Whether a process of this very machine has ended; false for one of another.

    Args:
        machine: as :func:`this_machine` gave it there.
        process: as :func:`this_process` gave it.
    """
    if machine is None or machine != this_machine() or not _PROCESS.fullmatch(process or ""):
        return False
    number = int(str(process).partition(" ")[0])
    try:
        return _process(number) != process
    except OSError:
        # proc(5) has an option, hidepid, by which other people's processes cannot be seen.
        return not _exists(number)


@cache
def this_machine() -> str | None:
    """This start of this machine, and the numbering of processes in it, of which a container has its own.

    Nothing where that cannot be told.
    """
    if sys.platform != "linux":
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # Virtual machines that were copied while they ran share the first.
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {platform.node()}"
    except OSError:
        return None


def this_process() -> str | None:
    """This process by its number and the moment it started; nothing where that cannot be told."""
    try:
        return _process(os.getpid())
    except OSError:
        return None


def _process(number: int) -> str | None:
    """A process by its number and the moment it started; nothing if it has ended and was not waited for.

    Raises:
        OSError: there is none, or none that can be seen.
    """
    stat = Path(f"/proc/{number}/stat").read_text("utf-8", "replace")
    # proc(5): the name, in parentheses, may hold anything; the state is field 3, the start field 22.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{number} {fields[19]}"


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
