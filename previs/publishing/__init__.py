"""Publish a board: its manifest, pages and results, and copies of it on a local disk."""
