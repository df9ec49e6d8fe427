"""How long things are on screen, by the length of their text."""

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
    """How long it takes to say a text; nothing for nothing."""
    words, characters = count(text)
    return _PAUSE + words / _SPOKEN_WORDS + characters / _SPOKEN_CHARACTERS if words or characters else 0.0


def action_seconds(text: str) -> float:
    """How long what a text describes may take, which is about as long as reading it."""
    words, characters = count(text)
    return _PAUSE + words / _ACTED_WORDS + characters / _ACTED_CHARACTERS if words or characters else 0.0


def on_screen(shown: float, spoken: float) -> float:
    """The duration of a shot in which something happens and something is said, to half a second."""
    seconds = max(SHORTEST, min(shown, LONGEST_ACTION), min(spoken, LONGEST_SPEECH))
    return math.floor(seconds / _STEP + 0.5) * _STEP
