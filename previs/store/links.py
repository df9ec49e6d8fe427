"""Recognize symbolic links that lead out of a folder."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

REFUSAL: Final = "a symbolic link leads out of the store's folder, and is not followed"


def leads_out(path: Path | str, folder: Path | str) -> bool:
    """Return whether symbolic links make a path lead out of a folder; the folder itself may be one, to another disk."""
    if _has_no_links(os.fspath(path), os.fspath(folder)):
        return False
    real, top = os.path.realpath(path), os.path.realpath(folder)
    return real != top and not real.startswith(os.path.join(top, ""))  # noqa: PTH118 - pathlib drops the closing slash


def _has_no_links(path: str, folder: str) -> bool:
    """Return whether a path lies in a folder by its name, and nothing on the way from there is a link.

    That is the usual case, and takes few of the calls that resolving both takes.
    """
    # On Windows, junctions lead elsewhere too.
    if os.name == "nt" or not path.startswith(f"{folder}/"):
        return False
    names = path[len(folder) + 1 :].split("/")
    if ".." in names:
        return False
    for name in names:
        folder = f"{folder}/{name}"
        with suppress(OSError):
            if stat.S_ISLNK(os.lstat(folder).st_mode):
                return False
    return True
