"""Move a slow camera over a still: pushes, pulls, pans and tilts; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from previs.animatic.view import Move
from previs.shots.camera import spelled_out

_PUSH: Final = 0.88
"""Part of a still's width that is seen at the closest end of a push or pull."""
_PAN: Final = 0.85
"""Part of a still's width that is seen during a pan or tilt."""

# Where the middle of the view is, in parts of the room that is left, at the start and at the end.
_WAYS: Final[Mapping[str, tuple[float, float, float, float, float, float]]] = {
    # name: size at the start, at the end; x at the start, at the end; y at the start, at the end
    "dolly in": (1, _PUSH, 0.5, 0.5, 0.5, 0.5),
    "zoom in": (1, _PUSH, 0.5, 0.5, 0.5, 0.5),
    "dolly out": (_PUSH, 1, 0.5, 0.5, 0.5, 0.5),
    "zoom out": (_PUSH, 1, 0.5, 0.5, 0.5, 0.5),
    "pan": (_PAN, _PAN, 0, 1, 0.5, 0.5),
    "pan right": (_PAN, _PAN, 0, 1, 0.5, 0.5),
    "pan left": (_PAN, _PAN, 1, 0, 0.5, 0.5),
    "tracking shot": (_PAN, _PAN, 0, 1, 0.5, 0.5),
    "tilt up": (_PAN, _PAN, 0.5, 0.5, 1, 0),
    "crane up": (_PAN, _PAN, 0.5, 0.5, 1, 0),
    "tilt down": (_PAN, _PAN, 0.5, 0.5, 0, 1),
    "crane down": (_PAN, _PAN, 0.5, 0.5, 0, 1),
}
_STILL: Final = "static camera"
_LONGEST: Final = 200


def _move(name: str) -> Move:
    start, end, left, right, top, bottom = _WAYS[name]
    return Move((start, end), (left, right), (top, bottom))


PUSH: Final = _move("dolly in")


@dataclass(frozen=True, slots=True)
class Movement:
    """Hold what a shot's record says of its camera's movement.

    Attributes:
        words: Its words; empty if it says nothing.
        move: What is shown of it; None if the camera stands still, or the words name nothing that a still can show.
        is_known: Whether the words name such a movement, or a static camera.
    """

    words: str
    move: Move | None
    is_known: bool


def movement_of(shot: Mapping[str, Any]) -> Movement:
    """Return the movement of a shot as given, whose record may hold anything; of several words the first known."""
    camera = shot.get("camera")
    given = camera.get("movement") if isinstance(camera, Mapping) else None
    words = given.strip()[:_LONGEST] if isinstance(given, str) else ""
    named = [spelled_out(word, "movement", chinese=False) for word in re.split(r"[,，、;；/+]", words) if word.strip()]
    known = next((name for name in named if name in _WAYS or name == _STILL), None)
    return Movement(words, _move(known) if known and known in _WAYS else None, known is not None)
