"""Recognize symbolic links that lead out of a folder."""

import os
from pathlib import Path
from typing import Final

REFUSAL: Final = "a symbolic link leads out of the store's folder, and is not followed"


def leads_out(path: Path | str, folder: Path | str) -> bool:
    """Return whether symbolic links make a path lead out of a folder; the folder itself may be one, to another disk."""
    real, top = os.path.realpath(path), os.path.realpath(folder)
    return real != top and not real.startswith(os.path.join(top, ""))  # noqa: PTH118 - pathlib drops the closing slash
