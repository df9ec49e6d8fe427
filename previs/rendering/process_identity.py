"""Identify this process and this machine, and find out whether another process of this machine has ended."""

import os
import platform
import re
import sys
from functools import cache
from pathlib import Path
from typing import Final

_PROCESS: Final = re.compile(r"[1-9][0-9]{0,6} [0-9]+")


def has_ended(machine: str | None, process: str | None) -> bool:
    """Return whether a process of this machine has ended; False for a process of another machine.

    Args:
        machine: What :func:`this_machine` returned there.
        process: What :func:`this_process` returned there.
    """
    if machine is None or machine != this_machine() or not _PROCESS.fullmatch(process or ""):
        return False
    number = int(str(process).partition(" ")[0])
    try:
        return _process(number) != process
    except OSError:
        # proc(5): the mount option hidepid hides processes of other users.
        return not _exists(number)


@cache
def this_machine() -> str | None:
    """Return the boot of this machine and its process namespace, which a container has of its own; None if unknown."""
    if sys.platform != "linux":
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        # Virtual machines that were copied while running share the boot id.
        return f"{boot} {Path('/proc/self/ns/pid').readlink()} {platform.node()}"
    except OSError:
        return None


def this_process() -> str | None:
    """Return the number of this process and when it started; None if unknown."""
    try:
        return _process(os.getpid())
    except OSError:
        return None


def _process(number: int) -> str | None:
    """Return a process's number and when it started; None if it has ended and was not waited for.

    Raises:
        OSError: The process does not exist or cannot be seen.
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
