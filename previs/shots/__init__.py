"""The shot list: its models, its rules, and its readers for JSON, YAML and CSV."""

from previs.shots.models import Reference, Shot, ShotList
from previs.shots.reading import read_shot_list
from previs.shots.text import Notation

__all__ = ["Notation", "Reference", "Shot", "ShotList", "read_shot_list"]
