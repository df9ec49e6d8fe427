"""Fields that the editor adds for itself: what to do with a seed after a run, buttons to upload a file."""

from collections.abc import Sequence
from typing import Any

_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
_REFRESH = "refresh"
# What a button or a preview leaves in the file.
_BUTTONS = (None, "", "image", "video", "audio", "file", "upload")


def is_control(value: object) -> bool:
    """Whether a value says what to do with a field after each run."""
    return isinstance(value, str) and value in _CONTROLS


def refreshing(values: Sequence[Any]) -> int:
    """Count the values of the fields that refresh a choice from elsewhere: a switch and a button."""
    return 2 if len(values) > 1 and isinstance(values[0], bool) and values[1] == _REFRESH else 0


def is_button(value: object) -> bool:
    """Whether a value is what a button or a preview leaves."""
    return isinstance(value, str | None) and value in _BUTTONS
