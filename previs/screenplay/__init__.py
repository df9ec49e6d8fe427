"""Read screenplays in Fountain, and derive shot lists from them by fixed rules."""

from previs.screenplay.fountain import read_screenplay
from previs.screenplay.models import Screenplay
from previs.screenplay.shot_list import make_shot_list
from previs.screenplay.text import LARGEST

__all__ = ["LARGEST", "Screenplay", "make_shot_list", "read_screenplay"]
