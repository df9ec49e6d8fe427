"""Recognize values that the editor saves for itself: seed controls and upload buttons."""

from collections.abc import Sequence
from typing import Any

_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize", "increment-wrap"})
_REFRESH = "refresh"
# Values that buttons and previews leave in the file.
_BUTTONS = (None, "", "image", "video", "audio", "file", "upload")


def is_control(value: object) -> bool:
    """Return whether a value says how to change a field after each run."""
    return isinstance(value, str) and value in _CONTROLS


def refreshing(values: Sequence[Any]) -> int:
    """Count the values of the widgets that refresh a remote choice: a switch and a button."""
    return 2 if len(values) > 1 and isinstance(values[0], bool) and values[1] == _REFRESH else 0


def is_button(value: object) -> bool:
    """Return whether a value was left by a button or a preview."""
    return isinstance(value, str | None) and value in _BUTTONS
