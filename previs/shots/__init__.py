"""Read shot lists from JSON, YAML and CSV, and check them against the models and rules."""

from previs.shots.chains import Chains, ShotFrame, names_shot, read_chains
from previs.shots.look_files import read_look, with_looks
from previs.shots.models import Shot, ShotList
from previs.shots.parts import Reference
from previs.shots.passes import Pass
from previs.shots.reading import read_shot_list
from previs.shots.text import Notation
from previs.shots.tree import plain_json
from previs.shots.unused import unused_fields

__all__ = [
    "Chains",
    "Notation",
    "Pass",
    "Reference",
    "Shot",
    "ShotFrame",
    "ShotList",
    "names_shot",
    "plain_json",
    "read_chains",
    "read_look",
    "read_shot_list",
    "unused_fields",
    "with_looks",
]
