"""Offer the command ``previs``."""

from previs.command.app import main

__all__ = ["main"]
