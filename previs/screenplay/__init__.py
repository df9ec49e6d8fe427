"""Read screenplays in Fountain and of Final Draft, and derive shot lists from them by fixed rules."""

from previs.screenplay.fdx import LARGEST_FILE
from previs.screenplay.models import Screenplay
from previs.screenplay.reading import read_screenplay
from previs.screenplay.shot_list import make_shot_list
from previs.screenplay.text import LARGEST

__all__ = ["LARGEST", "LARGEST_FILE", "Screenplay", "make_shot_list", "read_screenplay"]
