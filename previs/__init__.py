"""Storyboards from shot lists, rendered on ComfyUI servers and kept in a store."""
