"""Examine pictures and other media, make thumbnails, prepare references and extract workflows."""

from previs.pictures.media import Media, examine
from previs.pictures.playback import Playback, playback
from previs.pictures.references import upright_png_or_jpeg
from previs.pictures.workflows import workflow_in

__all__ = ["Media", "Playback", "examine", "playback", "upright_png_or_jpeg", "workflow_in"]
