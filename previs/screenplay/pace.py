"""Estimate how long text takes on screen."""

import math
from typing import Final

from previs.screenplay.text import count

ESTABLISHING: Final = 3.0
SHORTEST: Final = 1.5
LONGEST_ACTION: Final = 12.0
LONGEST_SPEECH: Final = 60.0
TOO_SHORT_ALONE: Final = 2.0
_PAUSE: Final = 0.5
_STEP: Final = 0.5
_SPOKEN_WORDS: Final = 2.5  # a second: 150 a minute
_SPOKEN_CHARACTERS: Final = 4.0
_ACTED_WORDS: Final = 3.0
_ACTED_CHARACTERS: Final = 6.0


def speech_seconds(text: str) -> float:
    """Return how long it takes to speak a text; 0 for an empty one."""
    words, characters = count(text)
    return _PAUSE + words / _SPOKEN_WORDS + characters / _SPOKEN_CHARACTERS if words or characters else 0.0


def action_seconds(text: str) -> float:
    """Return how long an action takes: about as long as reading its text; 0 for an empty one."""
    words, characters = count(text)
    return _PAUSE + words / _ACTED_WORDS + characters / _ACTED_CHARACTERS if words or characters else 0.0


def on_screen(action: float, speech: float) -> float:
    """Return the duration of a shot with the given action and speech, to half a second."""
    seconds = max(SHORTEST, min(action, LONGEST_ACTION), min(speech, LONGEST_SPEECH))
    return math.floor(seconds / _STEP + 0.5) * _STEP
